"""The contents of the data file: catalogue of collections, transactions, expiry."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bson

from local.documents import data_file
from local.documents.collection import Collection, Row
from local.documents.errors import MALFORMED, DocumentsError
from local.documents.intervals import Interval
from local.documents.keys import DATE, encode
from local.documents.plan import Index, Plan
from local.documents.turns import turns

NAME_BYTES_MAX = 255  # of database and collection, MongoDB's own limit
EXPIRED_MAX = 1_000  # documents that one sweep step deletes before others get their turn

_SCHEMA = """
CREATE TABLE IF NOT EXISTS collections (
  number INTEGER PRIMARY KEY AUTOINCREMENT, database TEXT NOT NULL, name TEXT NOT NULL,
  UNIQUE (database, name)
);
CREATE TABLE IF NOT EXISTS indexes (
  collection INTEGER NOT NULL, id INTEGER NOT NULL, definition BLOB NOT NULL,
  multikey INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (collection, id)
);
"""


class Store:
    """The collections of one data file; changes collect in one transaction until `commit`."""

    def __init__(self, path: Path) -> None:
        self._connection = data_file.connect(path)
        self._connection.executescript(_SCHEMA)
        self.collections: dict[tuple[str, str], Collection] = {}
        self._load()

    @property
    def writing(self) -> bool:
        return self._connection.in_transaction

    def begin(self) -> None:
        if not self.writing:
            self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Forget the transaction, and with it what the catalogue learnt in it."""
        if self.writing:
            self._connection.execute("ROLLBACK")
        turns.roll_back()
        self._load()

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Keep nothing of a command that is refused or malformed halfway."""
        self._connection.execute("SAVEPOINT command")
        try:
            yield
        except (DocumentsError, *MALFORMED):
            self._connection.execute("ROLLBACK TO command")
            self._load()
            raise
        finally:
            self._connection.execute("RELEASE command")

    def close(self) -> None:
        self._connection.close()

    def find(self, database: str, name: str) -> Collection | None:
        collection = self.collections.get((database, name))
        if collection is None:
            _check_name(database, name)
        return collection

    def find_or_create(self, database: str, name: str) -> Collection:
        collection = self.collections.get((database, name))
        if collection is not None:
            return collection
        _check_name(database, name)
        number = self._connection.execute(
            "INSERT INTO collections (database, name) VALUES (?, ?)", (database, name)
        ).lastrowid
        assert number is not None
        collection = Collection(self._connection, number, f"{database}.{name}")
        collection.create_table()
        self.collections[database, name] = collection
        return collection

    def drop(self, database: str, name: str) -> bool:
        collection = self.collections.pop((database, name), None)
        if collection is None:
            return False
        collection.drop_tables()
        for table, column in (("collections", "number"), ("indexes", "collection")):
            self._connection.execute(
                f"DELETE FROM {table} WHERE {column} = ?", (collection.number,)
            )
        return True

    def rename(self, database: str, name: str, new_database: str, new_name: str) -> None:
        """Give a collection a name that no other has."""
        collection = self.collections.pop((database, name))
        self._connection.execute(
            "UPDATE collections SET database = ?, name = ? WHERE number = ?",
            (new_database, new_name, collection.number),
        )
        collection.namespace = f"{new_database}.{new_name}"
        self.collections[new_database, new_name] = collection

    def create_index(self, collection: Collection, index: Index) -> None:
        """Make the index; if a document does not allow it, nothing of it remains."""
        self._connection.execute("SAVEPOINT index_creation")
        try:
            collection.create_index(index)
        except DocumentsError:
            self._connection.execute("ROLLBACK TO index_creation")
            raise
        finally:
            self._connection.execute("RELEASE index_creation")
        definition = bson.encode(index.as_document())
        self._connection.execute(
            "INSERT INTO indexes (collection, id, definition, multikey) VALUES (?, ?, ?, ?)",
            (collection.number, index.id, definition, index.multikey),
        )

    def drop_index(self, collection: Collection, index: Index) -> None:
        collection.drop_index(index)
        self._connection.execute(
            "DELETE FROM indexes WHERE collection = ? AND id = ?", (collection.number, index.id)
        )

    def expire(self, now_ms: int) -> int:
        """Delete up to EXPIRED_MAX documents that TTL indexes call expired; return how many."""
        turns.begin()
        deleted = 0
        for collection in self.collections.values():
            for index in collection.indexes:
                if index.expire_after_s is not None:
                    last_ms = now_ms - int(index.expire_after_s * 1000)
                    deleted += self._expire(collection, index, last_ms, EXPIRED_MAX - deleted)
        return deleted

    def _expire(self, collection: Collection, index: Index, last_ms: int, limit: int) -> int:
        last = encode(bson.DatetimeMS(last_ms))
        interval = Interval(bytes([DATE]), False, last, True)
        if index.spec[0][1] < 0:
            interval = interval.flipped()
        rows: list[Row] = []
        for row in collection.scan(Plan(index, [interval.span()])):
            if len(rows) >= limit:
                break
            rows.append(row)
        if rows:
            self.begin()
        for row in rows:
            collection.delete(row)
        return len(rows)

    def _load(self) -> None:
        for collection in self.collections.values():
            collection.drops += 1
        self.collections.clear()
        rows = self._connection.execute("SELECT number, database, name FROM collections")
        for number, database, name in rows.fetchall():
            collection = Collection(self._connection, number, f"{database}.{name}")
            indexes = self._connection.execute(
                "SELECT id, definition, multikey FROM indexes WHERE collection = ? ORDER BY id",
                (number,),
            )
            for id_, definition, multikey in indexes:
                index = Index.from_document(id_, bson.decode(definition))
                index.multikey = bool(multikey)
                collection.indexes.append(index)
            self.collections[database, name] = collection


def _check_name(database: str, name: str) -> None:
    is_database = 0 < len(database.encode()) < 64 and not set(database) & set('/\\. "$*<>:|?\0')
    is_collection = name and not name.startswith(".") and not set(name) & set("$\0")
    if not is_database or not is_collection or len(f"{database}.{name}".encode()) > NAME_BYTES_MAX:
        raise DocumentsError(73, f"Invalid namespace specified '{database}.{name}'")
