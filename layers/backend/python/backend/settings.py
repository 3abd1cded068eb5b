"""The one reader of the environment: name, type, unit and default of every setting."""

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from email.utils import formataddr, parseaddr
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

GROUP_BY_MAX = 8  # each is counted in every minute, by up to a hundred values
STORED_CLIENT = "cli_"  # begins the ids of clients that the store has
STRIPE_KEY = re.compile("[sr]k_(test|live)_[A-Za-z0-9_]{1,250}")
PROPERTY_NAME = re.compile("[A-Za-z0-9_-]{1,64}")


class SettingsError(ValueError):
    """A variable's value is not usable; the message names both and says what is expected."""


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """A client of the token endpoint. Secrets are random, so a SHA-256 of them is enough."""

    id: str
    secret_sha256: str = field(repr=False)
    tenant: str
    scopes: frozenset[str]
    old_secret_sha256: str = field(default="", repr=False)  # holds too, while one is rotated


def _text(value: str) -> str:
    if not value:
        raise ValueError("must not be empty")
    return value


def _count(value: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise ValueError("must be a whole number of at least 1")
    return int(value)


def _probability(value: str) -> float:
    if not 0 <= (probability := float(value)) <= 1:
        raise ValueError("must be a number from 0 to 1")
    return probability


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not value.startswith(tuple(f"{scheme}:" for scheme in schemes)):
            raise ValueError(f"must be a URL that begins with {' or '.join(schemes)}")
        return value

    return parse


_HTTP = _url("http", "https")


def _receiver(value: str) -> str:
    return _HTTP(value).rstrip("/") if value else ""


def _webhook_secret(value: str) -> str:
    try:
        base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("must be whsec_ and base64") from error
    if value and not value.startswith("whsec_"):
        raise ValueError("must be whsec_ and base64")
    return value


def _provider(value: str) -> str:
    rest = value.removeprefix("stripe:")
    if rest and not rest.startswith(("http://", "https://")):
        raise ValueError("must be a URL that begins with http or https, or stripe:")
    return value


def _providers(value: str) -> Mapping[str, str]:
    try:
        urls = msgspec.json.decode(value, type=dict[str, str])
    except msgspec.DecodeError as error:
        raise ValueError(f"must be a JSON object of URLs by tenant: {error}") from error
    if not all(urls):
        raise ValueError("must name tenants; PROVIDER_URL is for all others")
    return {tenant: _provider(url) for tenant, url in urls.items()}


def _stripe_key(value: str) -> str:
    if value and not STRIPE_KEY.fullmatch(value):
        raise ValueError("must be a secret key of Stripe: sk_test_, rk_test_, sk_live_ or rk_live_")
    return value


def _stripe_secrets(value: str) -> tuple[str, ...]:
    secrets = tuple(each.strip() for each in value.split(",") if each.strip())
    if not all(each.startswith("whsec_") and len(each) > len("whsec_") for each in secrets):
        raise ValueError("must be secrets that begin with whsec_, with commas between")
    return secrets


def _folder_or_bucket(value: str) -> str:
    parts = urlsplit(value)
    is_folder = parts.scheme == "file" and not parts.netloc and parts.path.startswith("/")
    is_bucket = parts.scheme == "s3" and parts.netloc and parts.path[-1:] in ("", "/")
    if not is_folder and not is_bucket:
        raise ValueError("must be file:///folder, or s3://bucket/ with a prefix that ends with /")
    return value


def _mail_server(value: str) -> str:
    parts = urlsplit(_url("smtp", "smtps", "smtp+starttls", "ses")(value))
    if (parts.scheme != "ses" and not parts.hostname) or parts.port == 0:
        raise ValueError("must name a host, such as smtps://user:password@mail.example.com")
    if parts.password and parts.scheme == "smtp":
        raise ValueError("must begin with smtps or smtp+starttls: a password needs encryption")
    return value


def _sender(value: str) -> str:
    """Return the address as a header has it: of a name, what is not ASCII is encoded (RFC 2047)."""
    name, address = parseaddr(value)
    if "@" not in address or not (address.isascii() and value.isprintable()):
        raise ValueError("must be an address such as Spillway <no-reply@spillway.example>")
    return formataddr((name, address))


def _yes_or_no(value: str) -> bool:
    if value not in ("yes", "no"):
        raise ValueError("must be yes or no")
    return value == "yes"


def _queue_backend(value: str) -> Literal["redis", "sqs"]:
    match value:
        case "redis" | "sqs":
            return value
    raise ValueError("must be redis or sqs")


def _property_names(value: str) -> tuple[str, ...]:
    names = tuple(each.strip() for each in value.split(",") if each.strip())
    if len(names) > GROUP_BY_MAX or not all(map(PROPERTY_NAME.fullmatch, names)):
        raise ValueError(f"must be up to {GROUP_BY_MAX} names of properties with commas between")
    return names


def _clients(value: str) -> Mapping[str, OAuthClient]:
    try:
        clients = msgspec.json.decode(value, type=list[OAuthClient])
    except msgspec.DecodeError as error:
        raise ValueError(
            f"must be a JSON list of objects with id, secret_sha256, tenant and scopes: {error}"
        ) from error
    if any(client.id.startswith(STORED_CLIENT) for client in clients):
        raise ValueError(f"must be clients whose ids do not begin with {STORED_CLIENT}")
    return {client.id: client for client in clients}


def _setting(parse: Callable[[str], Any], default: str, doc: str, *, secret: bool = False) -> Any:
    return field(repr=not secret, metadata={"parse": parse, "default": default, "doc": doc})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; a field's environment variable is its name in upper case."""

    redis_url: str = _setting(
        _url("redis", "rediss", "unix"), "redis://127.0.0.1:6379/0", "Redis or Valkey", secret=True
    )
    mongo_url: str = _setting(
        _url("mongodb", "mongodb+srv"), "mongodb://127.0.0.1:27017", "MongoDB", secret=True
    )
    mongo_database: str = _setting(_text, "spillway", "Database of all collections")
    queue_backend: Literal["redis", "sqs"] = _setting(
        _queue_backend, "redis", "What carries the queues: redis or sqs"
    )
    queue_depth_max: int = _setting(
        _count, "200000", "Messages a Redis queue holds before it refuses more"
    )
    queue_disorder: float = _setting(
        _probability, "0", "How likely a Redis queue delivers a message twice, and one late: 0 to 1"
    )
    payments_queue_url: str = _setting(
        _HTTP, "http://sqs.local/000000000000/payments", "Queue of payments to settle"
    )
    analytics_queue_url: str = _setting(
        _HTTP, "http://sqs.local/000000000000/analytics", "Queue of events to count"
    )
    analytics_group_by: tuple[str, ...] = _setting(
        _property_names,
        "currency,decline_code,country,platform,plan",
        "Properties of events that metrics can be grouped by, at most 8",
    )
    notifications_queue_url: str = _setting(
        _HTTP, "http://sqs.local/000000000000/notifications", "Queue of messages to deliver"
    )
    webhooks_queue_url: str = _setting(
        _HTTP, "http://sqs.local/000000000000/webhooks", "Queue of events and webhooks to send"
    )
    webhooks_to_loopback: bool = _setting(
        _yes_or_no, "no", "Whether webhooks may go to this machine, also by plain HTTP: yes or no"
    )
    provider_url: str = _setting(
        _provider, "http://127.0.0.1:5090", "Payment provider: a URL of the simulator, or stripe:"
    )
    provider_timeout_ms: int = _setting(_count, "2000", "Longest wait for one provider answer, ms")
    provider_webhook_secret: str = _setting(
        _webhook_secret, "", "Secret that the provider signs its webhooks with", secret=True
    )
    test_clocks: bool = _setting(
        _yes_or_no, "no", "Whether tenants may make test clocks: yes or no; for the simulator only"
    )
    tenant_providers: Mapping[str, str] = _setting(
        _providers, "{}", "Payment providers of tenants that have another (JSON object)"
    )
    stripe_api_key: str = _setting(
        _stripe_key, "", "Secret key of Stripe; of test mode unless STRIPE_LIVE", secret=True
    )
    stripe_live: bool = _setting(
        _yes_or_no, "no", "Whether Stripe charges real cards, by a key of live mode: yes or no"
    )
    stripe_webhook_secrets: tuple[str, ...] = _setting(
        _stripe_secrets, "", "Secrets that Stripe signs its webhooks with, old and new", secret=True
    )
    reports_url: str = _setting(
        _folder_or_bucket,
        "file:///tmp/spillway-reports",
        "Where reports are kept: file:///folder, or s3://bucket/prefix/",
    )
    smtp_url: str = _setting(
        _mail_server,
        "smtp://127.0.0.1:1025",
        "Mail server: smtp:, smtp+starttls: or smtps://user:password@host, or ses: for Amazon SES",
        secret=True,
    )
    sms_url: str = _setting(
        _url("http", "https", "sns"),
        "http://127.0.0.1:8025/sms",
        "Who takes text messages: a URL they are posted to, or sns: for Amazon SNS",
    )
    public_url: str = _setting(
        _HTTP, "http://127.0.0.1:5002", "Address of the API as recipients of mails reach it"
    )
    unsubscribe_key: str = _setting(
        str, "", "Secret that signs unsubscribe links; newsletters are refused without", secret=True
    )
    webhook_secrets_key: str = _setting(
        str, "", "Secret that webhooks' secrets are encrypted under in the store", secret=True
    )
    mail_from: str = _setting(_sender, "Spillway <no-reply@spillway.example>", "Sender of e-mails")
    notifications_per_tenant_s: int = _setting(
        _count, "1000", "Notifications a second of one tenant; more are held back"
    )
    notifications_per_recipient_h: int = _setting(
        _count, "60", "Notifications an hour to one recipient of a tenant; more are held back"
    )
    payment_requests_per_tenant_s: int = _setting(
        _count, "2000", "Requests a second of one tenant to payments; more are answered with 429"
    )
    notification_requests_per_tenant_s: int = _setting(
        _count, "2000", "The same for notifications, webhooks' endpoints and suppressions"
    )
    analytics_reads_per_tenant_s: int = _setting(
        _count, "2000", "The same for metrics and names of events"
    )
    analytics_writes_per_tenant_s: int = _setting(
        _count, "2000", "The same for events; a batch is one request"
    )
    token_private_key: str = _setting(
        str, "", "Ed25519 private key (PEM) that signs and checks access tokens", secret=True
    )
    token_issuer: str = _setting(_text, "https://spillway.example", "Issuer of access tokens")
    token_lifetime_s: int = _setting(_count, "3600", "Life of an access token, s")
    oauth_clients: Mapping[str, OAuthClient] = _setting(
        _clients, "[]", "Clients of the token endpoint (JSON list)", secret=True
    )
    metrics_namespace: str = _setting(_text, "Spillway", "CloudWatch namespace of the metrics")
    aws_region: str = _setting(_text, "eu-west-1", "Region of SQS and of the ARNs")
    otel_exporter_otlp_endpoint: str = _setting(
        _receiver, "", "Who takes spans, as OTLP over HTTP below /v1/traces; none are made without"
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read every setting from `environ`; raises SettingsError naming the first bad variable.

        NAME_FILE in the place of NAME names a file that holds the value, as container secrets do.
        """
        values: dict[str, Any] = {}
        for each in fields(cls):
            name = each.name.upper()
            raw = _raw(environ, name, each.metadata["default"])
            try:
                values[each.name] = each.metadata["parse"](raw)
            except ValueError as error:
                shown = "(hidden)" if not each.repr else repr(raw)
                raise SettingsError(f"{name}={shown}: {error}") from error
        made = cls(**values)
        made._check_mode()
        return made

    @property
    def uses_stripe(self) -> bool:
        """Whether some tenant's payments are charged by Stripe."""
        urls = (self.provider_url, *self.tenant_providers.values())
        return any(each.startswith("stripe:") for each in urls)

    def _check_mode(self) -> None:
        """Refuse a key that charges real cards where nobody said so, and one that charges none."""
        if self.stripe_api_key and ("_live_" in self.stripe_api_key[:8]) is not self.stripe_live:
            mode, answer = ("test", "yes") if self.stripe_live else ("live", "no")
            raise SettingsError(
                f"STRIPE_API_KEY=(hidden): is of {mode} mode, and STRIPE_LIVE is {answer}"
            )


def _raw(environ: Mapping[str, str], name: str, default: str) -> str:
    path = environ.get(f"{name}_FILE")
    if path is None:
        return environ.get(name, default)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{name}_FILE={path!r}: {error.strerror}") from error


assert all(each.default is MISSING for each in fields(Settings))  # from_env is the only reader

settings = Settings.from_env(os.environ)
