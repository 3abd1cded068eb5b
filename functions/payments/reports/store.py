"""The store of reports: one document each, changed only under its version."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

import msgspec
from pymongo import IndexModel
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import DuplicateKeyError

from backend import breaker
from backend.store import (
    EXPIRY,
    NEWEST,
    Document,
    collection,
    insert_new,
    moment_after,
    newest,
    store_errors,
)
from payments.reports.schema import LIFE_MS, Report

LINES_LIFE_S = 2 * 86_400  # longer than a report is built
INDEXES = (NEWEST, EXPIRY, IndexModel([("turn_ms", 1)], name="turns", sparse=True))
LINE_INDEXES = (EXPIRY,)


def insert(report: Report) -> Report | None:
    """Store a new report; returns the one that has its id already, or None when it was stored."""
    with store_errors():
        try:
            _reports().insert_one(_document(report))
        except DuplicateKeyError:
            return _report(_reports().find_one({"_id": report.id}))
    return None


def find(tenant: str, report_id: str) -> Report | None:
    """Return a report of this tenant."""
    with store_errors():
        return _report(_reports().find_one({"_id": report_id, "tenant": tenant}))


def page(tenant: str, *, limit: int, after: Report | None, before: Report | None) -> list[Report]:
    """Return up to `limit` reports, newest first, next to `after` or `before`."""
    documents = newest(_reports(), {"tenant": tenant}, limit=limit, after=after, before=before)
    return [msgspec.convert(each, Report) for each in documents]


def count(tenant: str, *, at_most: int, is_open: bool) -> int:
    """Count a tenant's reports, or those that are not over, up to `at_most`."""
    query: Document = {"tenant": tenant, **({"turn_ms": {"$gt": 0}} if is_open else {})}
    with store_errors():
        return _reports().count_documents(query, limit=at_most)


def next_due(now_ms: int, *, but: Collection[str]) -> Report | None:
    """Return the oldest due report of the tenant whose last turn is longest ago.

    Tenants in `but` have none.
    """
    due: Document = {"turn_ms": {"$lte": now_ms}}
    with store_errors():
        others = {**due, "tenant": {"$nin": list(but)}}
        longest = _reports().find_one(others, {"tenant": 1}, sort=[("turn_ms", 1)])
        if longest is None:
            return None
        order = [("created_ms", 1), ("_id", 1)]
        return _report(_reports().find_one({**due, "tenant": longest["tenant"]}, sort=order))


def pass_turn(tenant: str, *, now_ms: int) -> None:
    """Put all due reports of a tenant behind those of the others."""
    with store_errors():
        _reports().update_many(
            {"tenant": tenant, "turn_ms": {"$lte": now_ms}}, {"$set": {"turn_ms": now_ms}}
        )


def replace(report: Report) -> bool:
    """Store a new version over the one before it; False where somebody else has changed that.

    It waits a moment for a store that is left alone: a step that cannot be noted is taken again,
    and not before its lease is over.
    """
    breaker.wait_for_store()
    before = {"_id": report.id, "version": report.version - 1}
    with store_errors():
        return _reports().replace_one(before, _document(report)).matched_count == 1


def note_lines(report_id: str, keys: Iterable[str]) -> None:
    """Remember that a provider's record has lines of these keys; again is harmless."""
    expires_at = moment_after(LINES_LIFE_S)
    lines = [{"_id": _line_id(report_id, key), "expires_at": expires_at} for key in sorted({*keys})]
    insert_new(_lines(), lines)


def noted_lines(report_id: str, keys: Collection[str]) -> set[str]:
    """Return those of the keys that are remembered."""
    names = {_line_id(report_id, key): key for key in keys}
    with store_errors():
        lines = _lines().find({"_id": {"$in": list(names)}}, {"_id": 1})
        return {names[each["_id"]] for each in lines}


def _line_id(report_id: str, key: str) -> str:
    return f"{report_id} {key}"


def _document(report: Report) -> Document:
    document: Document = msgspec.to_builtins(report)
    expires_at = datetime.fromtimestamp((report.created_ms + LIFE_MS) / 1000, UTC)
    return {**document, "expires_at": expires_at}


def _report(document: Document | None) -> Report | None:
    return None if document is None else msgspec.convert(document, Report)


def _reports() -> MongoCollection[Document]:
    return collection("reports", INDEXES)


def _lines() -> MongoCollection[Document]:
    return collection("report_lines", LINE_INDEXES)
