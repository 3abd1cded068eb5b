"""The rules of tenants and clients: who may make and change which. Knows no HTTP or MongoDB.

Nobody gives, or takes by way of a new secret, what he has not himself: a client has scopes of its
maker only, and is changed only by those that have all of its. Operators, with `tenants:write`, are
free of that; only clients of OAUTH_CLIENTS are such.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any, Protocol, TypeVar, get_args

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from access.schema import (
    Change,
    Client,
    ClientChange,
    ClientQuery,
    ClientRequest,
    Rotation,
    Scope,
    Tenant,
    TenantChange,
    TenantRequest,
    client_view,
    tenant_view,
)
from backend import ids
from backend.audit import Author
from backend.callers import Caller
from backend.clients import Secret
from backend.errors import Conflict, Forbidden, InvalidRequest, InvalidState, KeyReused, NotFound
from backend.pages import PageQuery, page_of

GRANTABLE = frozenset(get_args(Scope))
CLIENTS_MAX = 100  # active ones of a tenant
ROTATIONS_MAX = 100  # of a client, whose keys are known: a secret a day for three months, 13 KB
SECRET = "cs_"  # begins secrets, so that those who look for leaks know them
SECRET_BYTES = 32
NOT_SHOWN = {"last_used_at", "secret", "created_at"}  # in the audit log

T = TypeVar("T", Tenant, Client)


class Submission(Struct, frozen=True, kw_only=True):
    """A request to make something: its Idempotency-Key, whose it is, and when it came."""

    key: str
    caller: Caller
    author: Author
    now_ms: int


class Store(Protocol):
    """The store of tenants and clients; `access.store` says what each function guarantees."""

    def insert(self, new: Tenant | Client) -> bool: ...

    def replace(self, before: T, after: T) -> bool: ...

    def find_tenant(self, tenant_id: str) -> Tenant | None: ...

    def find_client(self, client_id: str) -> Client | None: ...

    def places(self, tenant: str) -> set[int]: ...

    def tenants(
        self, *, limit: int, after: Tenant | None, before: Tenant | None
    ) -> list[Tenant]: ...

    def clients(
        self, tenant: str, *, limit: int, after: Client | None, before: Client | None
    ) -> list[Client]: ...


def create_tenant(
    request: TenantRequest, submission: Submission, *, store: Store
) -> tuple[Tenant, bool]:
    """Store a tenant; returns it, and whether it is a replay. Raises KeyReused."""
    tenant = Tenant(
        id=ids.derived("ten_", submission.caller.tenant, "tenant", submission.key),
        fingerprint=_fingerprint(request),
        name=request.name,
        scopes=tuple(sorted(set(request.scopes or GRANTABLE))),
        created_ms=submission.now_ms,
    )
    existing = store.find_tenant(tenant.id)
    if existing is not None:
        return _replayed(existing, tenant.fingerprint), True
    with submission.author.changes(
        "tenant.created", tenant.id, tenant=tenant.id, after=_shown(tenant)
    ):
        if not store.insert(tenant):
            raise Conflict("It is being created just now; retry with the same Idempotency-Key.")
    return tenant, False


def find_tenant(tenant_id: str, *, store: Store) -> Tenant:
    """Return a tenant; raises NotFound."""
    tenant = store.find_tenant(tenant_id)
    if tenant is None:
        raise NotFound("There is no such tenant.", param="tenant_id")
    return tenant


def newest_tenants(query: PageQuery, *, store: Store) -> tuple[list[Tenant], bool]:
    """Return one page of tenants, newest first, and whether there are more."""
    return page_of(query, find=store.find_tenant, read=store.tenants)


def change_tenant(request: TenantChange, tenant_id: str, *, store: Store, author: Author) -> Tenant:
    """Change a tenant; a disabled one's clients get no tokens. Raises NotFound and Conflict."""
    before = find_tenant(tenant_id, store=store)
    after = replace(before, **_members(request))
    if after == before:
        return before
    with author.changes(
        "tenant.updated",
        tenant_id,
        tenant=tenant_id,
        before=_shown(before),
        after=_shown(after),
    ):
        _store_change(before, after, store)
    return after


def create_client(
    request: ClientRequest, submission: Submission, *, store: Store
) -> tuple[Client, str | None]:
    """Store a client; returns it with its secret, or without where it is a replay.

    Raises KeyReused, InvalidRequest, and InvalidState where the tenant has too many.
    """
    caller, now_ms = submission.caller, submission.now_ms
    tenant = _tenant_of(request, caller, store)
    client_id = ids.derived("cli_", caller.tenant, "client", submission.key)
    existing = store.find_client(client_id)
    if existing is not None:
        return _replayed(existing, _fingerprint(request)), None
    _require_grantable(request.scopes, tenant, caller, store)
    secret = _new_secret()
    client = Client(
        id=client_id,
        tenant=tenant,
        place=_free_place(tenant, store),
        fingerprint=_fingerprint(request),
        name=request.name,
        scopes=tuple(sorted(set(request.scopes))),
        created_ms=now_ms,
        secrets=(Secret(sha256=_sha256(secret), created_ms=now_ms),),
    )
    with submission.author.changes(
        "client.created", client_id, tenant=tenant, after=_shown(client)
    ):
        if not store.insert(client):
            raise Conflict("Clients are created all the time just now; retry with the same key.")
    return client, secret


def find_client(client_id: str, *, caller: Caller, store: Store) -> Client:
    """Return a client of the caller's tenant, an operator's of any; raises NotFound."""
    client = store.find_client(client_id)
    if client is None or not (
        client.tenant == caller.tenant or caller.scopes & {"tenants:read", "tenants:write"}
    ):
        raise NotFound("There is no such client.", param="client_id")
    return client


def newest_clients(
    query: ClientQuery, *, caller: Caller, store: Store
) -> tuple[list[Client], bool]:
    """Return one page of a tenant's clients, newest first, and whether there are more."""
    tenant = listed_tenant(query.tenant, caller=caller)

    def find(client_id: str) -> Client | None:
        client = store.find_client(client_id)
        return client if client is not None and client.tenant == tenant else None

    return page_of(query, find=find, read=partial(store.clients, tenant))


def listed_tenant(wish: str | None, *, caller: Caller) -> str:
    """Return the tenant whose objects are listed; raises Forbidden where it is another's."""
    if wish not in (None, caller.tenant) and "tenants:read" not in caller.scopes:
        raise Forbidden("The token lacks the scope tenants:read, which other tenants need.")
    return wish or caller.tenant


def change_client(
    request: ClientChange, client_id: str, *, caller: Caller, store: Store, author: Author
) -> Client:
    """Change a client; a disabled one gets no tokens. Raises as `create_client`, and Conflict."""
    before = _changeable(client_id, caller, store)
    after = replace(before, **_members(request))
    if request.scopes is not UNSET:
        _require_grantable(request.scopes, before.tenant, caller, store)
    if before.status != after.status:
        is_active = after.status == "active"
        place = _free_place(before.tenant, store) if is_active else before.id
        after = replace(after, place=place)
    if after == before:
        return before
    with author.changes(
        "client.updated",
        client_id,
        tenant=before.tenant,
        before=_shown(before),
        after=_shown(after),
    ):
        _store_change(before, after, store)
    return after


def rotate(
    request: Rotation, client_id: str, submission: Submission, *, store: Store
) -> tuple[Client, str | None]:
    """Give a client a new secret; returns it, or None where it is a replay of an earlier time.

    The secret until now holds on for the overlap, and any older one not at all. Raises KeyReused.
    """
    before = _changeable(client_id, submission.caller, store)
    key, now_ms = submission.key, submission.now_ms
    rotation = _sha256(key) + _fingerprint(request)
    if rotation in before.rotations:
        return before, None
    if any(each.startswith(_sha256(key)) for each in before.rotations):
        raise KeyReused
    secret = _new_secret()
    latest = replace(before.secrets[0], until_ms=now_ms + request.overlap_s * 1000)
    after = replace(
        before,
        secrets=(Secret(sha256=_sha256(secret), created_ms=now_ms), latest),
        rotations=(rotation, *before.rotations)[:ROTATIONS_MAX],
    )
    fields = {"overlap_s": request.overlap_s}
    with submission.author.changes(
        "client.secret_rotated", client_id, tenant=before.tenant, after=fields
    ):
        _store_change(before, after, store)
    return after, secret


def _tenant_of(request: ClientRequest, caller: Caller, store: Store) -> str:
    """Return the tenant of a client that is to be made; another's is as unknown as none."""
    if request.tenant is None or request.tenant == caller.tenant:
        return caller.tenant
    if "tenants:write" not in caller.scopes or store.find_tenant(request.tenant) is None:
        raise InvalidRequest("There is no such tenant.", param="tenant")
    return request.tenant


def _require_grantable(scopes: Iterable[str], tenant_id: str, caller: Caller, store: Store) -> None:
    tenant = store.find_tenant(tenant_id)
    allowed: Collection[str] = GRANTABLE if tenant is None else tenant.scopes
    if "tenants:write" not in caller.scopes:
        allowed = caller.scopes & frozenset(allowed)
    if excess := sorted(set(scopes) - set(allowed)):
        raise InvalidRequest(
            f"The tenant, or your token, lacks {', '.join(excess)}.",
            code="scope_not_allowed",
            param="scopes",
        )


def _changeable(client_id: str, caller: Caller, store: Store) -> Client:
    """Return a client that the caller may change; raises NotFound and Forbidden."""
    client = store.find_client(client_id)
    if "tenants:write" in caller.scopes and client is not None:
        return client
    if client is None or client.tenant != caller.tenant:
        raise NotFound("There is no such client.", param="client_id")
    if excess := sorted(set(client.scopes) - caller.scopes):
        raise Forbidden(f"The client has scopes that your token lacks: {', '.join(excess)}.")
    return client


def _free_place(tenant: str, store: Store) -> int:
    free = set(range(CLIENTS_MAX)) - store.places(tenant)
    if not free:
        raise InvalidState(
            f"There are {CLIENTS_MAX} active clients; disable one first.", code="too_many_clients"
        )
    return min(free)


def _replayed(existing: T, fingerprint: str) -> T:
    if existing.fingerprint != fingerprint:
        raise KeyReused
    return existing


def _store_change(before: T, after: T, store: Store) -> None:
    if not store.replace(before, after):
        raise Conflict("It was changed by somebody else meanwhile; retry.")


def _members(request: Change) -> dict[str, Any]:
    """Return the fields that a change has, its scopes in order."""
    members = msgspec.structs.asdict(request)
    if request.scopes is not UNSET:
        members["scopes"] = tuple(sorted(set(request.scopes)))
    return {name: value for name, value in members.items() if value is not UNSET}


def _shown(subject: Tenant | Client) -> dict[str, Any]:
    """Return the fields of a tenant or client that the audit log shows."""
    fields = msgspec.to_builtins(
        tenant_view(subject) if isinstance(subject, Tenant) else client_view(subject, now_ms=0)
    )
    return {name: value for name, value in fields.items() if name not in NOT_SHOWN}


def _new_secret() -> str:
    return SECRET + secrets.token_urlsafe(SECRET_BYTES)


def _fingerprint(request: Struct) -> str:
    return hashlib.sha256(msgspec.json.encode(request)).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
