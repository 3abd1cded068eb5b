"""Secrets of webhooks as they are stored: sealed under a key that the store does not have.

They cannot be hashed, because a signature needs the secret itself. Without a key, and by older
versions, they are stored as they are, which their own prefix tells.
"""

import base64
import hashlib
import os

PREFIX = "sealed_"
NONCE_BYTES = 12  # as AES-GCM has it


class Unsealable(Exception):
    """The key is not the one that a secret was sealed under, or the text is damaged."""


def seal(secret: str, key: str) -> str:
    """Return a secret as it is to be stored."""
    if not key:
        return secret
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + _cipher(key).encrypt(nonce, secret.encode(), None)
    return PREFIX + base64.b64encode(sealed).decode()


def unseal(stored: str, key: str) -> str:
    """Return the secret that was stored so; raises Unsealable."""
    if not stored.startswith(PREFIX):
        return stored
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  # slow, as below

    try:
        sealed = base64.b64decode(stored.removeprefix(PREFIX))
        return str(_cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None), "utf-8")
    except (InvalidTag, ValueError) as error:
        raise Unsealable(
            "The secret was sealed under another key or is damaged; rotate it."
        ) from error


def _cipher(key: str):  # type: ignore[no-untyped-def]  # the type is imported within
    # Imported here: it is slow, and most environments never see a webhook's secret.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(hashlib.sha256(b"webhook secrets " + key.encode()).digest())
