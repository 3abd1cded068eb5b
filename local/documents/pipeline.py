"""Projections and the stages of `aggregate`, on streams of documents."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bson.int64 import Int64

from local.documents.errors import DocumentsError, refused
from local.documents.filters import compile_filter
from local.documents.keys import MISSING, encode
from local.documents.paths import Document, Spec, parse, sort_key
from local.documents.updates import NUMBERS

Stream = Iterator[Document]
Expression = Callable[[Document], Any]
Tree = dict[str, Any]  # a part of a path -> the Tree below it, or {} at its end

SORT_BYTES_MAX = 100 * 1024 * 1024  # what MongoDB lets a sort hold without its disk
GROUPS_MAX = 100_000  # each holds its accumulators in memory


def sort_spec(sort: Document) -> Spec:
    for path, direction in sort.items():
        if isinstance(direction, dict) or direction not in (1, -1):
            raise DocumentsError(2, f"the sort direction of '{path}' must be 1 or -1")
    return tuple((path, int(direction)) for path, direction in sort.items())


def project(projection: Document) -> Callable[[Document], Document]:
    """A function that keeps, or leaves out, the fields of `projection`; plain fields only."""
    flags = {path: bool(value) for path, value in projection.items() if _is_flag(path, value)}
    with_id = flags.pop("_id", None)
    if len(set(flags.values())) > 1:
        raise DocumentsError(2, "a projection cannot mix inclusion and exclusion")
    including = any(flags.values()) or (with_id is True and not flags)
    tree: Tree = {}
    for path in [*flags, *(["_id"] if (with_id is not False) == including else [])]:
        _grow(tree, parse(path))
    return lambda document: _pruned(document, tree, including)


def _is_flag(path: str, value: Any) -> bool:
    if type(value) is not bool and type(value) not in NUMBERS:
        raise refused("projection of", f"{path}: {value!r}")
    return True


def _grow(tree: Tree, parts: list[str]) -> None:
    for part in parts[:-1]:
        tree = tree.setdefault(part, {})
    tree[parts[-1]] = {}


def _pruned(document: Document, tree: Tree, including: bool) -> Document:
    kept = {}
    for name, whole in document.items():
        below = tree.get(name)
        value = _pruned_value(whole, below, including) if below else whole
        named = below is not None
        if value is not MISSING and (named if including or below else not named):
            kept[name] = value
    return kept


def _pruned_value(value: Any, tree: Tree, including: bool) -> Any:
    if isinstance(value, dict):
        return _pruned(value, tree, including)
    if isinstance(value, list):
        items = (_pruned_value(item, tree, including) for item in value)
        return [item for item in items if item is not MISSING]
    return MISSING if including else value


def in_order(documents: Iterable[Document], spec: Spec) -> Stream:
    return iter(sorted(documents, key=lambda document: sort_key(document, spec)))


def run(stream: Stream, stages: list[Document]) -> Stream:
    """Put the stages behind `stream`; a stage that is not implemented is refused by name."""
    for stage in stages:
        if not isinstance(stage, dict) or len(stage) != 1:
            raise DocumentsError(9, "a pipeline stage must be an object with one field")
        ((name, operand),) = stage.items()
        if name not in _STAGES:
            raise DocumentsError(40324, f"Unrecognized pipeline stage name: '{name}'")
        stream = _STAGES[name](stream, operand)
    return stream


def _match(stream: Stream, operand: Any) -> Stream:
    return filter(compile_filter(operand).matches, stream)


def _sort(stream: Stream, operand: Any) -> Stream:
    return in_order(stream, sort_spec(operand))


def _limit(stream: Stream, operand: Any) -> Stream:
    if operand <= 0:
        raise DocumentsError(2, "the limit must be positive")
    return itertools.islice(stream, int(operand))


def _skip(stream: Stream, operand: Any) -> Stream:
    return itertools.islice(stream, int(operand), None)


def _project(stream: Stream, operand: Any) -> Stream:
    computed = {
        path: _expression(value) for path, value in operand.items() if isinstance(value, str)
    }
    flags = {path: value for path, value in operand.items() if path not in computed}
    if computed and not any(flags.values()):
        flags = {"_id": flags.get("_id", 1)}
    keep = project(flags)
    for document in stream:
        values = {path: compute(document) for path, compute in computed.items()}
        yield keep(document) | {path: v for path, v in values.items() if v is not MISSING}


def _count(stream: Stream, operand: Any) -> Stream:
    total = sum(1 for _ in stream)
    return iter([{operand: total}] if total else [])


def _group(stream: Stream, operand: Any) -> Stream:
    if "_id" not in operand:
        raise DocumentsError(2, "a group specification must include an _id")
    identity = _group_identity(operand["_id"])
    accumulators = {name: _accumulator(spec) for name, spec in operand.items() if name != "_id"}
    groups: dict[bytes, tuple[Any, dict[str, Accumulator]]] = {}
    for document in stream:
        value = identity(document)
        key = encode(value)
        if key not in groups:
            if len(groups) >= GROUPS_MAX:
                raise DocumentsError(292, f"$group makes more than {GROUPS_MAX} groups")
            groups[key] = (value, {name: make() for name, (make, _) in accumulators.items()})
        for name, (_, compute) in accumulators.items():
            groups[key][1][name].add(compute(document))
    for value, states in groups.values():
        yield {"_id": value} | {name: state.result() for name, state in states.items()}


def _group_identity(spec: Any) -> Expression:
    if not isinstance(spec, dict) or next(iter(spec), "").startswith("$"):
        compute = _expression(spec)
        return lambda document: _or_null(compute(document))
    fields = {name: _expression(value) for name, value in spec.items()}

    def identity(document: Document) -> Document:
        values = {name: compute(document) for name, compute in fields.items()}
        return {name: value for name, value in values.items() if value is not MISSING}

    return identity


def _or_null(value: Any) -> Any:
    return None if value is MISSING else value


def _expression(spec: Any) -> Expression:
    """A path ("$a.b") or a constant; everything else is refused."""
    if isinstance(spec, str) and spec.startswith("$"):
        parts = parse(spec[1:])
        return lambda document: _value_at(document, parts)
    if isinstance(spec, dict | list):
        raise refused("expression", next(iter(spec), "{}") if isinstance(spec, dict) else "[]")
    return lambda _: spec


def _value_at(value: Any, parts: list[str]) -> Any:
    for depth, part in enumerate(parts):
        if isinstance(value, list):
            found = [_value_at(item, parts[depth:]) for item in value if isinstance(item, dict)]
            return [item for item in found if item is not MISSING]
        value = value.get(part, MISSING) if isinstance(value, dict) else MISSING
    return value


class Accumulator:
    """What one field of one group has seen so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.total: Any = 0
        self.count = 0
        self.value: Any = MISSING

    def add(self, value: Any) -> None:
        if self.name in ("$sum", "$avg"):
            if type(value) in NUMBERS:
                wide = Int64 in (type(value), type(self.total))
                self.total += value
                self.count += 1
                if wide and isinstance(self.total, int):
                    self.total = Int64(self.total)
        elif self.name == "$last" or (self.name == "$first" and self.count == 0):
            self.value, self.count = value, 1
        elif self.name in ("$min", "$max") and value is not MISSING and value is not None:
            new = encode(value)
            old = encode(self.value)
            if self.value is MISSING or (new < old if self.name == "$min" else new > old):
                self.value = value

    def result(self) -> Any:
        if self.name == "$sum":
            return self.total
        if self.name == "$avg":
            return self.total / self.count if self.count else None
        return _or_null(self.value)


_ACCUMULATORS = ("$sum", "$avg", "$min", "$max", "$first", "$last")


def _accumulator(spec: Any) -> tuple[Callable[[], Accumulator], Expression]:
    if not isinstance(spec, dict) or len(spec) != 1:
        raise DocumentsError(2, "a field of $group must be one accumulator")
    ((name, operand),) = spec.items()
    if name not in _ACCUMULATORS:
        raise refused("accumulator", name)
    return lambda: Accumulator(name), _expression(operand)


_STAGES: dict[str, Callable[[Stream, Any], Stream]] = {
    "$match": _match,
    "$sort": _sort,
    "$limit": _limit,
    "$skip": _skip,
    "$project": _project,
    "$count": _count,
    "$group": _group,
}
