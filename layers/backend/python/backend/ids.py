"""Ids of objects: a prefix that says what they are of, and 26 letters and digits, 130 bits."""

import base64
import hashlib
import secrets

LENGTH = 26


def derived(prefix: str, *parts: str) -> str:
    """Return the id that these parts always have: asked for again, it is the same object."""
    return prefix + _text(hashlib.sha256("|".join(parts).encode()).digest())


def new(prefix: str) -> str:
    """Return an id that nothing else has, and that nobody can guess."""
    return prefix + _text(secrets.token_bytes(20))


def _text(digest: bytes) -> str:
    return base64.b32encode(digest[:20]).decode().lower()[:LENGTH]
