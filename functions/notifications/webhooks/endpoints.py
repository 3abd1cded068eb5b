"""Webhook endpoints of tenants: where their events are sent, with which secret, and how it goes."""

import hashlib
from collections.abc import Collection
from contextlib import suppress
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import urlsplit

from msgspec import UNSET, Meta, Struct, UnsetType, field
from msgspec.structs import replace

from backend import domain_events, egress, ids
from backend.audit import Author
from backend.clock import rfc3339
from backend.domain_events import EventPattern
from backend.errors import Conflict, InvalidRequest, InvalidState, NotFound
from backend.settings import settings
from backend.shapes import Email
from notifications.webhooks import sealing, signing

ENDPOINTS_MAX = 10  # of a tenant: each event is sent to as many
CREATE_ATTEMPTS = 5  # each is lost only to another endpoint that was created meanwhile
OLD_SECRET_MS = 86_400_000  # how long the old secret signs too: a day to change the receiver
GIVEN_UP_AFTER_MS = 5 * 86_400_000  # of failures only; longer than the schedule of one delivery

BY_HAND = "It was disabled by hand."

EventTypes = Annotated[tuple[EventPattern, ...], Meta(min_length=1, max_length=16)]
Contact = Annotated[Email, Meta(description="Is told when it is disabled")]


def _check_url(url: str, name: str) -> None:
    try:
        egress.parse(url, loopback_allowed=settings.webhooks_to_loopback)
    except egress.UrlRefused as error:
        raise InvalidRequest(str(error), code="url_not_allowed", param=name) from error


Url = Annotated[str, Meta(max_length=egress.URL_CHARS_MAX, extra={"check": _check_url})]


class EndpointRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/webhook-endpoints; without `events` it gets all."""

    url: Url
    events: EventTypes | None = None
    contact: Contact | None = None


class EndpointChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of PATCH /v1/webhook-endpoints/{id}: what it has changes, null empties.

    `events` null means all.
    """

    url: Url | UnsetType = UNSET
    events: EventTypes | UnsetType | None = UNSET
    contact: Contact | UnsetType | None = UNSET


class Endpoint(Struct, frozen=True, kw_only=True):
    """One endpoint as it is stored."""

    id: str = field(name="_id")
    tenant: str
    place: int  # among the tenant's, from 0; unique, so that there cannot be more than places
    url: str
    events: tuple[str, ...]  # none means all
    contact: str | None
    created_ms: int
    secret: str  # sealed, as the old one
    old_secret: str | None = None
    old_secret_until_ms: int = 0
    disabled_because: str | None = None
    failing_since_ms: int | None = None  # no delivery has succeeded since
    since_ms: int = 0  # from when on it is sent what it wants now; of older versions, since it is

    def wants(self, event_type: str) -> bool:
        """Tell whether events of this type are sent here."""
        if self.disabled_because is not None:
            return False
        return not self.events or any(domain_events.matches(x, event_type) for x in self.events)

    def secrets(self, *, now_ms: int) -> list[str]:
        """Return the secrets to sign with, the new one first; raises sealing.Unsealable.

        An old one that cannot be opened is left out: the new one was made to do without it.
        """
        secrets = [sealing.unseal(self.secret, settings.webhook_secrets_key)]
        if self.old_secret is not None and now_ms < self.old_secret_until_ms:
            with suppress(sealing.Unsealable):
                secrets.append(sealing.unseal(self.old_secret, settings.webhook_secrets_key))
        return secrets


class EndpointView(Struct, frozen=True, kw_only=True):
    """An endpoint as clients see it; the secret only when it was made."""

    id: str
    url: str
    events: list[str] | None
    contact: str | None
    status: Literal["enabled", "disabled"]
    created_at: str
    disabled_because: str | UnsetType = UNSET
    failing_since: str | UnsetType = UNSET
    old_secret_until: str | UnsetType = UNSET
    secret: str | UnsetType = UNSET


class EndpointPage(Struct, frozen=True, kw_only=True):
    """All endpoints of a tenant, newest first."""

    data: list[EndpointView]
    has_more: Literal[False] = False


class Endpoints(Protocol):
    """The store of endpoints; `webhooks.endpoint_store` says what each function guarantees."""

    def insert(self, endpoint: Endpoint) -> bool: ...

    def of(self, tenants: Collection[str]) -> list[Endpoint]: ...

    def find(self, tenant: str, endpoint_id: str) -> Endpoint | None: ...

    def delete(self, tenant: str, endpoint_id: str) -> bool: ...

    def replace(self, before: Endpoint, after: Endpoint) -> bool: ...


def create(
    request: EndpointRequest,
    *,
    tenant: str,
    endpoints: Endpoints,
    author: Author,
    now_ms: int,
) -> Endpoint:
    """Store a new endpoint; raises InvalidState where there are too many."""
    for _ in range(CREATE_ATTEMPTS):
        others = endpoints.of([tenant])
        _require_new(request.url, others)
        free = sorted(set(range(ENDPOINTS_MAX)) - {each.place for each in others})
        if not free:
            raise InvalidState(
                f"There are {ENDPOINTS_MAX} endpoints; delete one first.", code="too_many_endpoints"
            )
        endpoint = Endpoint(
            id=ids.new("we_"),
            tenant=tenant,
            place=free[0],
            url=request.url,
            events=request.events or (),
            contact=request.contact,
            created_ms=now_ms,
            secret=_new_secret(),
            since_ms=now_ms,
        )
        with (
            suppress(Conflict),
            author.changes(
                "webhook_endpoint.created", endpoint.id, tenant=tenant, after=_shown(endpoint)
            ),
        ):
            if not endpoints.insert(endpoint):
                raise Conflict("Another was created meanwhile.")
            return endpoint
    raise Conflict("Endpoints are created all the time just now; retry.")


def newest(*, tenant: str, endpoints: Endpoints) -> list[Endpoint]:
    """Return a tenant's endpoints, newest first."""
    return sorted(endpoints.of([tenant]), key=lambda each: (-each.created_ms, each.id))


def find(endpoint_id: str, *, tenant: str, endpoints: Endpoints) -> Endpoint:
    """Return an endpoint of this tenant; raises NotFound."""
    endpoint = endpoints.find(tenant, endpoint_id)
    if endpoint is None:
        raise NotFound("There is no such webhook endpoint.", param="endpoint_id")
    return endpoint


def delete(endpoint_id: str, *, tenant: str, endpoints: Endpoints, author: Author) -> None:
    """Delete an endpoint; what is still to be sent there fails. Raises NotFound."""
    before = find(endpoint_id, tenant=tenant, endpoints=endpoints)
    with author.changes(
        "webhook_endpoint.deleted", endpoint_id, tenant=tenant, before=_shown(before)
    ):
        if not endpoints.delete(tenant, endpoint_id):
            raise NotFound("There is no such webhook endpoint.", param="endpoint_id")


def rotate(
    endpoint_id: str, *, tenant: str, endpoints: Endpoints, author: Author, now_ms: int
) -> Endpoint:
    """Give an endpoint a new secret; for a day the old one signs too. Raises NotFound."""
    before = find(endpoint_id, tenant=tenant, endpoints=endpoints)
    after = replace(
        before,
        secret=_new_secret(),
        old_secret=before.secret,
        old_secret_until_ms=now_ms + OLD_SECRET_MS,
    )
    return _replaced(before, after, endpoints, author, "secret_rotated")


def change(
    request: EndpointChange,
    endpoint_id: str,
    *,
    tenant: str,
    endpoints: Endpoints,
    author: Author,
    now_ms: int,
) -> Endpoint:
    """Change an endpoint; what is still to be sent goes to its new URL. Raises as `create` does."""
    before = find(endpoint_id, tenant=tenant, endpoints=endpoints)
    after = before
    if request.url is not UNSET and request.url != before.url:
        _require_new(request.url, endpoints.of([tenant]))
        after = replace(after, url=request.url, failing_since_ms=None)
    if request.events is not UNSET:
        after = replace(after, events=request.events or (), since_ms=now_ms)
    if request.contact is not UNSET:
        after = replace(after, contact=request.contact)
    return _replaced(before, after, endpoints, author, "updated")


def disable(endpoint_id: str, *, tenant: str, endpoints: Endpoints, author: Author) -> Endpoint:
    """Send nothing there until it is enabled; the first reason stays. Raises NotFound."""
    before = find(endpoint_id, tenant=tenant, endpoints=endpoints)
    if before.disabled_because:
        return before
    after = replace(before, disabled_because=BY_HAND)
    return _replaced(before, after, endpoints, author, "disabled")


def enable(
    endpoint_id: str, *, tenant: str, endpoints: Endpoints, author: Author, now_ms: int
) -> Endpoint:
    """Send there again, from the next event on; raises NotFound."""
    before = find(endpoint_id, tenant=tenant, endpoints=endpoints)
    after = replace(before, disabled_because=None, failing_since_ms=None, since_ms=now_ms)
    return _replaced(before, after, endpoints, author, "enabled")


def view(endpoint: Endpoint, *, now_ms: int, with_secret: bool = False) -> EndpointView:
    """Return what a client sees of `endpoint`."""
    is_rotating = now_ms < endpoint.old_secret_until_ms
    failing_ms = endpoint.failing_since_ms
    return EndpointView(
        id=endpoint.id,
        url=endpoint.url,
        events=list(endpoint.events) or None,
        contact=endpoint.contact,
        status="disabled" if endpoint.disabled_because else "enabled",
        created_at=rfc3339(endpoint.created_ms),
        disabled_because=endpoint.disabled_because or UNSET,
        failing_since=UNSET if failing_ms is None else rfc3339(failing_ms),
        old_secret_until=rfc3339(endpoint.old_secret_until_ms) if is_rotating else UNSET,
        secret=endpoint.secrets(now_ms=now_ms)[0] if with_secret else UNSET,
    )


def _new_secret() -> str:
    return sealing.seal(signing.new_secret(), settings.webhook_secrets_key)


def _require_new(url: str, others: Collection[Endpoint]) -> None:
    if any(each.url == url for each in others):
        raise InvalidState("There is an endpoint with this URL.", code="endpoint_exists")


def _replaced(
    before: Endpoint, after: Endpoint, endpoints: Endpoints, author: Author, verb: str
) -> Endpoint:
    if after == before:
        return before
    with author.changes(
        f"webhook_endpoint.{verb}",
        before.id,
        tenant=before.tenant,
        before=_shown(before),
        after=_shown(after),
    ):
        if not endpoints.replace(before, after):
            raise Conflict("The endpoint was changed by somebody else meanwhile; retry.")
    return after


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    """Return the fields that the audit log shows; path and query of a URL may hold a secret."""
    return {
        "host": urlsplit(endpoint.url).netloc,
        "url_sha256": hashlib.sha256(endpoint.url.encode()).hexdigest(),
        "events": list(endpoint.events) or None,
        "contact": endpoint.contact,
        "disabled_because": endpoint.disabled_because,
        "old_secret_until": rfc3339(endpoint.old_secret_until_ms)
        if endpoint.old_secret_until_ms
        else None,
    }
