"""The rules of tokens for clients (RFC 6749 2.3.1, 4.4, 5.2). Knows no HTTP framework."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from api.schema import Token, TokenRequest
from backend import strict_json
from backend.errors import InvalidRequest, Unauthorized
from backend.settings import OAuthClient

Find = Callable[[str], OAuthClient | None]  # a client by its id

FORM_BYTES_MAX = 4_096
FIELDS_MAX = 16
# Compared where the client is unknown, so that its answer takes as long as that to a wrong secret.
NO_SECRET_SHA256 = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The scopes that a client gets."""

    client: OAuthClient
    scopes: frozenset[str]


def grant(raw: bytes, authorization: str | None, *, find: Find) -> Grant:
    """Check a token request; raises InvalidRequest and Unauthorized with RFC 6749's codes."""
    request = _form(raw)
    client = _client(request, authorization, find)
    if request.grant_type != "client_credentials":
        raise _invalid("The grant_type must be client_credentials.", "unsupported_grant_type")
    if not client.scopes:
        raise _invalid("The client has no scopes that its tenant still has.", "invalid_scope")
    scopes = client.scopes if request.scope is None else frozenset(request.scope.split())
    if not scopes or not scopes <= client.scopes:
        raise _invalid("The client may not have that scope.", "invalid_scope")
    return Grant(client=client, scopes=scopes)


def answer(token: str, granted: Grant, *, lifetime_s: int) -> Token:
    """Return the token endpoint's answer."""
    return Token(access_token=token, expires_in=lifetime_s, scope=" ".join(sorted(granted.scopes)))


def _form(raw: bytes) -> TokenRequest:
    try:
        text = raw.decode() if len(raw) <= FORM_BYTES_MAX else None
        pairs = parse_qsl(text or "", max_num_fields=FIELDS_MAX, errors="strict")
        fields = dict(pairs)
        if text is None or len(fields) != len(pairs):
            raise ValueError("too large, or a field stands twice")
        return strict_json.convert_text(fields, TokenRequest)
    except (ValueError, InvalidRequest) as error:
        raise _invalid(
            "Send grant_type=client_credentials as a form, each field once.", "invalid_request"
        ) from error


def _client(request: TokenRequest, authorization: str | None, find: Find) -> OAuthClient:
    client_id, secret = request.client_id or "", request.client_secret or ""
    if authorization is not None:
        if request.client_secret is not None:
            raise _invalid("Authenticate by header or by form, not both.", "invalid_request")
        client_id, secret = _basic(authorization)
    client = find(client_id)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    holds = [
        hmac.compare_digest(digest, expected or NO_SECRET_SHA256)
        for expected in (
            client.secret_sha256 if client else "",
            client.old_secret_sha256 if client else "",
        )
    ]
    if client is None or not secret or not any(holds):
        raise _unknown_client()
    return client


def _basic(authorization: str) -> tuple[str, str]:
    kind, _, encoded = authorization.partition(" ")
    try:
        if kind.lower() != "basic":
            raise ValueError("not Basic")
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (ValueError, binascii.Error) as error:
        raise _unknown_client() from error
    return unquote_plus(client_id), unquote_plus(secret)


def _invalid(detail: str, code: str) -> InvalidRequest:
    return InvalidRequest(detail, status=400, code=code)


def _unknown_client() -> Unauthorized:
    return Unauthorized("The client's id or secret is wrong.", code="invalid_client")
