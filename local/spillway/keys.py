"""The keys, secrets and clients of this backend on one machine, made at its first start."""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

SCOPES = Path(__file__).with_name("scopes.json")  # `make openapi` writes them


def private_key(folder: Path) -> str:
    """Return the PEM of the key that signs tokens."""
    return _stored(folder / "token.pem", _new_private_key)


def webhook_secret(folder: Path) -> str:
    """Return the secret that the provider's simulator signs with."""
    return _stored(folder / "provider-webhooks", lambda: b"whsec_" + _random())


def unsubscribe_key(folder: Path) -> str:
    """Return the secret that signs unsubscribe links."""
    return _stored(folder / "unsubscribe-key", _random)


def webhook_secrets_key(folder: Path) -> str:
    """Return the secret that webhooks' secrets are encrypted under in the store."""
    return _stored(folder / "webhook-secrets-key", _random)


def demo_clients() -> str:
    """Return the clients that exist on embedded stores only, as OAUTH_CLIENTS has them.

    `demo` and `other` are for people; `load` is the tenant of load runs, and `admin` makes tenants.
    """
    scopes = json.loads(SCOPES.read_text(encoding="utf-8"))
    own = [each for each in scopes if not each.startswith("tenants:")]  # of one tenant
    clients = {"demo": own, "other": own, "load": own, "admin": scopes}
    return json.dumps(
        [
            {
                "id": name,
                "secret_sha256": hashlib.sha256(f"{name}-secret".encode()).hexdigest(),
                "tenant": name,
                "scopes": scopes_of_client,
            }
            for name, scopes_of_client in clients.items()
        ]
    )


def _new_private_key() -> bytes:
    # Imported here: it costs every command 30 ms, and one start in a lifetime makes a key.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _random() -> bytes:
    return base64.b64encode(os.urandom(32))


def _stored(path: Path, make: Callable[[], bytes]) -> str:
    """Return the secret at `path`, made where there is none yet."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = path.with_suffix(".new")
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(make())
        unfinished.replace(path)
    return path.read_text()
