"""What the processes of one machine are told of one another: ports, store addresses, keys."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PROJECT = Path(__file__).resolve().parents[1]
BACKEND_LAYER = PROJECT / "layers" / "backend" / "python"
INVOKE_URL = "AWS_ENDPOINT_URL_LAMBDA"  # where AWS's SDKs and its command line look for Lambda
ADDRESS_SETTINGS = (
    *("REDIS_URL", "MONGO_URL", "QUEUE_BACKEND", "PROVIDER_URL", "SMTP_URL"),
    INVOKE_URL,
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


def demo_clients() -> str:
    """Return the two clients that exist on embedded stores only, as OAUTH_CLIENTS has them."""
    return json.dumps(
        [
            {
                "id": name,
                "secret_sha256": hashlib.sha256(f"{name}-secret".encode()).hexdigest(),
                "tenant": name,
                "scopes": SCOPES,
            }
            for name in ("demo", "other")
        ]
    )


def variables(
    environ: Mapping[str, str], *, state: Path, ports: Ports, redis_url: str
) -> dict[str, str]:
    """Return the environment of every child; what `environ` already says is kept."""
    told = {
        "REDIS_URL": redis_url,
        "MONGO_URL": f"mongodb://{quote(str(documents_socket(state)), safe='')}",
        "QUEUE_BACKEND": "redis",
        "PROVIDER_URL": f"http://127.0.0.1:{ports.provider}",
        "SMTP_URL": f"smtp://127.0.0.1:{ports.smtp}",
        "WEBHOOKS_TO_LOOPBACK": "yes",
        INVOKE_URL: f"http://127.0.0.1:{ports.invoke}",
    }
    if "TOKEN_PRIVATE_KEY" not in environ:
        told["TOKEN_PRIVATE_KEY"] = private_key(state / "keys")
    if "PROVIDER_WEBHOOK_SECRET" not in environ:
        told["PROVIDER_WEBHOOK_SECRET"] = webhook_secret(state / "keys")
    if "OAUTH_CLIENTS" not in environ:
        told["OAUTH_CLIENTS"] = demo_clients()
    path = os.pathsep.join(
        part for part in (str(PROJECT), str(BACKEND_LAYER), environ.get("PYTHONPATH", "")) if part
    )
    return {**told, **environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _keep_secret(path: Path, secret: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_suffix(".new")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(secret)
    unfinished.replace(path)
