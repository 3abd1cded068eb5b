"""What the processes of one machine are told of one another: ports, store addresses, keys."""

import base64
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local import BACKEND_LAYER, PROJECT
from local.template import Template, TemplateError

INVOKE_URL = "AWS_ENDPOINT_URL_LAMBDA"  # where AWS's SDKs and its command line look for Lambda
SQS_URL = "AWS_ENDPOINT_URL_SQS"
ADDRESS_SETTINGS = (
    *("REDIS_URL", "REDIS_URL_FILE", "MONGO_URL", "QUEUE_BACKEND", "PROVIDER_URL", "SMTP_URL"),
    *(INVOKE_URL, SQS_URL),
)
SCOPES = [
    f"{resource}:{verb}"
    for resource in ("payments", "analytics", "notifications")
    for verb in ("read", "write")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where each server listens on loopback."""

    gateway: int = 5002
    console: int = 5080
    invoke: int = 3001  # the Lambda Invoke API
    workers: tuple[int, ...] = tuple(range(9100, 9105))  # their metrics
    provider: int = 5090
    smtp: int = 1025
    mailbox: int = 8025
    documents: int = 27017  # or the next free one
    valkey: int = 6379  # or the next free one


def documents_socket(state: Path) -> Path:
    """Return the unix socket of the embedded documents, which functions use."""
    return state / "run" / "documents.sock"


def private_key(folder: Path) -> str:
    """Return the PEM of the key that signs tokens, made at the first start."""
    path = folder / "token.pem"
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        _keep_secret(path, pem)
    return path.read_text()


def webhook_secret(folder: Path) -> str:
    """Return the secret that the provider's simulator signs with, made at the first start."""
    path = folder / "provider-webhooks"
    if not path.exists():
        _keep_secret(path, b"whsec_" + base64.b64encode(os.urandom(32)))
    return path.read_text()


def unsubscribe_key(folder: Path) -> str:
    """Return the secret that signs unsubscribe links, made at the first start."""
    path = folder / "unsubscribe-key"
    if not path.exists():
        _keep_secret(path, base64.b64encode(os.urandom(32)))
    return path.read_text()


def demo_clients() -> str:
    """Return the clients that exist on embedded stores only, as OAUTH_CLIENTS has them.

    `demo` and `other` are for people; `load` is the tenant of load runs.
    """
    return json.dumps(
        [
            {
                "id": name,
                "secret_sha256": hashlib.sha256(f"{name}-secret".encode()).hexdigest(),
                "tenant": name,
                "scopes": SCOPES,
            }
            for name in ("demo", "other", "load")
        ]
    )


def variables(
    environ: Mapping[str, str], template: Template, *, state: Path, ports: Ports, redis_url: str
) -> dict[str, str]:
    """Return the environment of every child; what `environ` already says is kept.

    Of this machine's settings functions are told those that their template asks for. Raises
    TemplateError.
    """
    offers = _offers(state, ports, redis_url)
    for name in sorted(template.provides - offers.keys()):
        sentence = f"{name} is nothing that this machine provides; it has {', '.join(offers)}"
        raise TemplateError(template.path, "Metadata", "Spillway.Provides", sentence)
    asked = template.provides - environ.keys()
    told = {name: offer() for name, offer in offers.items() if name in asked}
    told[INVOKE_URL] = f"http://127.0.0.1:{ports.invoke}"
    if template.queues:
        told[SQS_URL] = told[INVOKE_URL]
    if not _has_credentials(environ):
        # SDKs sign what they send to this machine too, where nobody checks it.
        told |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    if "REDIS_URL" not in {**told, **environ}:
        # For those who carry the queues: a function's own REDIS_URL is what its template says.
        told["REDIS_URL_FILE"] = _kept(state / "run" / "redis-url", redis_url)
    path = os.pathsep.join(
        part for part in (str(PROJECT), str(BACKEND_LAYER), environ.get("PYTHONPATH", "")) if part
    )
    always = {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
    return {**told, **environ, **always}


def _offers(state: Path, ports: Ports, redis_url: str) -> dict[str, Callable[[], str]]:
    """What a template may list in Metadata.Spillway.Provides."""
    return {
        "REDIS_URL": lambda: redis_url,
        "MONGO_URL": lambda: f"mongodb://{quote(str(documents_socket(state)), safe='')}",
        "QUEUE_BACKEND": lambda: "redis",
        "PROVIDER_URL": lambda: f"http://127.0.0.1:{ports.provider}",
        "SMTP_URL": lambda: f"smtp://127.0.0.1:{ports.smtp}",
        "TOKEN_PRIVATE_KEY": lambda: private_key(state / "keys"),
        "PROVIDER_WEBHOOK_SECRET": lambda: webhook_secret(state / "keys"),
        "OAUTH_CLIENTS": demo_clients,
        "WEBHOOKS_TO_LOOPBACK": lambda: "yes",
        "SMS_URL": lambda: f"http://127.0.0.1:{ports.mailbox}/sms",
        "PUBLIC_URL": lambda: f"http://127.0.0.1:{ports.gateway}",
        "UNSUBSCRIBE_KEY": lambda: unsubscribe_key(state / "keys"),
    }


def _has_credentials(environ: Mapping[str, str]) -> bool:
    """Whether SDKs would find credentials by themselves."""
    named = {"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"} & environ.keys()
    return bool(named) or (Path.home() / ".aws" / "credentials").is_file()


def _kept(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def _keep_secret(path: Path, secret: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_suffix(".new")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secret)
    unfinished.replace(path)
