"""The records of tenants, their clients, and both logs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Tenant:
    """A tenant, and the scopes that its clients may have."""

    id: str
    name: str
    scopes: tuple[str, ...]
    status: Literal["active", "disabled"]
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class OAuthClient:
    """A client of a tenant; it has its secret only when that was made."""

    id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    status: Literal["active", "disabled"]
    created_at: datetime
    secret_created_at: datetime
    old_secret_until: datetime | None = None
    last_used_at: datetime | None = None
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """An entry of the audit log; of an update it has the fields that differ."""

    id: str
    created_at: datetime
    client_id: str | None
    request_id: str | None
    action: str
    object_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    outcome: Literal["done", "refused", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedRequest:
    """A request of the tenant; `unlogged` like it were left out just before it."""

    id: str
    created_at: datetime
    method: str
    route: str
    path: str
    status: int
    duration_ms: int
    request_id: str
    client_id: str
    code: str | None = None
    unlogged: int | None = None
