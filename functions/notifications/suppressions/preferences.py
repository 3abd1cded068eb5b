"""Preferences: the categories of which a recipient wants no more, each kept as a suppression.

The category `newsletter` is also that of the built-in newsletter, whose unsubscriptions stood
before there were categories: it has the suppression of the recipient itself.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from backend.audit import Author
from backend.clock import rfc3339
from notifications import recipients
from notifications.suppressions import service
from notifications.suppressions.service import SOFT, Reason, Suppression, Suppressions

Recipients = Literal["email", "sms"]


class PreferenceRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of PUT /v1/preferences/{category}."""

    to: recipients.Address
    channel: Recipients = "email"
    wanted: bool


class PreferenceQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/preferences: whose they are."""

    to: Annotated[str, Meta(min_length=1, max_length=254)]
    channel: Recipients = "email"


class PreferenceView(Struct, frozen=True, kw_only=True):
    """A recipient's preference of one category; `reason` is why it is not wanted."""

    category: str
    channel: Recipients
    to: str
    wanted: bool
    reason: Reason | UnsetType = UNSET
    changed_at: str | UnsetType = UNSET


class PreferencePage(Struct, frozen=True, kw_only=True):
    """A recipient's preferences by category."""

    data: list[PreferenceView]
    has_more: Literal[False] = False


def put(
    category: str,
    request: PreferenceRequest,
    *,
    tenant: str,
    suppressions: Suppressions,
    author: Author,
    now_ms: int,
) -> PreferenceView:
    """Set what a recipient wants of a category; harmless to repeat.

    A bounce, a complaint or a suppression of the whole recipient stays whatever they want.
    """
    recipients.check(request.channel, request.to)
    suppression_id = service.id_of(tenant, request.channel, request.to, category=category)
    before = suppressions.find(tenant, suppression_id)
    with author.changes(
        "preference.updated",
        suppression_id,
        tenant=tenant,
        before={"category": category, "wanted": before is None or before.reason not in SOFT},
        after={"category": category, "wanted": request.wanted},
    ):
        if request.wanted:
            suppressions.delete(tenant, suppression_id, reasons=SOFT)
        else:
            service.suppress(
                tenant=tenant,
                channel=request.channel,
                to=request.to,
                category=category,
                reason="preference",
                suppressions=suppressions,
                now_ms=now_ms,
            )
    stored = {each.id: each for each in suppressions.find_many([suppression_id])}
    return _view(category, request, stored.get(suppression_id))


def of_recipient(
    query: PreferenceQuery,
    *,
    categories: Iterable[str],
    tenant: str,
    suppressions: Suppressions,
) -> list[PreferenceView]:
    """Return what a recipient wants of these categories."""
    recipients.check(query.channel, query.to)
    ids: dict[str, str] = {
        each: service.id_of(tenant, query.channel, query.to, category=each)
        for each in sorted({service.NEWSLETTER, *categories})
    }
    stored = {each.id: each for each in suppressions.find_many(ids.values())}
    return [_view(each, query, stored.get(name)) for each, name in ids.items()]


def _view(
    category: str, of: PreferenceRequest | PreferenceQuery, stored: Suppression | None
) -> PreferenceView:
    return PreferenceView(
        category=category,
        channel=of.channel,
        to=of.to,
        wanted=stored is None,
        reason=UNSET if stored is None else stored.reason,
        changed_at=UNSET if stored is None else rfc3339(stored.created_ms),
    )
