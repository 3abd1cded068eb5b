"""JSON Web Tokens, checked by the keys of their issuer: JWT authorizers of HTTP APIs (row 1.77) and
user pools of REST APIs (row 1.65).
"""

import asyncio
import json
import logging
import re
import time
from abc import ABC, abstractmethod
from typing import Any
from urllib.request import urlopen

import jwt

from local.gateway.authorizer import Callback, Subject
from local.gateway.identity import Source, source_of
from local.gateway.policy import Grant
from local.gateway.responses import UNAUTHORIZED, Refusal
from local.runtime.aws_calls import endpoint_of
from local.template import JwtAuthorizer, PoolAuthorizer

log = logging.getLogger(__name__)

POOLS = "Cognito Identity Provider"  # the SDKs' name of the service that has user pools
_POOL = re.compile(r"(https://cognito-idp\.[\w-]+\.amazonaws\.com)/([\w-]+)")
ALGORITHMS = ["RS256", "RS384", "RS512"]  # API Gateway takes RSA only
KEYS_KEPT_S = 7200.0  # as long as API Gateway may keep them
FETCH_TIMEOUT_S = 5.0
DOCUMENT_MAX_BYTES = 1024 * 1024
WAITING_MAX = 1000  # requests that wait for the keys


class TokenChecker(ABC):
    """The tokens of some issuers. Their keys are fetched when the first comes, in a thread."""

    def __init__(self, source: str, issuers: tuple[str, ...]) -> None:
        self._issuers = issuers
        self._source: Source = source_of(source, {})
        self._keys: dict[str, jwt.PyJWK] = {}
        self._expires_s = 0.0
        self._waiting: list[tuple[Subject, Callback]] = []
        self._fetching: asyncio.Task[None] | None = None

    def authorize(self, subject: Subject, callback: Callback) -> None:
        """Call `callback`, at once where the keys are known, else when they have come."""
        if time.monotonic() < self._expires_s:
            callback(self._decide(subject))
        elif len(self._waiting) >= WAITING_MAX:
            callback(self._unauthorized("too many requests wait for the issuer's keys"))
        else:
            self._waiting.append((subject, callback))
            if self._fetching is None:
                self._fetching = asyncio.get_running_loop().create_task(self._fetch())

    async def _fetch(self) -> None:
        self._keys = {}
        try:
            for issuer in self._issuers:
                self._keys |= await asyncio.to_thread(_keys_of, issuer)
            self._expires_s = time.monotonic() + KEYS_KEPT_S
        except (OSError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            log.warning("no keys of the issuer %s: %s", issuer, error)
        self._fetching = None
        waiting, self._waiting = self._waiting, []
        for subject, callback in waiting:
            callback(self._decide(subject))

    def _decide(self, subject: Subject) -> Grant | Refusal:
        token = (self._source(subject) or "").removeprefix("Bearer ").strip()
        if not token:
            return self._unauthorized("")
        try:
            return self._granted(self._claims(token), subject)
        except (jwt.PyJWTError, KeyError, TypeError) as error:
            return self._unauthorized(str(error) or "the token is not valid")

    def _claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a token that is as it should be. Raises PyJWTError or KeyError."""
        key = self._keys[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=ALGORITHMS,
            issuer=self._issuers,
            options={"verify_aud": False, "require": ["exp"]},
        )
        return claims

    @abstractmethod
    def _granted(self, claims: dict[str, Any], subject: Subject) -> Grant | Refusal:
        """Return what the claims of a good token come to. Raises PyJWTError."""

    @abstractmethod
    def _unauthorized(self, why: str) -> Refusal:
        """Return the refusal of a token; `why` is empty where there is none."""


class JwtChecker(TokenChecker):
    """A JWT authorizer of an HTTP API."""

    def __init__(self, authorizer: JwtAuthorizer) -> None:
        super().__init__(authorizer.source, (authorizer.issuer,))
        self._audience = frozenset(authorizer.audience)

    def _granted(self, claims: dict[str, Any], subject: Subject) -> Grant | Refusal:
        audience = claims.get("aud", claims.get("client_id"))
        audiences = set(audience) if isinstance(audience, list) else {audience}
        if not audiences & self._audience:
            raise jwt.InvalidAudienceError("the audience is another")
        scopes = _scopes(claims)
        if subject.scopes and not set(subject.scopes) & set(scopes):
            return _forbidden(subject.scopes)
        # API Gateway hands all claims on as text.
        claims_of_caller = {
            "claims": {name: _text(value) for name, value in claims.items()},
            "scopes": [each for each in scopes if each in subject.scopes] or None,
        }
        return Grant(claims_of_caller, {"jwt": claims_of_caller})

    def _unauthorized(self, why: str) -> Refusal:
        described = f' error="invalid_token" error_description="{_quotable(why)}"' if why else ""
        return Refusal(
            "UNAUTHORIZED",
            401,
            "Unauthorized",
            "UnauthorizedException",
            challenge=f"Bearer{described}",
        )


class PoolChecker(TokenChecker):
    """A COGNITO_USER_POOLS authorizer of a REST API."""

    def __init__(self, authorizer: PoolAuthorizer) -> None:
        super().__init__(authorizer.source, authorizer.issuers)
        self._validation = re.compile(authorizer.validation or "")

    def _granted(self, claims: dict[str, Any], subject: Subject) -> Grant | Refusal:
        audience = str(claims.get("aud", claims.get("client_id", "")))
        if not self._validation.match(audience):
            return UNAUTHORIZED
        if subject.scopes and not set(subject.scopes) & set(_scopes(claims)):
            return UNAUTHORIZED
        return Grant(
            {"claims": {name: _pool_text(name, each) for name, each in claims.items()}}, {}
        )

    def _unauthorized(self, why: str) -> Refusal:
        if why:
            log.info("a token is refused: %s", why)
        return UNAUTHORIZED


def _keys_of(issuer: str) -> dict[str, jwt.PyJWK]:
    """Return the public keys of an issuer by their ids. Raises OSError and ValueError."""
    if pool := _POOL.fullmatch(issuer):
        address = endpoint_of(POOLS) or pool[1]
        keys_url = f"{address.rstrip('/')}/{pool[2]}/.well-known/jwks.json"
    else:
        keys_url = _document(f"{issuer.rstrip('/')}/.well-known/openid-configuration")["jwks_uri"]
    keys = jwt.PyJWKSet.from_dict(_document(keys_url)).keys
    return {key.key_id: key for key in keys if key.key_id}


def _document(url: str) -> dict[str, Any]:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is no address on the web")
    with urlopen(url, timeout=FETCH_TIMEOUT_S) as response:
        document = json.loads(response.read(DOCUMENT_MAX_BYTES))
    if not isinstance(document, dict):
        raise ValueError(f"{url} has no JSON object")
    return document


def _scopes(claims: dict[str, Any]) -> list[str]:
    scopes = claims.get("scope", claims.get("scp", []))
    return scopes.split() if isinstance(scopes, str) else list(scopes)


def _pool_text(name: str, value: Any) -> str:
    """Return a claim as a REST API hands it on: times as dates, lists with commas between."""
    if name in ("exp", "iat") and isinstance(value, int | float):
        return time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(value))
    return ",".join(map(str, value)) if isinstance(value, list) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{' '.join(map(str, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _forbidden(scopes: tuple[str, ...]) -> Refusal:
    return Refusal(
        "ACCESS_DENIED",
        403,
        "Forbidden",
        "AccessDeniedException",
        challenge=f'Bearer scope="{" ".join(scopes)}" error="insufficient_scope"',
    )


def _quotable(text: str) -> str:
    """Return `text` for a header: a token's own words may be in it."""
    return "".join(
        each for each in text if each.isascii() and each.isprintable() and each not in '"\\'
    )
