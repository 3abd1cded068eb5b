"""The table of retention says what the indexes of each collection enforce."""

import re
from pathlib import Path

from pymongo import IndexModel

from access import request_store
from access import store as access_store
from analytics import store as analytics_store
from backend import arrivals, audit, clients, test_clock_store, test_clocks
from backend.store import EXPIRY
from notifications import store as notification_store
from notifications.suppressions import store as suppression_store
from notifications.templates import store as template_store
from notifications.webhooks import endpoint_store
from payments import balance_store, event_store
from payments import store as payment_store
from payments.customers import store as customer_store
from payments.reports import schema as report_schema
from payments.reports import store as report_store

ROOT = Path(__file__).parents[2]
DAY_S = 86_400
INDEXES: dict[str, tuple[IndexModel, ...]] = {
    "payments": payment_store.INDEXES,
    "balance_periods": balance_store.INDEXES,
    "balances": balance_store.BEHIND,
    "reconciliation": (),
    "test_clocks": test_clock_store.INDEXES,
    "events": event_store.INDEXES,
    "customers": customer_store.INDEXES,
    "customer_counts": (),
    "reports": report_store.INDEXES,
    "report_lines": report_store.LINE_INDEXES,
    "notifications": notification_store.INDEXES,
    "suppressions": suppression_store.INDEXES,
    "templates": template_store.INDEXES,
    "webhook_endpoints": endpoint_store.INDEXES,
    clients.TENANTS: access_store.TENANT_INDEXES,
    clients.CLIENTS: access_store.CLIENT_INDEXES,
    "audit_log": audit.INDEXES,
    "requests": request_store.INDEXES,
    "analytics_events": analytics_store.EVENT_INDEXES,
    "analytics_buckets": analytics_store.BUCKET_INDEXES,
    "analytics_sets": analytics_store.SET_INDEXES,
    "analytics_state": (),
    **analytics_store.PERIOD_INDEXES,
}
LIVES_S = {  # of what says itself when it expires, in the order of the table
    "test_clocks": [test_clocks.LIFE_S],
    "customers": [customer_store.DELETED_LIFE_S],
    "reports": [report_schema.LIFE_MS // 1000],
    "report_lines": [report_store.LINES_LIFE_S],
    "notifications": [notification_store.LIFE_S, notification_store.DELIVERY_LIFE_S],
    "suppressions": [suppression_store.BOUNCE_LIFE_S],
    "templates": [template_store.ARCHIVED_LIFE_S],
    "audit_log": [audit.LIFE_S],
    "requests": [request_store.LIFE_S],
}
ROWS = re.findall(
    r"^\| [^|]+ \| `(\w+)` \| ([^|]+) \| (?:`(\w+)`|-) \|$",
    (ROOT / "docs" / "retention.md").read_text(),
    re.MULTILINE,
)


def _expiring(indexes: tuple[IndexModel, ...]) -> dict[str, int]:
    """Return the fields that a collection's documents expire by, with their lives in seconds."""
    documents = [each.document for each in indexes]
    return {
        next(iter(each["key"])): each["expireAfterSeconds"]
        for each in documents
        if "expireAfterSeconds" in each
    }


def test_the_table_has_every_collection_and_the_field_that_it_expires_by():
    fields: dict[str, set[str]] = {}
    for name, _, field in ROWS:
        fields.setdefault(name, set()).update({field} - {""})

    assert fields == {name: set(_expiring(INDEXES.get(name, ()))) for name in {*fields, *INDEXES}}


def test_every_collection_of_the_source_is_in_the_table():
    sources = [*(ROOT / "functions").rglob("store.py"), *ROOT.glob("[fl]*/**/*_store.py")]
    text = "".join(path.read_text() for path in sources)
    names = set(re.findall(r'collection\("(\w+)"', text))
    named = {arrivals.EVENTS, arrivals.NOTIFICATIONS, arrivals.ENDPOINTS, arrivals.LISTED}
    named |= {clients.TENANTS, clients.CLIENTS, "audit_log"}

    assert names | named | set(analytics_store.PERIOD_INDEXES) == {name for name, _, _ in ROWS}


def test_each_life_in_the_table_is_that_of_its_index():
    for name, indexes in INDEXES.items():
        lives_s = [
            int(days[1]) * DAY_S
            for row, life, field in ROWS
            if row == name and field and (days := re.match(r"(\d+) days", life))
        ]
        assert lives_s == LIVES_S.get(name, [*_expiring(indexes).values()]), name
    assert EXPIRY.document["expireAfterSeconds"] == 0
