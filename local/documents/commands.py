"""The table of commands with the options each accepts; everything else is refused by name."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bson.errors
from bson.int64 import Int64

from local.documents import reads, writes
from local.documents.collection import DOCUMENT_BYTES_MAX, Collection
from local.documents.errors import DocumentsError
from local.documents.filters import compile_filter
from local.documents.paths import Document, parse
from local.documents.pipeline import sort_spec
from local.documents.plan import Index
from local.documents.store import Store
from local.documents.updates import NUMBERS
from local.documents.wire import MESSAGE_BYTES_MAX

VERSION = "7.0.0"  # the MongoDB whose behaviour is followed
WIRE_VERSION = 21  # that of 7.0
WRITE_BATCH_MAX = 100_000  # MongoDB's own limit
INDEXES_MAX = 64  # MongoDB's own limit

Reply = dict[str, Any] | bytes


# What a field of a wrong type or a missing one leads to: the fields are used as they are meant,
# not checked one by one before. Every statement is worked out before anything of it is stored.
MALFORMED = (
    *(LookupError, TypeError, AttributeError, ValueError, ArithmeticError),
    bson.errors.BSONError,
)


@dataclass(frozen=True, slots=True)
class Command:
    run: Callable[["Commands", str, Document], Reply]
    options: frozenset[str]  # empty: any, a driver announces in `hello` whatever it can do
    writes: bool


# Fields that drivers add to any command and that change nothing here: operations are short,
# a single server reads its own writes, every write is journalled before it is answered.
_TRANSACTIONS = {"startTransaction", "txnNumber", "autocommit"}  # refused for what they are
EVERYWHERE = frozenset(
    ["$db", "$clusterTime", "$readPreference", "comment", "lsid", "maxTimeMS", "readConcern"]
) | {"writeConcern"}


class Commands:
    """Runs commands on a store; time is the caller's."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cursors = reads.Cursors()

    def run(self, body: Document) -> Reply:
        """The answer to one command. Raises DocumentsError with MongoDB's code for refusals."""
        name = next(iter(body), "")
        command = COMMANDS.get(name)
        if command is None:
            raise DocumentsError(59, f"no such command: '{name}'")
        if command.options and not body.keys() <= command.options:
            raise _unknown_option(name, body.keys() - command.options)
        try:
            _check_concerns(body)
            if command.writes:
                _check_writable(name, body)
                self.store.begin()
            return command.run(self, body.get("$db", "admin"), body)
        except MALFORMED as error:
            raise DocumentsError(9, f"malformed command {name}: {error!r}") from error

    def find(self, database: str, body: Document) -> bytes:
        namespace, documents = reads.find(self.store, database, body)
        size = body.get("batchSize", reads.FIRST_BATCH)
        single = bool(body.get("singleBatch")) or body.get("limit", 0) < 0
        return self.cursors.first_reply(
            namespace, documents, size, single=single, now_s=time.monotonic()
        )

    def aggregate(self, database: str, body: Document) -> bytes:
        namespace, documents = reads.aggregate(self.store, database, body)
        size = body["cursor"].get("batchSize", reads.FIRST_BATCH)
        return self.cursors.first_reply(
            namespace, documents, size, single=False, now_s=time.monotonic()
        )

    def get_more(self, database: str, body: Document) -> bytes:
        namespace = f"{database}.{body['collection']}"
        size = body.get("batchSize") or reads.BATCH_MAX
        return self.cursors.next_reply(body["getMore"], namespace, size, time.monotonic())

    def kill_cursors(self, _: str, body: Document) -> Reply:
        killed = [Int64(number) for number in body["cursors"] if self.cursors.kill(number)]
        unknown = [Int64(number) for number in body["cursors"] if number not in killed]
        nothing: list[int] = []
        return {
            "cursorsKilled": killed,
            "cursorsNotFound": unknown,
            "cursorsAlive": nothing,
            "cursorsUnknown": nothing,
            "ok": 1.0,
        }

    def create(self, database: str, body: Document) -> Reply:
        if self.store.find(database, body["create"]):
            raise DocumentsError(48, f"Collection {database}.{body['create']} already exists.")
        self.store.find_or_create(database, body["create"])
        return {"ok": 1.0}

    def drop(self, database: str, body: Document) -> Reply:
        namespace = f"{database}.{body['drop']}"
        self.cursors.close(namespace)
        return {"ns": namespace, "ok": 1.0} if self.store.drop(database, body["drop"]) else _OK

    def drop_database(self, database: str, _: Document) -> Reply:
        for owner, name in list(self.store.collections):
            if owner == database:
                self.cursors.close(f"{owner}.{name}")
                self.store.drop(owner, name)
        return {"dropped": database, "ok": 1.0}

    def list_collections(self, database: str, body: Document) -> Reply:
        matches = compile_filter(body.get("filter") or {}).matches
        names = [name for owner, name in sorted(self.store.collections) if owner == database]
        entries = [entry for entry in map(_collection_entry, names) if matches(entry)]
        if body.get("nameOnly"):
            entries = [{"name": entry["name"], "type": entry["type"]} for entry in entries]
        return _single_batch(f"{database}.$cmd.listCollections", entries)

    def list_databases(self, _: str, __: Document) -> Reply:
        names = sorted({database for database, _ in self.store.collections})
        return {"databases": [{"name": name, "empty": False} for name in names], "ok": 1.0}

    def create_indexes(self, database: str, body: Document) -> Reply:
        collection = self.store.find_or_create(database, body["createIndexes"])
        before = len(collection.indexes)
        for definition in body["indexes"]:
            index = _index(collection, definition)
            if index is not None:
                self.store.create_index(collection, index)
        after = len(collection.indexes)
        return {"numIndexesBefore": before, "numIndexesAfter": after, "ok": 1.0}

    def list_indexes(self, database: str, body: Document) -> Reply:
        collection = self._existing(database, body["listIndexes"])
        return _single_batch(
            collection.namespace, [index.as_document() for index in collection.indexes]
        )

    def drop_indexes(self, database: str, body: Document) -> Reply:
        collection = self._existing(database, body["dropIndexes"])
        before = len(collection.indexes)
        chosen = _indexes_to_drop(collection, body["index"])
        self.cursors.close(collection.namespace)
        for index in chosen:
            self.store.drop_index(collection, index)
        return {"nIndexesWas": before, "ok": 1.0}

    def _existing(self, database: str, name: str) -> Collection:
        collection = self.store.find(database, name)
        if collection is None:
            raise DocumentsError(26, f"ns does not exist: {database}.{name}")
        return collection


_OK = {"ok": 1.0}


def _collection_entry(name: str) -> Document:
    identity = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
    return {"name": name, "type": "collection", "options": {}, "info": {"readOnly": False}} | {
        "idIndex": identity
    }


def _unknown_option(name: str, options: set[str]) -> DocumentsError:
    for option in options - _TRANSACTIONS:
        return DocumentsError(40415, f"BSON field '{name}.{option}' is an unknown field.")
    return DocumentsError(20, "Transaction numbers are only allowed on a replica set member")


def _check_concerns(body: Document) -> None:
    width = (body.get("writeConcern") or {}).get("w", 1)
    if width not in (0, 1, "majority"):
        raise DocumentsError(2, "cannot use 'w' > 1 when a host is not replicated")
    level = (body.get("readConcern") or {}).get("level", "local")
    if level not in ("local", "available", "majority"):
        raise DocumentsError(72, f"readConcern level '{level}' needs a replica set")


def _check_writable(name: str, body: Document) -> None:
    if str(body[name]).startswith("system."):
        raise DocumentsError(73, f"cannot write to '{body.get('$db')}.{body[name]}'")


def _single_batch(namespace: str, entries: list[Document]) -> Reply:
    return {"cursor": {"id": Int64(0), "ns": namespace, "firstBatch": entries}, "ok": 1.0}


def _indexes_to_drop(collection: Collection, chosen: Any) -> list[Index]:
    """Return the indexes that "*", a name, a list of names or a key specification says."""
    if chosen == "*":
        return collection.indexes[1:]
    if isinstance(chosen, dict):
        matching = [index for index in collection.indexes if index.spec == tuple(chosen.items())]
    else:
        names = chosen if isinstance(chosen, list) else [chosen]
        matching = [index for index in collection.indexes if index.name in names]
        if len(matching) < len(set(names)):
            raise DocumentsError(27, f"index not found with name {chosen}")
    if not matching:
        raise DocumentsError(27, f"can't find index with key: {chosen}")
    if collection.indexes[0] in matching:
        raise DocumentsError(72, "cannot drop _id index")
    return matching


def _index(collection: Collection, definition: Document) -> Index | None:
    """The index to make, None if it is there already."""
    wanted = _parsed_index(max(index.id for index in collection.indexes) + 1, definition)
    for index in collection.indexes:
        if index.as_document() == wanted.as_document():
            return None
        if index.spec == wanted.spec:
            raise DocumentsError(85, f"an index with these keys exists already: {index.name}")
        if index.name == wanted.name:
            raise DocumentsError(86, f"an index with other keys has the name {index.name}")
    if len(collection.indexes) >= INDEXES_MAX:
        raise DocumentsError(67, f"a collection has at most {INDEXES_MAX} indexes")
    return wanted


def _parsed_index(number: int, definition: Document) -> Index:
    known = {"v", "key", "name", "unique", "sparse", "expireAfterSeconds", "background"}
    for option in definition.keys() - known:
        raise DocumentsError(67, f"index option '{option}' is not implemented")
    for path in definition["key"]:
        parse(path)
    sort_spec(definition["key"])
    if "expireAfterSeconds" in definition and len(definition["key"]) > 1:
        raise DocumentsError(67, "TTL indexes are single-field indexes")
    lifetime_s = definition.get("expireAfterSeconds", 0)
    if type(lifetime_s) not in NUMBERS or not 0 <= lifetime_s <= 2**31 - 1:
        raise DocumentsError(67, f"expireAfterSeconds is not 0 to 2147483647: {lifetime_s!r}")
    return Index.from_document(number, definition)


def _hello(_: Commands, __: str, body: Document) -> Reply:
    primary = "isWritablePrimary" if "hello" in body else "ismaster"
    return {
        "helloOk": True,
        primary: True,
        "maxBsonObjectSize": DOCUMENT_BYTES_MAX,
        "maxMessageSizeBytes": MESSAGE_BYTES_MAX,
        "maxWriteBatchSize": WRITE_BATCH_MAX,
        "logicalSessionTimeoutMinutes": 30,
        "minWireVersion": 0,
        "maxWireVersion": WIRE_VERSION,
        "readOnly": False,
        "ok": 1.0,
    }


def _build_info(_: Commands, __: str, ___: Document) -> Reply:
    numbers = [int(part) for part in VERSION.split(".")] + [0]
    return {"version": VERSION, "versionArray": numbers, "bits": 64, "ok": 1.0} | {
        "maxBsonObjectSize": DOCUMENT_BYTES_MAX
    }


def _acknowledge(_: Commands, __: str, ___: Document) -> Reply:
    return _OK


def _table() -> dict[str, Command]:
    commands: dict[str, Command] = {}

    def add(
        names: str, run: Callable[[Commands, str, Document], Reply], options: str, writing: bool
    ) -> None:
        for name in names.split():
            accepted = frozenset([name, *options.split()]) | EVERYWHERE
            commands[name] = Command(run, accepted, writing)

    for name in ("hello", "isMaster", "ismaster"):
        commands[name] = Command(_hello, frozenset(), False)
    add("ping endSessions", _acknowledge, "", False)
    add("buildInfo buildinfo", _build_info, "", False)
    add(
        "listCollections",
        Commands.list_collections,
        "filter nameOnly authorizedCollections cursor",
        False,
    )
    add("listDatabases", Commands.list_databases, "nameOnly", False)
    add("create", Commands.create, "", True)
    add("drop", Commands.drop, "", True)
    add("dropDatabase", Commands.drop_database, "", True)
    add("createIndexes", Commands.create_indexes, "indexes", True)
    add("dropIndexes", Commands.drop_indexes, "index", True)
    add("listIndexes", Commands.list_indexes, "cursor", False)
    on_find = "filter projection sort limit skip batchSize singleBatch allowDiskUse"
    add("find", Commands.find, on_find, False)
    add("aggregate", Commands.aggregate, "pipeline cursor allowDiskUse", False)
    add("getMore", Commands.get_more, "collection batchSize", False)
    add("killCursors", Commands.kill_cursors, "cursors", False)
    add("count", _on_store(reads.count), "query limit skip", False)
    add("distinct", _on_store(reads.distinct), "key query", False)
    add("insert", _on_store(writes.insert), "documents ordered", True)
    add("update", _on_store(writes.update), "updates ordered", True)
    add("delete", _on_store(writes.delete), "deletes ordered", True)
    on_modify = "query sort remove update new fields upsert"
    add("findAndModify findandmodify", _on_store(writes.find_and_modify), on_modify, True)
    return commands


def is_write(body: Document) -> bool:
    """Tell whether a command begins a transaction."""
    command = COMMANDS.get(next(iter(body), ""))
    return command is not None and command.writes


def is_durable(body: Document) -> bool:
    """Tell whether the answer says something that must outlive a power cut."""
    if is_write(body):
        return True
    concern = body.get("readConcern")
    return isinstance(concern, dict) and concern.get("level") == "majority"


def _on_store(
    run: Callable[[Store, str, Document], dict[str, Any]],
) -> Callable[[Commands, str, Document], Reply]:
    return lambda commands, database, body: run(commands.store, database, body)


COMMANDS = _table()
