"""The sorts and stages of `aggregate`, on streams of documents."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Any

from bson.int64 import Int64

from local.documents.errors import DocumentsError, refused
from local.documents.expressions import Expression, expression
from local.documents.filters import compile_filter
from local.documents.keys import MISSING, encode
from local.documents.paths import (
    FIELDS_MAX,
    SORT_KEYS_MAX,
    Document,
    Spec,
    bounded,
    parse,
    sort_key,
)
from local.documents.projections import project
from local.documents.updates import NUMBERS

Stream = Iterator[Document]
Accumulators = dict[str, tuple[Callable[[], "Accumulator"], Expression]]

# Stages of MongoDB that are not here; any other name is none of its either.
_OTHER_STAGES = frozenset(
    f"${name}"
    for name in (
        *("addFields", "bucket", "bucketAuto", "changeStream", "collStats", "currentOp"),
        *("densify", "documents", "facet", "fill", "geoNear", "graphLookup", "indexStats"),
        *("listSessions", "lookup", "merge", "out", "planCacheStats", "redact", "replaceRoot"),
        *("replaceWith", "sample", "search", "set", "setWindowFields", "sortByCount"),
        *("unionWith", "unset", "unwind"),
    )
)
SORT_BYTES_MAX = 100 * 1024 * 1024  # what MongoDB lets a sort hold without its disk
STAGES_MAX = 1_000  # MongoDB's own limit
SORTED_MAX = 100_000  # documents of a sort behind another stage
GROUPS_MAX = 100_000  # each holds its accumulators in memory


def sort_spec(sort: Document) -> Spec:
    """Return the paths with their directions; `$natural` is left to the caller that allows it."""
    bounded("the keys of a sort", sort, SORT_KEYS_MAX, code=13103)
    for path, direction in sort.items():
        parse(path)
        _check_direction(path, direction)
    return tuple((path, int(direction)) for path, direction in sort.items())


def _check_direction(path: str, direction: Any) -> None:
    if type(direction) not in NUMBERS or direction not in (1, -1):
        raise DocumentsError(15975, f"the sort direction of '{path}' must be 1 or -1")


def find_sort(sort: Document) -> Spec:
    """Return the sort of `find`, which alone may be by the order of insertion, $natural."""
    if "$natural" not in sort:
        return sort_spec(sort)
    if len(sort) > 1:
        raise DocumentsError(2, "Cannot include '$natural' in compound sort")
    _check_direction("$natural", sort["$natural"])
    return (("$natural", int(sort["$natural"])),)


def sort_stage(operand: Any) -> Spec:
    if not isinstance(operand, dict):
        raise DocumentsError(15973, "the $sort key specification must be an object")
    if not operand:
        raise DocumentsError(15976, "$sort stage must have at least one sort key")
    return sort_spec(operand)


def limit_stage(operand: Any) -> int:
    limit = _whole("$limit", 5107201, operand)
    if limit <= 0:
        raise DocumentsError(15958, "the limit must be positive")
    return limit


def match_stage(operand: Any) -> Document:
    if not isinstance(operand, dict):
        raise DocumentsError(15959, "the match filter must be an expression in an object")
    return operand


def _whole(stage: str, code: int, operand: Any) -> int:
    if type(operand) not in NUMBERS or not abs(operand) < 2**63:
        raise DocumentsError(code, f"invalid argument to {stage}: expected a number: {operand!r}")
    if operand != int(operand):
        raise DocumentsError(code, f"invalid argument to {stage}: expected an integer: {operand}")
    return int(operand)


def check_stages(stages: Any) -> list[Document]:
    """Return the stages as a list of their own; each is an object with one field."""
    if len(stages) > STAGES_MAX:
        raise DocumentsError(7749501, f"Pipeline length must be no longer than {STAGES_MAX} stages")
    for stage in stages:
        if not isinstance(stage, dict):
            raise DocumentsError(14, "each element of aggregate.pipeline must be an object")
        if len(stage) != 1:
            raise DocumentsError(
                40323, "A pipeline stage specification object must contain exactly one field."
            )
    return list(stages)


def in_order(documents: Iterable[Document], spec: Spec) -> Stream:
    keyed: list[tuple[bytes, Document]] = []
    for document in documents:
        if len(keyed) >= SORTED_MAX:
            raise DocumentsError(292, f"$sort of more than {SORTED_MAX} documents; make an index")
        keyed.append((sort_key(document, spec), document))
    return (document for _, document in sorted(keyed, key=itemgetter(0)))


def run(stream: Stream, stages: list[Document]) -> Stream:
    """Put the stages behind `stream`; a stage that is not implemented is refused by name."""
    for stage in stages:
        ((name, operand),) = stage.items()
        if name in _OTHER_STAGES:
            raise refused("pipeline stage", name)
        if name not in _STAGES:
            raise DocumentsError(40324, f"Unrecognized pipeline stage name: '{name}'")
        stream = _STAGES[name](stream, operand)
    return stream


def _match(stream: Stream, operand: Any) -> Stream:
    return filter(compile_filter(match_stage(operand)).matches, stream)


def _sort(stream: Stream, operand: Any) -> Stream:
    spec = sort_stage(operand)
    return in_order(stream, spec)


def _limit(stream: Stream, operand: Any) -> Stream:
    return itertools.islice(stream, limit_stage(operand))


def _skip(stream: Stream, operand: Any) -> Stream:
    skip = _whole("$skip", 5107200, operand)
    if skip < 0:
        raise DocumentsError(5107200, f"invalid argument to $skip: negative: {skip}")
    return itertools.islice(stream, skip, None)


def _project(stream: Stream, operand: Any) -> Stream:
    if not isinstance(operand, dict):
        raise DocumentsError(15969, "$project specification must be an object")
    if not operand:
        raise DocumentsError(51272, "$project must have at least one field")
    return map(project(operand), stream)


def _count(stream: Stream, operand: Any) -> Stream:
    if not isinstance(operand, str) or not operand:
        raise DocumentsError(40156, "the count field must be a non-empty string")
    if operand.startswith("$"):
        raise DocumentsError(40158, "the count field cannot be a $-prefixed path")
    if "." in operand:
        raise DocumentsError(40160, "the count field cannot contain '.'")
    if operand == "_id":
        raise DocumentsError(9039800, "the count field cannot be '_id'")
    return _counted(stream, operand)


def _counted(stream: Stream, name: str) -> Stream:
    total = sum(1 for _ in stream)
    if total:
        yield {name: total}


def _group(stream: Stream, operand: Any) -> Stream:
    if not isinstance(operand, dict):
        raise DocumentsError(15947, "a group's fields must be specified in an object")
    if "_id" not in operand:
        raise DocumentsError(15955, "a group specification must include an _id")
    bounded("the fields of a group", operand, FIELDS_MAX)
    identity = _group_identity(operand["_id"])
    specs = {name: spec for name, spec in operand.items() if name != "_id"}
    return _grouped(stream, identity, {n: _accumulator(n, spec) for n, spec in specs.items()})


def _grouped(stream: Stream, identity: Expression, accumulators: Accumulators) -> Stream:
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
        compute = expression(spec)
        return lambda document: _or_null(compute(document))
    for name in spec:
        if "." in name:
            raise DocumentsError(16412, f"FieldPath field names may not contain '.': '{name}'")
        parse(name)
    fields = {name: expression(value) for name, value in spec.items()}

    def identity(document: Document) -> Document:
        values = {name: compute(document) for name, compute in fields.items()}
        return {name: value for name, value in values.items() if value is not MISSING}

    return identity


def _or_null(value: Any) -> Any:
    return None if value is MISSING else value


class Accumulator:
    """The value of one field of one group so far."""

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
            # MongoDB goes on in floating point where 64 bits do not hold a sum.
            is_wide = isinstance(self.total, int) and not -(2**63) <= self.total < 2**63
            return float(self.total) if is_wide else self.total
        if self.name == "$avg":
            return self.total / self.count if self.count else None
        return _or_null(self.value)


_ACCUMULATORS = ("$sum", "$avg", "$min", "$max", "$first", "$last")


def _accumulator(field: str, spec: Any) -> tuple[Callable[[], Accumulator], Expression]:
    if "." in field:
        raise DocumentsError(40235, f"The field name '{field}' cannot contain '.'")
    if field.startswith("$"):
        raise DocumentsError(40236, f"The field name '{field}' cannot be an operator name")
    if not isinstance(spec, dict) or not spec:
        raise DocumentsError(40234, f"The field '{field}' must be an accumulator object")
    if len(spec) != 1:
        raise DocumentsError(40238, f"The field '{field}' must specify one accumulator")
    ((name, operand),) = spec.items()
    if name not in _ACCUMULATORS:
        raise refused("accumulator", name)
    return lambda: Accumulator(name), expression(operand)


_STAGES: dict[str, Callable[[Stream, Any], Stream]] = {
    "$match": _match,
    "$sort": _sort,
    "$limit": _limit,
    "$skip": _skip,
    "$project": _project,
    "$count": _count,
    "$group": _group,
}
