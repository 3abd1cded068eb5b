"""Tenants, clients and changes: as clients send them, as they are stored, as clients see them."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from backend.audit import Entry, Outcome
from backend.clients import Secret, Status
from backend.clock import rfc3339
from backend.pages import PageQuery
from backend.shapes import Moment

OVERLAP_S = 86_400  # a day to change what uses a secret
OVERLAP_MAX_S = 7 * 86_400

# What a client of the store may have; `tenants:*` have clients of OAUTH_CLIENTS only, so that
# nobody who can only make clients makes himself master of all tenants.
Scope = Literal[
    "analytics:read",
    "analytics:write",
    "audit:read",
    "clients:read",
    "clients:write",
    "notifications:read",
    "notifications:write",
    "payments:read",
    "payments:write",
    "requests:read",
]
Scopes = Annotated[tuple[Scope, ...], Meta(min_length=1, max_length=50)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Id = Annotated[str, Meta(min_length=1, max_length=100)]


class TenantRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/tenants; without `scopes` its clients may have all that exist."""

    name: Name
    scopes: Scopes | None = None


class Change(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The new values of some fields of a tenant or client."""

    name: Name | UnsetType = UNSET
    scopes: Scopes | UnsetType = UNSET
    status: Status | UnsetType = UNSET


class TenantChange(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of PATCH /v1/tenants/{id}: what it has changes. Its clients lose lost scopes."""


class ClientRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/clients; another `tenant` than one's own needs `tenants:write`."""

    name: Name
    scopes: Scopes
    tenant: Id | None = None


class ClientChange(Change, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of PATCH /v1/clients/{id}: what it has changes."""


class Rotation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/clients/{id}/rotate-secret: how long the secret until now holds too."""

    overlap_s: Annotated[int, Meta(ge=0, le=OVERLAP_MAX_S)] = OVERLAP_S


class ClientQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/clients; another `tenant` than one's own needs `tenants:read`."""

    tenant: Id | None = None


class AuditQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/audit-log; another `tenant` than one's own needs `tenants:read`."""

    tenant: Id | None = None
    object_id: Id | None = None
    created_gte: Moment | None = None
    created_lt: Moment | None = None


class Tenant(Struct, frozen=True, kw_only=True):
    """One tenant as it is stored; those of OAUTH_CLIENTS are not."""

    id: str = field(name="_id")
    fingerprint: str  # of the request that made it
    version: int = 1  # one more with each change
    name: str
    scopes: tuple[str, ...]  # its clients have no others
    status: Status = "active"
    created_ms: int


class Client(Struct, frozen=True, kw_only=True):
    """One client as it is stored."""

    id: str = field(name="_id")
    tenant: str
    place: int | str  # among the tenant's active ones, from 0, unique; of others their id
    fingerprint: str  # of the request that made it
    version: int = 1  # one more with each change
    name: str
    scopes: tuple[str, ...]
    status: Status = "active"
    created_ms: int
    secrets: tuple[Secret, ...]  # the newest first, two at most
    rotations: tuple[str, ...] = ()  # Idempotency-Keys with fingerprints, the newest first
    used_ms: int = 0


class TenantView(Struct, frozen=True, kw_only=True):
    """A tenant as clients see it."""

    id: str
    name: str
    scopes: list[str]
    status: Status
    created_at: str


class ClientView(Struct, frozen=True, kw_only=True):
    """A client as clients see it; its secret only when that was made."""

    id: str
    tenant: str
    name: str
    scopes: list[str]
    status: Status
    created_at: str
    secret_created_at: str
    old_secret_until: str | UnsetType = UNSET
    last_used_at: str | UnsetType = UNSET
    secret: str | UnsetType = UNSET


class AuditEntryView(Struct, frozen=True, kw_only=True):
    """A change as clients see it; `unknown` where nobody knows whether it was made."""

    id: str
    created_at: str
    client_id: str | None
    request_id: str | None
    action: str
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    outcome: Outcome


class TenantPage(Struct, frozen=True, kw_only=True):
    """One page of a list."""

    data: list[TenantView]
    has_more: bool


class ClientPage(Struct, frozen=True, kw_only=True):
    """One page of a list."""

    data: list[ClientView]
    has_more: bool


class AuditPage(Struct, frozen=True, kw_only=True):
    """One page of a list."""

    data: list[AuditEntryView]
    has_more: bool


def tenant_view(tenant: Tenant) -> TenantView:
    """Return what a client sees of `tenant`."""
    return TenantView(
        id=tenant.id,
        name=tenant.name,
        scopes=list(tenant.scopes),
        status=tenant.status,
        created_at=rfc3339(tenant.created_ms),
    )


def client_view(client: Client, *, now_ms: int, secret: str | None = None) -> ClientView:
    """Return what a client sees of `client`."""
    newest, *older = client.secrets
    old_until_ms = max([each.until_ms or 0 for each in older], default=0)
    return ClientView(
        id=client.id,
        tenant=client.tenant,
        name=client.name,
        scopes=list(client.scopes),
        status=client.status,
        created_at=rfc3339(client.created_ms),
        secret_created_at=rfc3339(newest.created_ms),
        old_secret_until=rfc3339(old_until_ms) if now_ms < old_until_ms else UNSET,
        last_used_at=rfc3339(client.used_ms) if client.used_ms else UNSET,
        secret=secret or UNSET,
    )


def entry_view(entry: Entry) -> AuditEntryView:
    """Return what a client sees of an entry of the audit log."""
    return AuditEntryView(
        id=entry.id,
        created_at=rfc3339(entry.created_ms),
        client_id=entry.client_id,
        request_id=entry.request_id,
        action=entry.action,
        object_id=entry.object_id,
        before=entry.before,
        after=entry.after,
        outcome=entry.outcome,
    )
