"""Dotted paths into documents: reading through arrays as MongoDB does, setting, removing."""

from collections.abc import Iterable, Sequence
from typing import Any

from bson.dbref import DBRef

from local.documents.errors import DocumentsError, refused
from local.documents.keys import EMPTY_ARRAY, MISSING, descending, encode

Document = dict[str, Any]
Direction = int  # 1 ascending, -1 descending
Spec = tuple[tuple[str, Direction], ...]

FIELDS_MAX = 5_000  # that one projection, group or update names
SORT_KEYS_MAX = 32  # of a sort or an index, MongoDB's own limit
PADDING_MAX = 1_500_000  # elements that setting "a.N" may add to an array; MongoDB's own bound


def values_at(document: Document, parts: Sequence[str]) -> list[Any]:
    """Return every value at the path, MISSING where a document has no such field."""
    value = document.get(parts[0], MISSING)
    if len(parts) == 1:
        return [value]
    return _values_under(value, parts[1:])


def _values_under(value: Any, parts: Sequence[str]) -> list[Any]:
    if isinstance(value, dict):
        return values_at(value, parts)
    if not isinstance(value, list):
        return values_at(dict(value.as_doc()), parts) if isinstance(value, DBRef) else [MISSING]
    values: list[Any] = []
    for item in value:
        if isinstance(item, dict | DBRef):
            values += _values_under(item, parts)
    if parts[0].isdigit() and int(parts[0]) < len(value):
        item = value[int(parts[0])]
        values += [item] if len(parts) == 1 else _values_under(item, parts[1:])
    return values


def elements(values: Iterable[Any]) -> list[Any]:
    """Return the values with each array replaced by its elements."""
    flat: list[Any] = []
    for value in values:
        if isinstance(value, list):
            flat += value
        else:
            flat.append(value)
    return flat


def field_keys(document: Document, path: str) -> list[bytes]:
    """Return the encoded values by which an index of `path` has the document; never empty."""
    value = document.get(path, MISSING) if "." not in path else None
    if value is not None and not isinstance(value, list):
        return [encode(value)]
    values = values_at(document, path.split(".")) or [MISSING]
    keys = {encode(item) for item in elements(values)}
    return [*keys, EMPTY_ARRAY] if [] in values else list(keys)


def sort_key(document: Document, spec: Spec) -> bytes:
    """Return a key that sorts by `spec`; an array counts as its smallest or largest element."""
    return b"".join(
        min(field_keys(document, path))
        if direction > 0
        else descending(max(field_keys(document, path)))
        for path, direction in spec
    )


def set_at(document: Document, parts: Sequence[str], value: Any) -> None:
    """Set the value at the path, making the documents on the way that are missing."""
    node: Any = document
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(node, list):
            _pad(node, part)
            key: Any = int(part)
            child = node[key]
        elif isinstance(node, dict):
            key = part
            child = node.get(key, MISSING)
        else:
            raise DocumentsError(28, f"Cannot create field '{part}' in element of {parts}")
        if last:
            node[key] = value
        elif child is MISSING or (child is None and isinstance(node, list)):
            node[key] = child = {}
        node = child


def _pad(array: list[Any], part: str) -> None:
    if not part.isdigit() or int(part) > len(array) + PADDING_MAX:
        raise DocumentsError(28, f"Cannot create field '{part}' in an array")
    array.extend([None] * (int(part) + 1 - len(array)))


def get_at(document: Document, parts: Sequence[str]) -> Any:
    """Return the single value that `set_at` would replace, MISSING if there is none."""
    node: Any = document
    for part in parts:
        if isinstance(node, list):
            node = node[int(part)] if part.isdigit() and int(part) < len(node) else MISSING
        else:
            node = node.get(part, MISSING) if isinstance(node, dict) else MISSING
    return node


def unset_at(document: Document, parts: Sequence[str]) -> None:
    parent = get_at(document, parts[:-1])
    if isinstance(parent, dict):
        parent.pop(parts[-1], None)
    elif get_at(document, parts) is not MISSING:
        parent[int(parts[-1])] = None


def bounded(what: str, fields: Document, maximum: int, code: int = 2) -> None:
    """Refuse more than `maximum` fields."""
    if len(fields) > maximum:
        raise DocumentsError(code, f"{what}: {len(fields)} fields, at most {maximum} are allowed")


def parse(path: str, empty_code: int = 2) -> list[str]:
    """Return the parts of a path in a command; positional operators are refused."""
    parts = path.split(".")
    for part in parts:
        if part.startswith("$"):
            raise refused("path element", part)
        if not part:
            raise DocumentsError(empty_code, f"the path '{path}' has an empty element")
    return parts
