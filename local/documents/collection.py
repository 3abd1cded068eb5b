"""One collection: its documents and the entries of its indexes, as tables of SQLite."""

import sqlite3
from collections.abc import Callable, Iterator
from itertools import starmap
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS

from local.documents.errors import DocumentsError, refused
from local.documents.filters import Filter
from local.documents.keys import encode
from local.documents.paths import Document, Spec
from local.documents.plan import Index, Plan, choose
from local.documents.turns import turns

CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    # Milliseconds as stored: a datetime would refuse years that BSON can hold.
    datetime_conversion=DatetimeConversion.DATETIME_MS
)
DOCUMENT_BYTES_MAX = 16 * 1024 * 1024  # MongoDB's own limit
CHUNK_ROWS = (8, 256)  # rows of the first and of the largest single read of a scan
DEPTH_MAX = 200  # levels of a document, MongoDB's own limit
MEASURED_ROWS = 4096  # of which only the sizes are read at once
CHUNK_BYTES = 4 * 1024 * 1024  # of documents, about: a read of large ones has fewer rows
Keys = list[tuple[Index, list[bytes]]]  # the keys of one document in each index
FIRST_IS_ID = b"_id\x00"
TIMESTAMP_TYPE = b"\x11"  # before the name of a field


class Row:
    """One stored document, decoded at most once."""

    __slots__ = ("_document", "id", "raw")

    def __init__(self, number: int, raw: bytes) -> None:
        self.id = number
        self.raw = raw
        self._document: Document | None = None

    @property
    def document(self) -> Document:
        """Decode `raw`; a caller that changes the document is the last one to look at it."""
        if self._document is None:
            self._document = bson.decode(self.raw, CODEC)
        return self._document

    def bare(self) -> "Row":
        """Forget the decoded document, of which many rows together would hold too much."""
        self._document = None
        return self


def decode(raw: bytes) -> Document:
    return bson.decode(raw, CODEC)


def encode_document(document: Document) -> bytes:
    raw = bson.encode(document, codec_options=CODEC)
    if len(raw) > DOCUMENT_BYTES_MAX:
        raise DocumentsError(10334, f"a document of {len(raw)} bytes is larger than 16 MiB")
    _check_depth(raw, document)
    return raw


def _check_depth(raw: bytes, document: Document) -> None:
    """Refuse what is nested so deeply that a later filter or sort could not follow it."""
    if raw.count(b"\x03") + raw.count(b"\x04") < DEPTH_MAX:  # the types of what can hold more
        return
    level: list[Any] = [document]
    for _ in range(DEPTH_MAX):
        nodes = [node.values() if isinstance(node, dict) else node for node in level]
        level = [item for node in nodes for item in node if isinstance(item, dict | list)]
    if level:
        raise DocumentsError(15, f"a document is nested more than {DEPTH_MAX} levels deep")


class Collection:
    """The documents of one collection, numbered by insertion; a change keeps all indexes right."""

    def __init__(self, connection: sqlite3.Connection, number: int, namespace: str) -> None:
        self.namespace = namespace
        self.number = number
        self.drops = 0  # of tables of this collection: what reads them may not go on then
        self.indexes = [Index(0, "_id_", (("_id", 1),), unique=True)]
        self._execute = connection.execute
        table = f"documents_{number}"
        self._insert = f"INSERT INTO {table} (key, document) VALUES (?, ?)"
        self._update = f"UPDATE {table} SET document = ? WHERE id = ?"
        self._delete = f"DELETE FROM {table} WHERE id = ?"
        self._by_keys = f"SELECT id, document FROM {table} WHERE key IN"

    def create_table(self) -> None:
        self._execute(
            f"CREATE TABLE documents_{self.number}"
            " (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, document BLOB NOT NULL)"
        )

    def drop_tables(self) -> None:
        self.drops += 1
        for index in self.indexes[1:]:
            self._execute(f"DROP TABLE {self._entries(index)}")
        self._execute(f"DROP TABLE documents_{self.number}")

    def count(self) -> int:
        (count,) = self._execute(f"SELECT count(*) FROM documents_{self.number}").fetchone()
        return int(count)

    def measure(self) -> tuple[int, int]:
        """Return the number of documents and the sum of their sizes, read in chunks."""
        count = size = 0
        last: int | None = -1
        sql = (
            "SELECT count(*), coalesce(sum(length(document)), 0), max(id) FROM"
            f" (SELECT id, document FROM documents_{self.number} WHERE id > ? ORDER BY id LIMIT ?)"
        )
        while last is not None:
            chunk, chunk_size, last = self._execute(sql, (last, MEASURED_ROWS)).fetchone()
            count, size = count + chunk, size + chunk_size
            self.stand_back()
        return count, size

    def insert(self, raw: bytes) -> Document:
        """Store a document, which gets an `_id` if it has none."""
        document = decode(raw)
        if raw[5:9] != FIRST_IS_ID:
            document = {"_id": document.get("_id", bson.ObjectId())} | document
            raw = encode_document(document)
        elif len(raw) > DOCUMENT_BYTES_MAX:
            encode_document(document)
        else:
            _check_depth(raw, document)
        identity = document["_id"]
        _check_identity(identity)
        if TIMESTAMP_TYPE in raw:
            _check_timestamps(document)
        keys = self._keys(document)
        self._check_unique(keys, document, row=-1)
        try:
            row = self._execute(self._insert, (encode(identity), raw)).lastrowid
        except sqlite3.IntegrityError:
            key = encode(identity)
            raise self._duplicate(self.indexes[0], document, key) from None
        assert row is not None
        self._add_entries(keys, row)
        return document

    def change(self, row: Row, change: Callable[[Document], Document]) -> Document | None:
        """Store what `change` makes of the document; None if that is what it was."""
        before = self._keys(row.document)
        document = change(row.document)
        raw = encode_document(document)
        if raw == row.raw:
            return None
        after = self._keys(document)
        if after != before:
            before, after = (
                [entry for entry in keys if entry not in others]
                for keys, others in ((before, after), (after, before))
            )
            self._check_unique(after, document, row.id)
            self._remove_entries(before, row.id)
            self._add_entries(after, row.id)
        self._execute(self._update, (raw, row.id))
        return document

    def delete(self, row: Row) -> None:
        self._remove_entries(self._keys(row.document), row.id)
        self._execute(self._delete, (row.id,))

    def _keys(self, document: Document) -> Keys:
        return [(index, index.keys(document)) for index in self.indexes[1:]]

    def find(self, filter_: Filter, sort: Spec = ()) -> tuple[Iterator[Row], bool]:
        """Return the matching rows, and True if they come in the order of `sort`."""
        identities = filter_.identities()
        if identities is not None and not sort:
            rows, ordered, exact = self._by_identity(identities), True, filter_.leaves == 1
        else:
            plan = choose(self.indexes, filter_, sort)
            rows = self.scan(plan) if plan.index else self._all_rows()
            ordered, exact = plan.ordered, plan.exact
        if not exact:
            rows = (row for row in rows if filter_.matches(row.document))
        return rows, ordered

    def _by_identity(self, keys: list[bytes]) -> Iterator[Row]:
        for start in range(0, len(keys), CHUNK_ROWS[1]):
            if start:
                self.stand_back()
            chunk = keys[start : start + CHUNK_ROWS[1]]
            places = ",".join("?" * len(chunk))
            rows = self._execute(f"{self._by_keys} ({places}) ORDER BY key", chunk)
            yield from starmap(Row, rows.fetchall())

    def in_natural_order(self, filter_: Filter, *, reverse: bool) -> Iterator[Row]:
        """Return the matching rows in the order of insertion, or the last first."""
        return (row for row in self._all_rows(reverse) if filter_.matches(row.document))

    def _all_rows(self, reverse: bool = False) -> Iterator[Row]:
        onwards, order, last = ("<", "DESC", 2**63 - 1) if reverse else (">", "ASC", -1)
        table = f"documents_{self.number}"
        sql = f"SELECT id, document FROM {table} WHERE id {onwards} ? ORDER BY id {order} LIMIT ?"
        size = CHUNK_ROWS[0]
        while rows := self._execute(sql, (last, size)).fetchall():
            yield from starmap(Row, rows)
            last = rows[-1][0]
            size = self._next_size(size, rows)

    def scan(self, plan: Plan) -> Iterator[Row]:
        """Read in chunks that each start behind the last one, so that no read stays open."""
        assert plan.index is not None
        table = f"documents_{self.number}"
        source = f"{table} AS entry"
        columns = "entry.key, entry.id, entry.document"
        if plan.index.id:
            entries = self._entries(plan.index)
            source = f"{entries} AS entry CROSS JOIN {table} AS d ON d.id = entry.id"
            columns = "entry.key, entry.id, d.document"
        onwards, bound, order = (
            ("<", "entry.key >= ?", "DESC") if plan.reverse else (">", "entry.key < ?", "ASC")
        )
        sql = (
            f"SELECT {columns} FROM {source} WHERE (entry.key, entry.id) {onwards} (?, ?)"
            f" AND {bound} ORDER BY entry.key {order}, entry.id {order} LIMIT ?"
        )
        numbers: set[int] = set()
        for low, high in plan.ranges:
            start, end = (high, low) if plan.reverse else (low, high)
            position: tuple[bytes, int] = (start, -1)
            size = CHUNK_ROWS[0]
            while rows := self._execute(sql, (*position, end, size)).fetchall():
                for _, number, raw in rows:
                    if number not in numbers:
                        yield Row(number, raw)
                    if plan.index.multikey:
                        numbers.add(number)
                position = rows[-1][:2]
                size = self._next_size(size, rows)

    def stand_back(self) -> bool:
        """Let others run if it is time; return True if they did."""
        drops = self.drops
        stood_back = turns.check()
        if self.drops != drops:
            raise DocumentsError(175, f"{self.namespace} or an index of it was dropped meanwhile")
        return stood_back

    def _next_size(self, size: int, rows: list[Any]) -> int:
        """Let others run if it is time; return how many rows the next read is to have."""
        if self.stand_back():
            return max(size // 2, 1)
        read_bytes = sum(len(row[-1]) for row in rows) + 1
        return max(min(size * 4, CHUNK_ROWS[1], size * CHUNK_BYTES // read_bytes), 1)

    def current(self, row: Row) -> Row | None:
        """Read a row again, None if it is not there any more."""
        sql = f"SELECT id, document FROM documents_{self.number} WHERE id = ?"
        current = self._execute(sql, (row.id,)).fetchone()
        return Row(*current) if current else None

    def create_index(self, index: Index) -> None:
        """Make the index and enter every document that is there."""
        self._execute(
            f"CREATE TABLE {self._entries(index)}"
            " (key BLOB NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (key, id)) WITHOUT ROWID"
        )
        for row in self._all_rows():
            keys = [(index, index.keys(row.document))]
            self._check_unique(keys, row.document, row.id)
            self._add_entries(keys, row.id)
        self.indexes.append(index)

    def drop_index(self, index: Index) -> None:
        self.drops += 1
        self._execute(f"DROP TABLE {self._entries(index)}")
        self.indexes.remove(index)

    def _entries(self, index: Index) -> str:
        return f"entries_{self.number}_{index.id}"

    def _check_unique(self, keys: Keys, document: Document, row: int) -> None:
        for index, index_keys in keys:
            if index.unique:
                sql = f"SELECT 1 FROM {self._entries(index)} WHERE key = ? AND id <> ?"
                for key in index_keys:
                    if self._execute(sql, (key, row)).fetchone():
                        raise self._duplicate(index, document, key)

    def _add_entries(self, keys: Keys, row: int) -> None:
        for index, index_keys in keys:
            sql = f"INSERT INTO {self._entries(index)} VALUES (?, ?)"
            for key in index_keys:
                self._execute(sql, (key, row))
            if len(index_keys) > 1 and not index.multikey:
                index.multikey = True
                self._execute(
                    "UPDATE indexes SET multikey = 1 WHERE collection = ? AND id = ?",
                    (self.number, index.id),
                )

    def _remove_entries(self, keys: Keys, row: int) -> None:
        for index, index_keys in keys:
            sql = f"DELETE FROM {self._entries(index)} WHERE key = ? AND id = ?"
            for key in index_keys:
                self._execute(sql, (key, row))

    def _duplicate(self, index: Index, document: Document, key: bytes) -> DocumentsError:
        value = index.value(document, key)
        shown = ", ".join(f"{path}: {_shown(item)}" for path, item in value.items())
        return DocumentsError(
            11000,
            f"E11000 duplicate key error collection: {self.namespace} index: {index.name}"
            f" dup key: {{ {shown} }}",
            keyPattern=dict(index.spec),
            keyValue=value,
        )


def _check_identity(identity: Any) -> None:
    if isinstance(identity, list | bson.Regex):
        kind = "array" if isinstance(identity, list) else "regex"
        raise DocumentsError(53, f"The '_id' value cannot be of type {kind}")
    if isinstance(identity, dict):
        for name in identity:
            if name.startswith("$"):
                raise DocumentsError(52, f"_id fields may not contain '$'-prefixed fields: {name}")


def _check_timestamps(document: Document) -> None:
    for name, value in document.items():
        if isinstance(value, bson.Timestamp) and value == bson.Timestamp(0, 0):
            raise refused("an empty timestamp, which MongoDB replaces by the time, at", name)


def _shown(value: Any) -> str:
    show = _SHOWN.get(type(value), str)
    return show(value)


def _shown_object(value: Document) -> str:
    return f"{{ {', '.join(f'{name}: {_shown(item)}' for name, item in value.items())} }}"


_SHOWN: dict[type, Callable[[Any], str]] = {
    str: lambda value: f'"{value}"',
    bson.ObjectId: lambda value: f"ObjectId('{value}')",
    dict: _shown_object,
    list: lambda value: f"[ {', '.join(map(_shown, value))} ]" if value else "[]",
    bool: lambda value: str(value).lower(),
    DatetimeMS: lambda value: f"new Date({int(value)})",
    type(None): lambda _: "null",
}
