"""The routes of suppressions and of unsubscribing; `notifications.app` serves them."""

from chalice.app import Blueprint, Response
from msgspec import Struct

from backend import audit
from backend.clock import now_ms
from backend.entrypoint import Call, endpoint, reply
from backend.errors import InvalidRequest, NotFound
from backend.pages import PageQuery
from backend.settings import settings
from backend.shapes import Deleted
from notifications import recipients, store
from notifications.schema import Notification
from notifications.suppressions import preferences
from notifications.suppressions import service as suppressions
from notifications.suppressions import store as suppression_store
from notifications.suppressions.preferences import (
    PreferencePage,
    PreferenceQuery,
    PreferenceRequest,
)
from notifications.suppressions.service import SuppressionPage, SuppressionRequest
from notifications.suppressions.unsubscribe_links import Links
from notifications.templates import store as template_store
from notifications.templates.own import CATEGORY

routes = Blueprint(__name__)
links = Links(base_url=settings.public_url, key=settings.unsubscribe_key)

# What RFC 8058 lets a mail program post, and what the page's form does.
FORMS = ["application/x-www-form-urlencoded", "multipart/form-data"]
PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>Unsubscribe</title>
<style>body{{font:1.1rem/1.5 system-ui;max-width:32rem;margin:15vh auto;padding:0 1rem}}</style>
<h1>{title}</h1>
{content}
</html>
"""
FORM = '<form method="post"><p>{}</p><button>Unsubscribe</button></form>'
PAGE_HEADERS: dict[str, str | list[str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'self'",
    "Referrer-Policy": "no-referrer",  # the link is a key
    "Cache-Control": "no-store",
}


class Link(Struct, frozen=True, kw_only=True):
    """The query of /unsubscribe; what a mail program adds to it is ignored."""

    id: str = ""
    signature: str = ""


@routes.route("/v1/suppressions", methods=["POST"])
@endpoint(routes, "notifications:write")
def create_suppression(call: Call) -> Response:
    """Send a recipient nothing more."""
    request = call.body(SuppressionRequest)
    recipients.check(request.channel, request.to)
    stored = suppressions.suppress_by_client(
        request,
        tenant=call.caller.tenant,
        suppressions=suppression_store,
        author=audit.author(call),
        now_ms=now_ms(),
    )
    return reply(suppressions.view(stored), status=201)


@routes.route("/v1/suppressions", methods=["GET"])
@endpoint(routes, "notifications:read")
def list_suppressions(call: Call) -> Response:
    """List whom nothing is sent to, newest first."""
    page, has_more = suppressions.newest(
        call.query(PageQuery),
        tenant=call.caller.tenant,
        suppressions=suppression_store,
    )
    shown = [suppressions.view(each) for each in page]
    return reply(SuppressionPage(data=shown, has_more=has_more))


@routes.route("/v1/suppressions/{suppression_id}", methods=["DELETE"])
@endpoint(routes, "notifications:write")
def delete_suppression(call: Call, suppression_id: str) -> Response:
    """Send to a recipient again."""
    suppressions.lift(
        suppression_id,
        tenant=call.caller.tenant,
        suppressions=suppression_store,
        author=audit.author(call),
    )
    return reply(Deleted(id=suppression_id))


@routes.route("/v1/preferences/{category}", methods=["PUT"])
@endpoint(routes, "notifications:write")
def put_preference(call: Call, category: str) -> Response:
    """Set whether a recipient wants notifications of a category."""
    if not CATEGORY.fullmatch(category):
        detail = "A category is 1 to 40 of a-z, 0-9 and _, beginning with a letter."
        raise InvalidRequest(detail, param="category")
    view = preferences.put(
        category,
        call.body(PreferenceRequest),
        tenant=call.caller.tenant,
        suppressions=suppression_store,
        author=audit.author(call),
        now_ms=now_ms(),
    )
    return reply(view)


@routes.route("/v1/preferences", methods=["GET"])
@endpoint(routes, "notifications:read")
def list_preferences(call: Call) -> Response:
    """Show what a recipient wants, by each category that the tenant's templates have."""
    tenant = call.caller.tenant
    query = call.query(PreferenceQuery)
    page = preferences.of_recipient(
        query,
        categories={each.newest.category for each in template_store.in_use(tenant)},
        tenant=tenant,
        suppressions=suppression_store,
    )
    return reply(PreferencePage(data=page))


@routes.route("/unsubscribe", methods=["GET"])
@endpoint(routes)
def show_unsubscribe(call: Call) -> Response:
    """Show a page with a button: a program that only looks at links unsubscribes nobody."""
    _linked(call)
    return _page("Unsubscribe", FORM.format("You will get no more mails of this kind."))


@routes.route("/unsubscribe", methods=["POST"], content_types=FORMS)
@endpoint(routes)
def unsubscribe(call: Call) -> Response:
    """Unsubscribe the recipient of the mail that the link stands in, with one click (RFC 8058)."""
    notification = _linked(call)
    suppressions.suppress(
        tenant=notification.tenant,
        channel=notification.channel,
        to=notification.to,
        category=notification.category,
        reason="unsubscribe",
        suppressions=suppression_store,
        now_ms=now_ms(),
    )
    return _page("Unsubscribed", "<p>You will get no more mails of this kind.</p>")


def _linked(call: Call) -> Notification:
    link = call.query(Link)
    notification = links.holds(link.id, link.signature) and store.find_any(link.id)
    if not notification:
        raise NotFound("This link is not one of ours; use the one in the mail.")
    return notification


def _page(title: str, content: str) -> Response:
    page = PAGE.format(title=title, content=content)
    return Response(body=page, status_code=200, headers=PAGE_HEADERS)
