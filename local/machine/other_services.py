"""AWS's other services on this machine: whether they run, where, and which calls may leave it."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

from local.runtime.aws_calls import LET_THROUGH
from local.template import Template
from local.template.intrinsics import REGION
from local.template.stand_ins import parameters_elsewhere

ON = "on"
OFF = "off"
PACKAGE = "ministack"
# Those that a template's functions mostly call; any other is found by AWS_ENDPOINT_URL.
NAMES = (
    *("CLOUDWATCH_LOGS", "COGNITO_IDENTITY", "COGNITO_IDENTITY_PROVIDER", "DYNAMODB"),
    *("DYNAMODB_STREAMS", "EVENTBRIDGE", "FIREHOSE", "KINESIS", "KMS", "S3", "SCHEDULER"),
    *("SECRETS_MANAGER", "SES", "SESV2", "SFN", "SNS", "SSM", "STS"),
)


class UnknownService(ValueError):
    """A name after --aws is no service's; the message says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherServices:
    """The other services as the user chose them and as the template needs them."""

    are_needed: bool = False
    elsewhere: str = ""  # the URL of services that are not ours
    on_aws: tuple[str, ...] = ()  # whose calls leave this machine

    def url(self, port: int) -> str:
        """Return where they are."""
        return self.elsewhere or f"http://127.0.0.1:{port}"

    def variables(self, port: int, invoke_url: str, environ: Mapping[str, str]) -> dict[str, str]:
        """Return where functions find every service; without ours each is refused by name.

        Where `environ` names one place for all, only those on AWS get a variable.
        """
        real = {_variable(name): _real_url(name) for name in self.on_aws}
        real[LET_THROUGH] = ",".join(self.on_aws)
        if "AWS_ENDPOINT_URL" in environ:
            return real
        url = self.url(port) if self.are_needed else invoke_url
        named = {f"AWS_ENDPOINT_URL_{name}": url for name in NAMES} if self.are_needed else {}
        return {"AWS_ENDPOINT_URL": url, **named, **real}


def chosen(template: Template, option: str | None, on_aws: tuple[str, ...]) -> OtherServices:
    """Return what `--services` and `--aws` come to for a template. Raises UnknownService."""
    for name in on_aws:
        _real_url(name)
    elsewhere = option if option not in (None, ON, OFF) else ""
    elsewhere_on_aws = parameters_elsewhere(template.placeholders, template.made)
    by_services = template.made or template.log_subscriptions or elsewhere_on_aws
    wanted = option or template.calls or by_services
    needed = option != OFF and bool(wanted)
    return OtherServices(
        are_needed=needed and bool(elsewhere or is_installed()),
        elsewhere=(elsewhere or "").rstrip("/"),
        on_aws=on_aws,
    )


def is_installed() -> bool:
    """Tell whether the emulator of the services is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def lacking(template: Template, services: OtherServices, option: str | None) -> str:
    """Return a sentence about resources that nobody makes; empty where all is well."""
    kinds = {str(each["Type"]).split("::")[1].lower() for each in template.made.values()}
    names = ", ".join(sorted(kinds | template.calls)) or "other services"
    if services.are_needed or not (template.made or template.calls or option == ON):
        return ""
    about = f"{names} of AWS do not run here, and calls of them fail"
    if option == OFF:
        return f"{about}: --services {OFF}"
    return f"{about}; `pip install 'spillway[services]'`, or --services URL names some that run"


def _variable(service: str) -> str:
    import botocore.session  # noqa: PLC0415 - 100 ms, for a command that seldom needs it

    model = botocore.session.get_session().get_service_model(service)
    return f"AWS_ENDPOINT_URL_{model.service_id.upper().replace(' ', '_')}"


def _real_url(service: str) -> str:
    """Return where a service is on AWS. Raises UnknownService."""
    import botocore.session  # noqa: PLC0415 - as above

    session = botocore.session.get_session()
    if service not in session.get_available_services():
        raise UnknownService(f"--aws {service}: there is no such service; name it as boto3 does")
    api = session.create_client(
        service, region_name=REGION, aws_access_key_id="local", aws_secret_access_key="local"
    )
    return str(api.meta.endpoint_url)
