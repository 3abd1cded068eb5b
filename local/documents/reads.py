"""The commands that read, and the cursors they leave open."""

import heapq
import itertools
import secrets
import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from local.documents.collection import Collection, Row, encode_document
from local.documents.errors import DocumentsError
from local.documents.filters import compile_filter
from local.documents.keys import MISSING, encode
from local.documents.paths import Document, Spec, elements, parse, sort_key, values_at
from local.documents.pipeline import (
    SORT_BYTES_MAX,
    check_stages,
    find_sort,
    limit_stage,
    match_stage,
    run,
    sort_stage,
)
from local.documents.projections import project
from local.documents.store import Store
from local.documents.wire import cursor_reply

FIRST_BATCH = 101  # documents, as in MongoDB
BATCH_MAX = 1_000  # documents of one answer: while it is gathered, everybody else waits
BATCH_BYTES_MAX = 16 * 1024 * 1024
ROW_BYTES = 300  # that a row costs in memory besides its document
DISTINCT_BYTES_MAX = 16 * 1024 * 1024  # MongoDB's own limit: they are one document
TOP_MAX = 10_000  # documents that a sort keeps of all; more are sorted with the others
CURSORS_MAX = 1_000
CURSOR_IDLE_S = 600  # MongoDB's cursorTimeoutMillis


@dataclass(slots=True)
class Cursor:
    id: int
    namespace: str
    documents: Iterator[bytes]
    used_at_s: float
    ahead: list[bytes] = field(default_factory=list)

    def batch(self, size: int) -> list[bytes]:
        """Return the next documents, at least one if there is one; one more is read ahead."""
        batch: list[bytes] = []
        total = 0
        for raw in itertools.chain(self.ahead, self.documents):
            if len(batch) >= size or (batch and total + len(raw) > BATCH_BYTES_MAX):
                self.ahead = [raw]
                return batch
            batch.append(raw)
            total += len(raw)
        self.ahead = []
        return batch


class Cursors:
    """Open cursors; the one unused for longest makes way when there are too many."""

    def __init__(self) -> None:
        self._open: OrderedDict[int, Cursor] = OrderedDict()

    def first_reply(
        self, namespace: str, documents: Iterator[bytes], size: int, *, single: bool, now_s: float
    ) -> bytes:
        cursor = Cursor(0, namespace, documents, now_s)
        batch = cursor.batch(min(size, BATCH_MAX))
        if single or not (cursor.ahead or size == 0):
            return cursor_reply("firstBatch", batch, 0, namespace)
        cursor.id = secrets.randbits(62) + 1  # a system call: only for a cursor that stays open
        self._open[cursor.id] = cursor
        if len(self._open) > CURSORS_MAX:
            self._open.popitem(last=False)
        return cursor_reply("firstBatch", batch, cursor.id, namespace)

    def next_reply(self, number: int, namespace: str, size: int, now_s: float) -> bytes:
        cursor = self._open.pop(number, None)
        if cursor is None or cursor.namespace != namespace:
            raise DocumentsError(43, f"cursor id {number} not found")
        cursor.used_at_s = now_s
        batch = cursor.batch(min(size or BATCH_MAX, BATCH_MAX))
        if cursor.ahead:
            self._open[number] = cursor
        return cursor_reply("nextBatch", batch, number if cursor.ahead else 0, namespace)

    def kill(self, number: int) -> bool:
        return self._open.pop(number, None) is not None

    def close(self, namespace: str | None = None) -> None:
        """Close the cursors of a collection whose tables change, or all of them."""
        for cursor in list(self._open.values()):
            if namespace in (None, cursor.namespace):
                del self._open[cursor.id]

    def expire(self, now_s: float) -> None:
        while self._open:
            oldest = next(iter(self._open.values()))
            if now_s - oldest.used_at_s < CURSOR_IDLE_S:
                return
            del self._open[oldest.id]


def find(store: Store, database: str, body: Document) -> tuple[str, Iterator[bytes]]:
    """Return the namespace and the documents of the command `find`."""
    limit, skip = body.get("limit", 0), body.get("skip", 0)
    end = min(limit + skip, sys.maxsize) if limit else None
    rows = rows_of(
        store.find(database, body["find"]),
        body.get("filter") or {},
        find_sort(body.get("sort") or {}),
        keep=end,
    )
    chosen = itertools.islice(rows, min(skip, sys.maxsize), end)
    if body.get("projection"):
        keep = project(body["projection"])
        documents = (encode_document(keep(row.document)) for row in chosen)
    else:
        documents = (row.raw for row in chosen)
    return f"{database}.{body['find']}", documents


def rows_of(
    collection: Collection | None, filter_: Document, sort: Spec, keep: int | None = None
) -> Iterator[Row]:
    """Return the matching rows in the order of `sort`, or only the first `keep` of them."""
    compiled = compile_filter(filter_)
    if collection is None:
        return iter(())
    if sort and sort[0][0] == "$natural":
        return collection.in_natural_order(compiled, reverse=sort[0][1] < 0)
    rows, ordered = collection.find(compiled, sort)
    if ordered or not sort:
        return rows
    keyed = ((sort_key(row.document, sort), row.bare()) for row in rows)
    if keep is not None and keep <= TOP_MAX:
        chosen = heapq.nsmallest(keep, keyed, key=itemgetter(0))
    else:
        chosen = sorted(_bounded(keyed), key=itemgetter(0))
    return (row for _, row in chosen)


def _bounded(keyed: Iterator[tuple[bytes, Row]]) -> Iterator[tuple[bytes, Row]]:
    total = 0
    for key, row in keyed:
        total += len(row.raw) + ROW_BYTES
        if total > SORT_BYTES_MAX:
            raise DocumentsError(
                292, f"Sort exceeded memory limit of {SORT_BYTES_MAX} bytes; make an index"
            )
        yield key, row


def aggregate(store: Store, database: str, body: Document) -> tuple[str, Iterator[bytes]]:
    """Return the namespace and the results; a leading $match, $sort and $limit may use an index."""
    name, stages = body["aggregate"], check_stages(body["pipeline"])
    if not isinstance(name, str):
        raise DocumentsError(73, "aggregate needs the name of a collection")
    filter_ = match_stage(stages.pop(0)["$match"]) if stages and "$match" in stages[0] else {}
    sort = sort_stage(stages.pop(0)["$sort"]) if stages and "$sort" in stages[0] else ()
    keep = limit_stage(stages[0]["$limit"]) if sort and stages and "$limit" in stages[0] else None
    rows = rows_of(store.find(database, name), filter_, sort, keep)
    documents = run((row.document for row in rows), stages)
    return f"{database}.{name}", (encode_document(document) for document in documents)


def count(store: Store, database: str, body: Document) -> dict[str, Any]:
    collection = store.find(database, body["count"])
    filter_, skip, limit = body.get("query", {}), body.get("skip", 0), abs(body.get("limit", 0))
    if filter_ or collection is None:
        total = sum(1 for _ in rows_of(collection, filter_, ()))
    else:
        total = collection.count()
    left = max(total - skip, 0)
    return {"n": min(left, limit) if limit else left, "ok": 1.0}


def distinct(store: Store, database: str, body: Document) -> dict[str, Any]:
    rows = rows_of(store.find(database, body["distinct"]), body.get("query") or {}, ())
    parts = parse(body["key"])
    distinct_values: dict[bytes, Any] = {}
    total = 0
    for row in rows:
        for value in elements(values_at(row.document, parts)):
            key = encode(value)
            if value is not MISSING and key not in distinct_values:
                distinct_values[key] = value
                total += len(key)
        if total > DISTINCT_BYTES_MAX:
            raise DocumentsError(17217, "distinct too big, 16mb cap")
    return {"values": [value for _, value in sorted(distinct_values.items())], "ok": 1.0}
