"""The commands that write, each inside the store's open transaction."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from local.documents.collection import Collection, Row, decode, encode_document
from local.documents.errors import MALFORMED, DocumentsError, malformed, refused
from local.documents.filters import compile_filter
from local.documents.options import Options, check, options
from local.documents.paths import Document, Spec
from local.documents.pipeline import find_sort
from local.documents.projections import project
from local.documents.reads import rows_of
from local.documents.store import Store
from local.documents.turns import turns
from local.documents.updates import NUMBERS, check_update, is_replacement, updated, upserted

Reply = dict[str, Any]
_UPDATE = options("q:object! u:any! multi:bool upsert:bool")
_DELETE = options("q:object! limit:any!")
_OF_COMMAND = (50, 14031)  # what fails the whole command: out of time, rolled back
# Fields of MongoDB's statements that are refused for what they are.
_OTHER_FIELDS = frozenset(["collation", "hint", "arrayFilters", "c", "sort"])


def insert(store: Store, database: str, body: Document) -> Reply:
    store.find_or_create(database, body["insert"])

    def apply(_: int, document: bytes | Document) -> int:
        raw = document if isinstance(document, bytes) else encode_document(document)
        store.find_or_create(database, body["insert"]).insert(raw)
        return 1

    return _each(body, "documents", apply)


def update(store: Store, database: str, body: Document) -> Reply:
    modified = 0
    upserts: list[Document] = []

    def apply(position: int, item: bytes | Document) -> int:
        nonlocal modified
        statement = _statement("update.updates", item, _UPDATE)
        matched, changed, identity = _update(store, database, body["update"], statement)
        modified += changed
        if identity is not None:
            upserts.append({"index": position, "_id": identity[0]})
            return 1
        return matched

    reply = _each(body, "updates", apply) | {"nModified": modified}
    return reply | ({"upserted": upserts} if upserts else {})


def delete(store: Store, database: str, body: Document) -> Reply:
    def apply(_: int, item: bytes | Document) -> int:
        collection = store.find(database, body["delete"])
        statement = _statement("delete.deletes", item, _DELETE)
        limit = statement["limit"]
        if type(limit) not in NUMBERS or limit not in (0, 1):
            raise DocumentsError(
                9, f"The limit field in delete objects must be 0 or 1. Got {limit}"
            )
        deleted = 0
        for row in _rows(collection, statement["q"], multi=not statement["limit"]):
            assert collection is not None
            collection.delete(row)
            deleted += 1
        return deleted

    return _each(body, "deletes", apply)


def find_and_modify(store: Store, database: str, body: Document) -> Reply:
    name, filter_ = body.get("findAndModify") or body["findandmodify"], body.get("query") or {}
    _check_modification(body)
    keep = project(body["fields"]) if body.get("fields") else None
    collection = store.find(database, name)
    row = _first(collection, filter_, find_sort(body.get("sort") or {}))
    before = decode(row.raw) if row else None
    after: Document | None = None
    outcome: Document = {"n": 1 if row else 0}
    if body.get("remove"):
        if row and collection:
            collection.delete(row)
    else:
        outcome["updatedExisting"] = row is not None
        if row and collection:
            after = collection.change(row, lambda old: updated(old, body["update"])) or before
        elif body.get("upsert"):
            collection = store.find_or_create(database, name)
            after = _insert_upserted(collection, filter_, body["update"])
            outcome |= {"n": 1, "upserted": after["_id"]}
        else:
            check_update(body["update"])
    value = after if body.get("new") else before
    if value is not None and keep is not None:
        value = keep(value)
    return {"lastErrorObject": outcome, "value": value, "ok": 1.0}


def _first(collection: Collection | None, filter_: Document, sort: Spec) -> Row | None:
    """Return the first row in the order of `sort`, as it is now."""
    while True:
        pauses = turns.pauses
        row = next(rows_of(collection, filter_, sort, keep=1), None)
        if row is None or not sort or pauses == turns.pauses:
            return row
        # Others wrote while all rows were read: this one may have changed since.
        current = collection.current(row) if collection else None
        if current and current.raw == row.raw:
            return current


def _check_modification(body: Document) -> None:
    removes, updates = bool(body.get("remove")), "update" in body
    if removes == updates:
        either = "Cannot specify both an" if removes else "Either an"
        both = "and remove=true" if removes else "or remove=true must be specified"
        raise DocumentsError(9, f"{either} update {both}")
    for option in ("new", "upsert"):
        if removes and body.get(option):
            raise DocumentsError(9, f"Cannot specify both {option}=true and remove=true")


def _each(body: Document, field: str, apply: Callable[[int, Any], int]) -> Reply:
    """Apply every statement, or up to the first that fails if they are ordered."""
    total = 0
    errors: list[Document] = []
    for position, item in enumerate(body[field]):
        if position:
            turns.check()
        try:
            total += _applied(apply, position, item)
        except DocumentsError as error:
            if error.code in _OF_COMMAND:
                raise
            shown = {"index": position, "code": error.code, "errmsg": error.message}
            errors.append(shown | error.details)
            if body.get("ordered", True):
                break
    return {"n": total, "ok": 1.0} | ({"writeErrors": errors} if errors else {})


def _applied(apply: Callable[[int, Any], int], position: int, item: Any) -> int:
    try:
        return apply(position, item)
    except MALFORMED as error:
        raise malformed(f"statement {position}", error) from error


def _statement(command: str, item: bytes | Document, allowed: Options) -> Document:
    statement = decode(item) if isinstance(item, bytes) else item
    for name in statement.keys() & _OTHER_FIELDS:
        raise refused("option", f"{command}.{name}")
    check(command, statement, allowed)
    return statement


def _update(
    store: Store, database: str, name: str, statement: Document
) -> tuple[int, int, list[Any] | None]:
    """Return how many matched and changed, and the `_id` of the upserted document, if any."""
    filter_, change, multi = statement["q"], statement["u"], bool(statement.get("multi"))
    if is_replacement(change) and multi:
        raise DocumentsError(9, "multi update is not supported for replacement-style update")
    collection = store.find(database, name)
    matched = changed = 0
    for row in _rows(collection, filter_, multi=multi):
        assert collection is not None
        matched += 1
        changed += collection.change(row, lambda old: updated(old, change)) is not None
    if matched:
        return matched, changed, None
    if not statement.get("upsert"):
        check_update(change)
        return 0, 0, None
    collection = store.find_or_create(database, name)
    return 0, 0, [_insert_upserted(collection, filter_, change)["_id"]]


def _insert_upserted(collection: Collection, filter_: Document, change: Document) -> Document:
    return collection.insert(encode_document(upserted(filter_, change)))


def _rows(collection: Collection | None, filter_: Document, *, multi: bool) -> Iterable[Row]:
    pauses = turns.pauses
    rows = rows_of(collection, filter_, ())
    if multi and collection is not None:
        return _current_rows(collection, filter_, [row.bare() for row in rows], pauses)
    first = next(rows, None)
    return [first] if first else []


def _current_rows(
    collection: Collection, filter_: Document, rows: list[Row], pauses: int
) -> Iterator[Row]:
    """Return each row as it is when its turn comes, unless it does not match any more by then."""
    compiled = compile_filter(filter_)
    for row in rows:
        collection.stand_back()
        current = row if pauses == turns.pauses else collection.current(row)
        if current and (current is row or compiled.matches(current.document)):
            yield current
