"""Access tokens: issued and checked with one Ed25519 key (RFC 8037, 9068), its public half as JWKS.

What a checker must not leave to the token (RFC 8725) stands here as constants: algorithm, type,
issuer, audience and required claims.
"""

import base64
import functools
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import OKPAlgorithm

from backend.errors import Unauthorized
from backend.settings import OAuthClient, SettingsError, settings

ALGORITHM = "EdDSA"
TOKEN_TYPE = "at+jwt"
AUDIENCE = "spillway"
LEEWAY_S = 30  # clocks of two hosts, as RFC 8725's practice has it
TOKEN_MAX_BYTES = 4096  # ours are 450; a longer one is not worth a signature check
COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")  # RFC 7515 3.1
REFUSED_HEADERS = frozenset({"crit", "jku", "jwk", "x5u", "x5c"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The claims of a good token."""

    client_id: str
    tenant: str
    scopes: frozenset[str]


def issue(client: OAuthClient, scopes: frozenset[str], *, now_s: int) -> str:
    """Return a signed access token of `client` for `scopes`, good for `token_lifetime_s`."""
    key = _key()
    claims = {
        "iss": settings.token_issuer,
        "aud": AUDIENCE,
        "sub": client.id,
        "client_id": client.id,
        "tenant": client.tenant,
        "scope": " ".join(sorted(scopes)),
        "iat": now_s,
        "exp": now_s + settings.token_lifetime_s,
    }
    headers = {"typ": TOKEN_TYPE, "kid": key_id()}
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers=headers)


def verify(token: str) -> Claims:
    """Return the claims of `token`; raises Unauthorized where anything about it does not hold."""
    try:
        if len(token) > TOKEN_MAX_BYTES:
            raise jwt.InvalidTokenError("too long")
        if COMPACT.fullmatch(token) is None:  # decoders pass over padding and foreign characters
            raise jwt.InvalidTokenError("not three parts of base64url without padding")
        header = jwt.get_unverified_header(token)
        if header.get("typ") != TOKEN_TYPE or REFUSED_HEADERS & header.keys():
            raise jwt.InvalidTokenError("not an access token of ours")
        claims = jwt.decode(
            token,
            _key().public_key(),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=settings.token_issuer,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iat", "iss", "aud", "sub", "tenant", "scope"]},
        )
    except jwt.InvalidTokenError as error:
        raise Unauthorized("The access token does not hold.", code="invalid_token") from error
    return Claims(
        client_id=str(claims["sub"]),
        tenant=str(claims["tenant"]),
        scopes=frozenset(str(claims["scope"]).split()),
    )


def jwks() -> dict[str, list[dict[str, Any]]]:
    """Return the public key as a JSON Web Key Set (RFC 7517)."""
    return {"keys": [{**_public_jwk(), "kid": key_id(), "use": "sig", "alg": ALGORITHM}]}


@functools.cache
def key_id() -> str:
    """Return the key's RFC 7638 thumbprint, so that the same key has the same id everywhere."""
    members = json.dumps(_public_jwk(), sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(members.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _public_jwk() -> dict[str, Any]:
    """Return the members that the thumbprint is made of: crv, kty, x."""
    return dict(OKPAlgorithm.to_jwk(_key().public_key(), as_dict=True))


@functools.cache
def _key() -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(settings.token_private_key.encode(), password=None)
    except ValueError as error:
        raise SettingsError(
            "TOKEN_PRIVATE_KEY=(hidden): must be an Ed25519 private key in PEM form"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError("TOKEN_PRIVATE_KEY=(hidden): must be an Ed25519 key")
    return key
