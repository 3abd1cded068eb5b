"""The ports, settings and simulators that this backend adds to the system of its template."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from local.machine.extension import Extension
from local.machine.ports import Ports
from local.machine.processes import Process, Stage, python
from local.machine.stores import listens
from local.runtime.handler import import_folders
from local.spillway.keys import (
    demo_clients,
    private_key,
    unsubscribe_key,
    webhook_secret,
    webhook_secrets_key,
)
from local.template import Template
from local.template.service_kinds import USER_POOL
from local.template.stack_checks import mail_subscriptions

PROVIDER_WEBHOOKS = "/v1/provider/webhooks"  # the route by which payments hear of the provider
PAYMENTS = "PaymentsFunction"
CHECK_TIMEOUT_S = 10.0
CHECK = "from backend.settings import settings"  # whose import reads them all
CHECK_STRIPE = f"{CHECK}; from payments.providers.choice import connect; connect(settings)"
FIRST_REQUEST = """\
create a payment and look at it:

TOKEN=$(curl -s {url}/oauth2/token -u demo:demo-secret -d grant_type=client_credentials \\
  | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
PAYMENT=$(curl -s {url}/v1/payments -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" -H "Idempotency-Key: first-$(date +%s)" \\
  -d '{{"amount":1250,"currency":"EUR","payment_method":"pm_card_visa"}}' \\
  | sed 's/.*"id":"\\(pay_[^"]*\\)".*/\\1/')
curl -s {url}/v1/payments/$PAYMENT -H "Authorization: Bearer $TOKEN"
"""


def _settings(state: Path, ports: Ports) -> Mapping[str, Callable[[], str]]:
    keys, others = state / "keys", ports.others
    return {
        "PROVIDER_URL": lambda: f"http://127.0.0.1:{others['provider']}",
        "SMTP_URL": lambda: f"smtp://127.0.0.1:{others['smtp']}",
        "TOKEN_PRIVATE_KEY": lambda: private_key(keys),
        "PROVIDER_WEBHOOK_SECRET": lambda: webhook_secret(keys),
        "OAUTH_CLIENTS": demo_clients,
        "WEBHOOKS_TO_LOOPBACK": lambda: "yes",
        "TEST_CLOCKS": lambda: "yes",
        "REPORTS_URL": lambda: (state / "data" / "reports").absolute().as_uri(),
        "SMS_URL": lambda: f"http://127.0.0.1:{others['mailbox']}/sms",
        "PUBLIC_URL": lambda: f"http://127.0.0.1:{ports.gateway}",
        "UNSUBSCRIBE_KEY": lambda: unsubscribe_key(keys),
        "WEBHOOK_SECRETS_KEY": lambda: webhook_secrets_key(keys),
        # The shell names what is Stripe's; a machine has none of it by itself.
        "TENANT_PROVIDERS": lambda: "{}",
        "STRIPE_API_KEY": str,
        "STRIPE_LIVE": lambda: "no",
        "STRIPE_WEBHOOK_SECRETS": str,
    }


def _processes(template: Template, state: Path, ports: Ports) -> Iterator[Process]:
    others, data = ports.others, state / "data"
    if "PROVIDER_URL" in template.provides:
        journal = data / "provider.jsonl"
        has_secret = "PROVIDER_WEBHOOK_SECRET" in template.provides
        webhooks = ("--webhook-url", f"http://127.0.0.1:{ports.gateway}{PROVIDER_WEBHOOKS}")
        yield Process(
            name="provider",
            stage=Stage.OUTSIDE,
            command=python(
                *("local.simulators.provider", "--port", others["provider"]),
                *("--journal", journal, *(webhooks if has_secret else ())),
            ),
            address=f"http://127.0.0.1:{others['provider']}",
            answers=lambda: listens(others["provider"]),
            port_settings=((others["provider"], "--provider-port"),),
        )
    if "SMTP_URL" in template.provides or _mails_by_services(template):
        smtp, mailbox = others["smtp"], others["mailbox"]
        yield Process(
            name="mailbox",
            stage=Stage.OUTSIDE,
            command=python(
                *("local.simulators.mailbox", "--smtp-port", smtp, "--http-port", mailbox),
                *("--journal", data / "mailbox.jsonl"),
            ),
            address=f"smtp://127.0.0.1:{smtp} http://127.0.0.1:{mailbox}/messages",
            answers=lambda: listens(smtp) and listens(mailbox),
            port_settings=((smtp, "--smtp-port"), (mailbox, "--mailbox-port")),
        )


def _mails_by_services(template: Template) -> bool:
    """Tell whether SES, a user pool with its codes, or a topic may send mails."""
    made = [(str(each["Type"]), dict(each["Properties"])) for each in template.made.values()]
    return "ses" in template.calls or any(
        kind == USER_POOL or kind.startswith("AWS::SES::") or mail_subscriptions(kind, properties)
        for kind, properties in made
    )


def _check(template: Template, variables: Mapping[str, str]) -> None:
    """Refuse now, by the backend's own settings, what every process would end with."""
    function = template.functions.get(PAYMENTS)
    if function is None or "PROVIDER_URL" not in template.provides:
        return
    folders = os.pathsep.join(map(str, import_folders(function)))
    urls = variables.get("PROVIDER_URL", "") + variables.get("TENANT_PROVIDERS", "")
    ended = subprocess.run(
        [sys.executable, "-c", CHECK_STRIPE if "stripe:" in urls else CHECK],
        env={**variables, "PYTHONPATH": folders},
        capture_output=True,
        text=True,
        timeout=CHECK_TIMEOUT_S,
        check=False,
    )
    reason = (ended.stderr.strip().splitlines() or ["no reason"])[-1]
    if ended.returncode and "SettingsError: " in reason:
        raise ValueError(f"a setting cannot be used: {reason.partition('SettingsError: ')[2]}")


def _first_request(template: Template, url: str) -> str:
    return FIRST_REQUEST.format(url=url) if PAYMENTS in template.functions else ""


def _is_at_home(folder: Path) -> bool:
    return (folder / "functions" / "payments" / "app.py").is_file()


def _console_views(template: Template) -> str:
    has_payments = PAYMENTS in template.functions and "MONGO_URL" in template.provides
    return "local.spillway.console" if has_payments else ""


EXTENSION = Extension(
    is_at_home=_is_at_home,
    ports={
        "provider": (5090, "port of the payment provider"),
        "smtp": (1025, "port of the mailbox that takes mails"),
        "mailbox": (8025, "port of the mailbox that shows mails"),
    },
    settings=_settings,
    processes=_processes,
    check=_check,
    first_request=_first_request,
    console_views=_console_views,
)
