"""Suppressions: addresses that bounced, complained, unsubscribed or were told to us.

Looked at when a notification is sent, so that one which was accepted before counts too.
"""

from collections.abc import Collection, Sequence
from functools import partial
from typing import Literal, Protocol

from msgspec import UNSET, Struct, UnsetType, field

from backend import ids
from backend.audit import Author
from backend.clock import rfc3339
from backend.errors import NotFound
from backend.pages import PageQuery, page_of
from notifications import recipients
from notifications.schema import Notification

Reason = Literal["bounce", "complaint", "unsubscribe", "manual", "preference"]
SOFT: frozenset[Reason] = frozenset({"unsubscribe", "preference"})  # what a recipient wants no more
HARD: frozenset[Reason] = frozenset({"bounce", "complaint", "manual"})
NEWSLETTER = "newsletter"  # the category of the built-in newsletter


class SuppressionRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/suppressions."""

    to: recipients.Address
    channel: Literal["email", "sms"] = "email"


class Suppression(Struct, frozen=True, kw_only=True):
    """One recipient of a tenant not to write to; an unsubscription stops subscriptions only.

    With a category, it stops what can be unsubscribed from in this category only.
    """

    id: str = field(name="_id")
    tenant: str
    channel: str
    to: str
    reason: Reason
    created_ms: int
    category: str | UnsetType = UNSET


class SuppressionView(Struct, frozen=True, kw_only=True):
    """A suppression as clients see it."""

    id: str
    channel: str
    to: str
    reason: Reason
    created_at: str
    category: str | UnsetType = UNSET


class SuppressionPage(Struct, frozen=True, kw_only=True):
    """One page of a list."""

    data: list[SuppressionView]
    has_more: bool


class Suppressions(Protocol):
    """The store; `suppressions.store` says what each function guarantees."""

    def put(self, suppression: Suppression) -> Suppression: ...

    def find_many(self, ids: Collection[str]) -> list[Suppression]: ...

    def find(self, tenant: str, suppression_id: str) -> Suppression | None: ...

    def delete(
        self, tenant: str, suppression_id: str, *, reasons: Collection[Reason] = ()
    ) -> bool: ...

    def page(
        self, tenant: str, *, limit: int, after: Suppression | None, before: Suppression | None
    ) -> list[Suppression]: ...


def suppress(
    *,
    tenant: str,
    channel: str,
    to: str,
    reason: Reason,
    suppressions: Suppressions,
    now_ms: int,
    category: str | UnsetType = UNSET,
) -> Suppression:
    """Write to a recipient no more, or of one category no more.

    Returns the suppression as it is stored, perhaps before.
    """
    return suppressions.put(
        Suppression(
            id=id_of(tenant, channel, to, category=category),
            tenant=tenant,
            channel=channel,
            to=to,
            reason=reason,
            created_ms=now_ms,
            category=UNSET if category == NEWSLETTER else category,
        )
    )


def suppress_by_client(
    request: SuppressionRequest,
    *,
    tenant: str,
    suppressions: Suppressions,
    author: Author,
    now_ms: int,
) -> Suppression:
    """Write to a recipient no more because a client says so, which the audit log shows."""
    suppression_id = id_of(tenant, request.channel, request.to)
    before = suppressions.find(tenant, suppression_id)
    after = {"channel": request.channel, "reason": "manual"}
    with author.changes(
        "suppression.created",
        suppression_id,
        tenant=tenant,
        before=None if before is None else _shown(before),
        after=after,
    ):
        return suppress(
            tenant=tenant,
            channel=request.channel,
            to=request.to,
            reason="manual",
            suppressions=suppressions,
            now_ms=now_ms,
        )


def reasons(batch: Sequence[Notification], *, suppressions: Suppressions) -> dict[str, Reason]:
    """Return why not to send some of a batch, by their ids."""
    ids_of = {each.id: _ids_of(each) for each in batch}
    every = [suppression_id for its in ids_of.values() for suppression_id in its]
    stored = {each.id: each.reason for each in suppressions.find_many(every)}
    return {
        notification_id: reason
        for notification_id, its in ids_of.items()
        for suppression_id, kinds in its.items()
        if (reason := stored.get(suppression_id)) in kinds
    }


def newest(
    query: PageQuery, *, tenant: str, suppressions: Suppressions
) -> tuple[list[Suppression], bool]:
    """Return one page of suppressions, newest first, and whether there are more."""
    return page_of(
        query, find=partial(suppressions.find, tenant), read=partial(suppressions.page, tenant)
    )


def lift(suppression_id: str, *, tenant: str, suppressions: Suppressions, author: Author) -> None:
    """Write to a recipient again; raises NotFound."""
    missing = NotFound("There is no such suppression.", param="suppression_id")
    suppression = suppressions.find(tenant, suppression_id)
    if suppression is None:
        raise missing
    before = _shown(suppression)
    with author.changes("suppression.deleted", suppression_id, tenant=tenant, before=before):
        if not suppressions.delete(tenant, suppression_id):
            raise missing


def view(suppression: Suppression) -> SuppressionView:
    """Return what a client sees of `suppression`."""
    return SuppressionView(
        id=suppression.id,
        channel=suppression.channel,
        to=suppression.to,
        reason=suppression.reason,
        created_at=rfc3339(suppression.created_ms),
        category=suppression.category,
    )


def _shown(suppression: Suppression) -> dict[str, str]:
    """Return the fields that the audit log shows; the recipient is a person's to be forgotten."""
    category = {"category": suppression.category} if suppression.category else {}
    return {"channel": suppression.channel, "reason": suppression.reason, **category}


def _ids_of(notification: Notification) -> dict[str, frozenset[Reason]]:
    """Return the suppressions that may stop a notification, each with the reasons that do."""
    recipient = (notification.tenant, notification.channel, notification.to)
    if not notification.unsubscribe_url:
        return {id_of(*recipient): HARD}
    category = notification.category or NEWSLETTER
    return {
        id_of(*recipient, category=category): SOFT,
        # Where that is the recipient's own, this is all that counts.
        id_of(*recipient): HARD | SOFT if category == NEWSLETTER else HARD,
    }


def id_of(tenant: str, channel: str, to: str, *, category: str | UnsetType = UNSET) -> str:
    """Return the id of the suppression of a recipient, or of one category of theirs."""
    of_category = [] if category is UNSET or category == NEWSLETTER else [category]
    # Few mail servers tell upper from lower case; whom to leave in peace is not to hang on it.
    return ids.derived("sup_", tenant, channel, to.lower(), *of_category)
