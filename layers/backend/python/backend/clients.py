"""The clients and tenants of the store, as far as tokens are issued and checked by them.

`functions/access` makes and changes them. OAUTH_CLIENTS has others, which need no store.
"""

import time
from collections.abc import Collection
from typing import Literal

import msgspec
from msgspec import Struct

from backend.clock import now_ms
from backend.errors import StoreUnavailable
from backend.settings import OAuthClient
from backend.store import Document, collection, store_errors
from backend.telemetry import logger

CLIENTS, TENANTS = "clients", "tenants"
USE_NOTED_EVERY_MS = 60_000  # so late may be what is shown of a client's last use
UNKNOWN_S = 5.0  # so long an id that the store has not is not looked up again
FRESH_S = 10.0  # so long a client that was disabled may go on with a token that it has
REMEMBERED_MAX = 10_000  # ids in each memory of a process, some 1 MB
ID_MAX = 64  # characters; ours have 30

Status = Literal["active", "disabled"]


class Secret(Struct, frozen=True, kw_only=True):
    """A secret of a client: its SHA-256, as it is 32 random bytes that nobody can guess.

    A slow hash protects words that people choose; here it would only let strangers, who may send
    any secret, have much computed for little.
    """

    sha256: str
    created_ms: int
    until_ms: int | None = None  # none, of the newest, ends when it is rotated


class _Client(Struct, frozen=True, kw_only=True):
    tenant: str
    scopes: frozenset[str]
    status: Status
    secrets: tuple[Secret, ...]  # the newest first, two at most


class _Tenant(Struct, frozen=True, kw_only=True):
    scopes: frozenset[str]
    status: Status


_unknown: dict[str, float] = {}  # ids, and until when they are not looked up
_scopes: dict[str, tuple[float, frozenset[str] | None]] = {}  # by ids, and how long they are good


def find(client_id: str) -> OAuthClient | None:
    """Return a client that may have tokens, with the secrets and scopes that hold now, or None.

    It is read each time, so that one that is disabled gets no token any more.
    """
    if len(client_id) > ID_MAX or time.monotonic() < _unknown.get(client_id, 0.0):
        return None
    document = _read(client_id)
    if document is None:
        if len(_unknown) >= REMEMBERED_MAX:
            _unknown.clear()
        _unknown[client_id] = time.monotonic() + UNKNOWN_S
    return None if document is None else _active(client_id, document)


def scopes_left(client_id: str, scopes: frozenset[str]) -> frozenset[str] | None:
    """Return those of a token's scopes that its client still has; None where it is disabled.

    It is FRESH_S old at most; but while the store does not answer, the last that was known holds,
    and the token itself where nothing was.
    """
    now_s = time.monotonic()
    until_s, known = _scopes.get(client_id, (0.0, None))
    if now_s >= until_s:
        try:
            known = _scopes_now(client_id)
        except StoreUnavailable:
            logger.warning("a token is not compared with its client", extra={"client": client_id})
            if client_id not in _scopes:
                return scopes
        if len(_scopes) >= REMEMBERED_MAX:
            _scopes.clear()
        _scopes[client_id] = now_s + FRESH_S, known
    return None if known is None else scopes & known


def note_use(client_ids: Collection[str], *, now_ms: int) -> None:
    """Note that these clients are in use, each once a minute at most."""
    stale = {"_id": {"$in": list(client_ids)}, "used_ms": {"$lt": now_ms - USE_NOTED_EVERY_MS}}
    with store_errors():
        collection(CLIENTS, ()).update_many(stale, {"$set": {"used_ms": now_ms}})


def _scopes_now(client_id: str) -> frozenset[str] | None:
    document = _read(client_id)
    client = None if document is None else _active(client_id, document)
    return None if client is None else client.scopes


def _read(client_id: str) -> Document | None:
    with store_errors():
        return collection(CLIENTS, ()).find_one({"_id": client_id})


def _active(client_id: str, document: Document) -> OAuthClient | None:
    client = msgspec.convert(document, _Client)
    with store_errors():
        of_tenant = collection(TENANTS, ()).find_one({"_id": client.tenant})
    scopes, statuses = client.scopes, {client.status}
    if of_tenant is not None:  # a tenant of OAUTH_CLIENTS has no document
        tenant = msgspec.convert(of_tenant, _Tenant)
        scopes, statuses = scopes & tenant.scopes, {client.status, tenant.status}
    if statuses != {"active"}:
        return None
    newest, *older = client.secrets
    old = next((each.sha256 for each in older if now_ms() < (each.until_ms or 0)), "")
    return OAuthClient(client_id, newest.sha256, client.tenant, scopes, old)
