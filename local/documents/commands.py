"""The table of commands with the options each accepts; everything else is refused by name."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bson.int64 import Int64

from local.documents import catalogue, reads, server_info, writes
from local.documents.collection import Collection
from local.documents.errors import MALFORMED, DocumentsError, malformed
from local.documents.filters import compile_filter
from local.documents.index_definitions import indexes_to_drop, new_index
from local.documents.options import Options, check, check_batch, check_longs, options
from local.documents.paths import Document
from local.documents.store import Store
from local.documents.turns import turns
from local.documents.updates import NUMBERS

Reply = dict[str, Any] | bytes


@dataclass(frozen=True, slots=True)
class Command:
    run: Callable[["Commands", str, Document], Reply]
    options: Options | None  # None: any, a driver announces in `hello` whatever it can do
    writes: bool


# Fields that drivers add to any command and that change nothing here: operations are short,
# a single server reads its own writes, every write is journalled before it is answered.
EVERYWHERE = (
    "$db:string $clusterTime:object $readPreference:object comment:any lsid:object"
    " maxTimeMS:count readConcern:object writeConcern:object"
)
_TRANSACTIONS = frozenset(["startTransaction", "txnNumber", "autocommit"])
_WRITE_CONCERN = options("w:any j:bool wtimeout:whole fsync:bool provenance:string")
_READ_CONCERN = options(
    "level:string afterClusterTime:any atClusterTime:any allowTransactionTableSnapshot:bool"
    " waitLastStableRecoveryTimestamp:bool provenance:string"
)
_CURSOR = options("batchSize:count")


_LONG = frozenset(
    [
        *("find", "aggregate", "getMore", "count", "distinct", "collStats", "dbStats"),
        *("collstats", "dbstats"),
        *("update", "delete", "findAndModify", "findandmodify"),
    ]
)
SHORT_INSERT = 100  # documents that are inserted without standing back


class Commands:
    """The commands on one store, and the cursors that they leave open."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cursors = reads.Cursors()

    def run(self, body: Document) -> Reply:
        """Return the answer to one command. Raises DocumentsError with MongoDB's code."""
        name = next(iter(body), "")
        command = COMMANDS.get(name)
        if command is None:
            raise DocumentsError(59, f"no such command: '{name}'")
        try:
            if command.options is not None:
                _check(name, body, command.options)
            limit_ms = _limit_ms(body) if "maxTimeMS" in body else 0
            turns.begin(limit_ms, writes=command.writes)
            if command.writes:
                _check_writable(name, body)
                self.store.begin()
            return command.run(self, body.get("$db", "admin"), body)
        except MALFORMED as error:
            raise malformed(name, error) from error

    def find(self, database: str, body: Document) -> bytes:
        namespace, documents = reads.find(self.store, database, body)
        size = body.get("batchSize", reads.FIRST_BATCH)
        single = bool(body.get("singleBatch"))
        return self.cursors.first_reply(
            namespace, documents, size, single=single, now_s=time.monotonic()
        )

    def aggregate(self, database: str, body: Document) -> bytes:
        if "cursor" not in body:
            raise DocumentsError(9, "The 'cursor' option is required for aggregate")
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
        check_longs("killCursors.cursors", body["cursors"])
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

    def rename_collection(self, _: str, body: Document) -> Reply:
        for namespace in catalogue.rename(self.store, body):
            self.cursors.close(namespace)
        return _OK

    def drop_database(self, database: str, body: Document) -> Reply:
        if type(body["dropDatabase"]) not in NUMBERS or body["dropDatabase"] != 1:
            raise DocumentsError(5255100, "have to pass 1 as db parameter")
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

    def list_databases(self, _: str, body: Document) -> Reply:
        names = sorted({database for database, _ in self.store.collections})
        entries: list[Document] = [{"name": name, "empty": False} for name in names]
        entries = list(filter(compile_filter(body.get("filter") or {}).matches, entries))
        if body.get("nameOnly"):
            entries = [{"name": entry["name"]} for entry in entries]
        return {"databases": entries, "ok": 1.0}

    def create_indexes(self, database: str, body: Document) -> Reply:
        if not body["indexes"]:
            raise DocumentsError(2, "Must specify at least one index to create")
        check_batch("createIndexes.indexes", body["indexes"])
        with self.store.all_or_nothing():
            collection = self.store.find_or_create(database, body["createIndexes"])
            before = len(collection.indexes)
            for definition in body["indexes"]:
                index = new_index(collection, definition)
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
        chosen = indexes_to_drop(collection, body["index"])
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


def _limit_ms(body: Document) -> int:
    limit_ms: int = body.get("maxTimeMS") or 0
    if limit_ms > 2**31 - 1:
        raise DocumentsError(2, f"{limit_ms} value for maxTimeMS is out of range")
    return limit_ms


def _collection_entry(name: str) -> Document:
    identity = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
    return {"name": name, "type": "collection", "options": {}, "info": {"readOnly": False}} | {
        "idIndex": identity
    }


def _check(name: str, body: Document, allowed: Options) -> None:
    if not _TRANSACTIONS.isdisjoint(body):
        raise DocumentsError(20, "Transaction numbers are only allowed on a replica set member")
    check(name, body, allowed)
    if "writeConcern" in body:
        _check_write_concern(body["writeConcern"])
    if "readConcern" in body:
        _check_read_concern(body["readConcern"])
    if "cursor" in body:
        check(f"{name}.cursor", body["cursor"], _CURSOR)


def _check_write_concern(concern: Document) -> None:
    check("WriteConcernOptions", concern, _WRITE_CONCERN)
    width = concern.get("w", 1)
    if type(width) not in (str, *NUMBERS):
        raise DocumentsError(9, "w has to be a number, string, or object")
    if width not in (0, 1, "majority"):
        raise DocumentsError(2, "cannot use 'w' > 1 when a host is not replicated")


def _check_read_concern(concern: Document) -> None:
    check("readConcern", concern, _READ_CONCERN)
    level = concern.get("level", "local")
    if level in ("snapshot", "linearizable") or concern.keys() - {"level", "provenance"}:
        raise DocumentsError(72, f"readConcern {concern} needs a replica set")
    if level not in ("local", "available", "majority"):
        raise DocumentsError(2, f"Enumeration value '{level}' for field 'readConcern.level'")


def _check_writable(name: str, body: Document) -> None:
    for field in ("documents", "updates", "deletes"):
        if field in body:
            check_batch(f"{name}.{field}", body[field])
    if str(body[name]).startswith("system."):
        raise DocumentsError(73, f"cannot write to '{body.get('$db')}.{body[name]}'")


def _single_batch(namespace: str, entries: list[Document]) -> Reply:
    return {"cursor": {"id": Int64(0), "ns": namespace, "firstBatch": entries}, "ok": 1.0}


def _table() -> dict[str, Command]:
    commands: dict[str, Command] = {}

    def add(
        names: str, run: Callable[[Commands, str, Document], Reply], fields: str, writing: bool
    ) -> None:
        for name in names.split():
            allowed = options(f"{name}:{fields} {EVERYWHERE}")
            commands[name] = Command(run, allowed, writing)

    for name in ("hello", "isMaster", "ismaster"):
        commands[name] = Command(_alone(server_info.hello), None, False)
    add("ping endSessions", _alone(server_info.acknowledge), "any", False)
    add("buildInfo buildinfo", _alone(server_info.build_info), "any", False)
    shown = "any showPrivileges:bool"
    add("connectionStatus", _alone(server_info.connection_status), shown, False)
    add("serverStatus", _alone(server_info.server_status), "any", False)
    on_list = "any filter:object nameOnly:bool"
    add(
        "listCollections",
        Commands.list_collections,
        f"{on_list} authorizedCollections:bool cursor:object",
        False,
    )
    add("listDatabases", Commands.list_databases, f"{on_list} authorizedDatabases:bool", False)
    add("collStats collstats", _on_store(catalogue.collection_stats), "name scale:whole", False)
    add("dbStats dbstats", _on_store(catalogue.database_stats), "any scale:whole", False)
    renaming = "string to:string! dropTarget:bool"
    add("renameCollection", Commands.rename_collection, renaming, True)
    add("create", Commands.create, "name", True)
    add("drop", Commands.drop, "name", True)
    add("dropDatabase", Commands.drop_database, "any", True)
    add("createIndexes", Commands.create_indexes, "name indexes:array!", True)
    add("dropIndexes", Commands.drop_indexes, "name index:keys!", True)
    add("listIndexes", Commands.list_indexes, "name cursor:object", False)
    on_find = "filter:object projection:object sort:object limit:count skip:count"
    on_find = f"name {on_find} batchSize:count singleBatch:flag allowDiskUse:flag"
    add("find", Commands.find, on_find, False)
    on_aggregate = "any pipeline:array! cursor:object allowDiskUse:flag"
    add("aggregate", Commands.aggregate, on_aggregate, False)
    add("getMore", Commands.get_more, "long collection:string! batchSize:count", False)
    add("killCursors", Commands.kill_cursors, "name cursors:array!", False)
    add("count", _on_store(reads.count), "name query:object limit:whole skip:count", False)
    add("distinct", _on_store(reads.distinct), "name key:string! query:object", False)
    add("insert", _on_store(writes.insert), "name documents:array! ordered:bool", True)
    add("update", _on_store(writes.update), "name updates:array! ordered:bool", True)
    add("delete", _on_store(writes.delete), "name deletes:array! ordered:bool", True)
    on_modify = "query:object sort:object remove:bool update:any new:bool fields:object"
    on_modify = f"name {on_modify} upsert:bool"
    add("findAndModify findandmodify", _on_store(writes.find_and_modify), on_modify, True)
    return commands


def is_write(body: Document) -> bool:
    """Tell whether a command begins a transaction."""
    command = COMMANDS.get(next(iter(body), ""))
    return command is not None and command.writes


def is_long(body: Document) -> bool:
    """Tell whether a command may read or write many documents, and so has to stand back."""
    name = next(iter(body), "")
    if name != "insert":
        return name in _LONG
    documents = body.get("documents")
    return isinstance(documents, list) and len(documents) > SHORT_INSERT


def is_durable(body: Document) -> bool:
    """Tell whether the answer says something that must outlive a power cut."""
    if is_write(body):
        return True
    concern = body.get("readConcern")
    return isinstance(concern, dict) and concern.get("level") == "majority"


def _alone(run: Callable[[Document], Document]) -> Callable[[Commands, str, Document], Reply]:
    return lambda _, __, body: run(body)


def _on_store(
    run: Callable[[Store, str, Document], dict[str, Any]],
) -> Callable[[Commands, str, Document], Reply]:
    return lambda commands, database, body: run(commands.store, database, body)


COMMANDS = _table()
