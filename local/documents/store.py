"""The data file: catalogue of collections, transactions, checkpoints, expiry."""

import fcntl
import sqlite3
from pathlib import Path
from typing import IO

import bson

from local.documents.collection import Collection, Row
from local.documents.errors import DocumentsError
from local.documents.filters import Interval
from local.documents.keys import DATE, encode
from local.documents.plan import Index, Plan

CACHE_KIB = 64 * 1024  # pages of the indexes that stay in memory
# Pages of 4 KiB in the write-ahead log, 64 MiB: the regular checkpoints keep it far shorter, but
# if they fall behind, a commit does their work.
LOG_PAGES_MAX = 16 * 1024
BUSY_S = 0.5  # somebody who looks into the file with other tools may hold its lock so long
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
    """Changes collect in one transaction, which `commit` makes durable with one fsync."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(path)
        self._path = path
        self._connection = _connect(path)
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
        self._load()

    def close(self) -> None:
        if self.writing:
            self.commit()
        self._connection.close()
        self._lock.close()

    def find(self, database: str, name: str) -> Collection | None:
        return self.collections.get((database, name))

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

    def checkpoint(self) -> None:
        """Copy the log into the file; what another thread has copied already is not repeated."""
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def checkpoint_beside(self) -> None:
        """The same on a connection of its own, for a thread beside the one that commits."""
        connection = _connect(self._path)
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        finally:
            connection.close()

    def _load(self) -> None:
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


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, cached_statements=1024)
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # a commit returns after its fsync
        "secure_delete = OFF",  # zeroing what is freed costs a page write each
        f"cache_size = -{CACHE_KIB}",
        f"wal_autocheckpoint = {LOG_PAGES_MAX}",
        f"journal_size_limit = {LOG_PAGES_MAX * 4096}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _locked(path: Path) -> IO[bytes]:
    """Hold a lock beside the file: two servers would not see each other's catalogue."""
    lock = path.with_name(path.name + ".lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise OSError(error.errno, f"{path} is in use by another documents server") from error
    return lock


def _check_name(database: str, name: str) -> None:
    if not database or not name or set(database) & set('/\\. "$*<>:|?') or "$" in name:
        raise DocumentsError(73, f"Invalid namespace specified '{database}.{name}'")
