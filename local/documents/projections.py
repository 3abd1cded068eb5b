"""Projections of `find` and `$project`: fields that are included, excluded or computed."""

from collections.abc import Callable, Iterator
from typing import Any

from bson.decimal128 import Decimal128

from local.documents.errors import DocumentsError
from local.documents.expressions import expression
from local.documents.keys import MISSING
from local.documents.paths import FIELDS_MAX, Document, bounded, parse
from local.documents.updates import NUMBERS

Tree = dict[str, Any]  # a part of a path -> the Tree below it, True at its end, or an Expression


def project(projection: Document) -> Callable[[Document], Document]:
    """Return the function that makes of a document what `projection` leaves of it."""
    leaves = [(path, _plain(value)) for path, value in _leaves(projection, "")]
    bounded("the fields of a projection", dict(leaves), FIELDS_MAX)
    identity = next((value for path, value in leaves if path == "_id" and _is_flag(value)), None)
    others = [(path, value) for path, value in leaves if path != "_id" or not _is_flag(value)]
    excluding = _excludes(others) if others else identity is not None and not identity
    tree: Tree = {}
    for path, value in leaves:
        if not _is_flag(value):
            _grow(tree, parse(path), expression(value))
        elif bool(value) != excluding:
            _grow(tree, parse(path), True)
    if excluding:
        return lambda document: _excluded(document, tree)
    if identity is None:
        tree.setdefault("_id", True)
    return lambda document: _included(document, tree, document)


def _leaves(projection: Document, above: str) -> Iterator[tuple[str, Any]]:
    """Yield each path with its value; {a: {b: 1}} says the same as {"a.b": 1}."""
    for name, value in projection.items():
        path = above + name
        if not isinstance(value, dict) or next(iter(value), "").startswith("$"):
            yield path, value
        elif not value:
            raise DocumentsError(51270, f"An empty sub-projection is not valid, at path {path}")
        else:
            yield from _leaves(value, f"{path}.")


def _plain(value: Any) -> Any:
    """Return the value; a decimal includes or excludes as any number does."""
    return bool(value.to_decimal()) if isinstance(value, Decimal128) else value


def _is_flag(value: Any) -> bool:
    return type(value) is bool or type(value) in NUMBERS


def _excludes(leaves: list[tuple[str, Any]]) -> bool:
    """Tell an exclusion from an inclusion; the first field decides, a mixture is refused."""
    excluding = _is_flag(leaves[0][1]) and not leaves[0][1]
    for path, value in leaves:
        if excluding and not _is_flag(value):
            raise DocumentsError(31252, f"Cannot use an expression in an exclusion, at {path}")
        if excluding and value:
            raise DocumentsError(31253, f"Cannot do inclusion on field {path} in exclusion")
        if not excluding and _is_flag(value) and not value:
            raise DocumentsError(31254, f"Cannot do exclusion on field {path} in inclusion")
    return excluding


def _grow(tree: Tree, parts: list[str], leaf: Any) -> None:
    path = ".".join(parts)
    for depth, part in enumerate(parts[:-1]):
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            rest = ".".join(parts[depth + 1 :])
            raise DocumentsError(31249, f"Path collision at {path} remaining portion {rest}")
    if parts[-1] in tree:
        raise DocumentsError(31250, f"Path collision at {path}")
    tree[parts[-1]] = leaf


def _included(document: Document, tree: Tree, root: Document) -> Document:
    values = {
        name: value if tree[name] is True else _included_value(value, tree[name], root)
        for name, value in document.items()
        if tree.get(name) is True or isinstance(tree.get(name), dict)
    }
    for name, below in tree.items():
        if callable(below):
            values[name] = below(root)
        elif isinstance(below, dict) and name not in values and _computes(below):
            values[name] = _included({}, below, root)
    return {name: value for name, value in values.items() if value is not MISSING}


def _included_value(value: Any, tree: Tree, root: Document) -> Any:
    if isinstance(value, dict):
        return _included(value, tree, root)
    if isinstance(value, list):
        items = (_included_value(item, tree, root) for item in value)
        return [item for item in items if item is not MISSING]
    # A computed field below a plain value puts a document in its place.
    return _included({}, tree, root) if _computes(tree) else MISSING


def _computes(tree: Tree) -> bool:
    return any(
        _computes(below) if isinstance(below, dict) else callable(below) for below in tree.values()
    )


def _excluded(document: Document, tree: Tree) -> Document:
    rest = {}
    for name, value in document.items():
        below = tree.get(name)
        if below is not True:
            rest[name] = _excluded_value(value, below) if below else value
    return rest


def _excluded_value(value: Any, tree: Tree) -> Any:
    if isinstance(value, dict):
        return _excluded(value, tree)
    if isinstance(value, list):
        return [_excluded_value(item, tree) for item in value]
    return value
