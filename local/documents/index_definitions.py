"""The definitions of indexes that clients send: those to make, and those to drop."""

from typing import Any

from local.documents.collection import Collection
from local.documents.errors import DocumentsError
from local.documents.options import NUMBERS, check, options
from local.documents.paths import SORT_KEYS_MAX, Document, bounded, parse
from local.documents.plan import Index

INDEXES_MAX = 64  # MongoDB's own limit
_INDEX = options(
    "key:object! name:string! v:whole unique:bool sparse:bool background:bool"
    " expireAfterSeconds:any partialFilterExpression:object"
)


def indexes_to_drop(collection: Collection, chosen: Any) -> list[Index]:
    """Return the indexes that "*", a name, a list of names or a key specification names."""
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


def new_index(collection: Collection, definition: Document) -> Index | None:
    """Return the index to make, None if it is there already."""
    requested = _parsed_index(max(index.id for index in collection.indexes) + 1, definition)
    for index in collection.indexes:
        if index.as_document() == requested.as_document():
            return None
        if index.spec == requested.spec:
            raise DocumentsError(85, f"an index with these keys exists already: {index.name}")
        if index.name == requested.name:
            raise DocumentsError(86, f"an index with other keys has the name {index.name}")
    if len(collection.indexes) >= INDEXES_MAX:
        raise DocumentsError(67, f"a collection has at most {INDEXES_MAX} indexes")
    return requested


def _parsed_index(number: int, definition: Document) -> Index:
    for option in definition.keys() - _INDEX.kinds.keys():
        raise DocumentsError(67, f"index option '{option}' is not implemented")
    check("createIndexes.indexes", definition, _INDEX)
    if not definition["key"]:
        raise DocumentsError(67, "Index keys cannot be an empty object.")
    if not definition["name"] or "\0" in definition["name"]:
        raise DocumentsError(67, "index names cannot be empty, nor hold a NUL")
    if definition["name"] == "*":
        raise DocumentsError(2, "The index name '*' is not valid.")
    if definition.get("v", 2) != 2:
        raise DocumentsError(67, f"Invalid index version v: {definition['v']}, only 2 is supported")
    _check_keys(definition["key"])
    _check_partial(definition)
    if "expireAfterSeconds" in definition and len(definition["key"]) > 1:
        raise DocumentsError(67, "TTL indexes are single-field indexes")
    lifetime_s = definition.get("expireAfterSeconds", 0)
    if type(lifetime_s) not in NUMBERS or not 0 <= lifetime_s <= 2**31 - 1:
        raise DocumentsError(67, f"expireAfterSeconds is not 0 to 2147483647: {lifetime_s!r}")
    return Index.from_document(number, definition)


def _check_keys(keys: Document) -> None:
    bounded("the keys of an index", keys, SORT_KEYS_MAX, code=13103)
    for path, direction in keys.items():
        parse(path, empty_code=67)
        if type(direction) not in NUMBERS or direction not in (1, -1):
            raise DocumentsError(67, f"index keys of the kind {direction!r} are not implemented")


def _check_partial(definition: Document) -> None:
    expression = definition.get("partialFilterExpression")
    if expression is None:
        return
    if definition.get("sparse"):
        raise DocumentsError(67, 'cannot mix "partialFilterExpression" and "sparse" options')
    if [*expression.values()] != [{"$exists": True}]:
        raise DocumentsError(67, f"partialFilterExpression {expression} is not implemented")
    for path in expression:
        parse(path)
