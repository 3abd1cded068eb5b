"""Filters as pure functions on documents, with the bounds an index can use for them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from local.documents.errors import DocumentsError, refused
from local.documents.keys import AFTER, MISSING, NOT_A_NUMBER, NUMBER, descending, encode
from local.documents.paths import Document, elements, values_at

Predicate = Callable[[Document], bool]


class Interval(NamedTuple):
    """Encoded values from `low` to `high`; an end that is `after` lies behind its value."""

    low: bytes
    low_after: bool
    high: bytes
    high_after: bool

    def span(self) -> tuple[bytes, bytes]:
        low = self.low + AFTER if self.low_after else self.low
        return low, self.high + AFTER if self.high_after else self.high

    def flipped(self) -> "Interval":
        """Return the interval of the same values in a descending index."""
        return Interval(
            descending(self.high), not self.high_after, descending(self.low), not self.low_after
        )

    @property
    def is_point(self) -> bool:
        return self.low == self.high and self.high_after and not self.low_after


def hull(intervals: list[Interval]) -> Interval:
    """Return the smallest interval around all."""
    first = min(intervals, key=lambda part: part.span()[0])
    last = max(intervals, key=lambda part: part.span()[1])
    return Interval(first.low, first.low_after, last.high, last.high_after)


def intersection(intervals: list[Interval]) -> Interval:
    first = max(intervals, key=lambda part: part.span()[0])
    last = min(intervals, key=lambda part: part.span()[1])
    return Interval(first.low, first.low_after, last.high, last.high_after)


Bounds = dict[str, list[list[Interval]]]  # for each path: all of these lists hold


@dataclass(frozen=True, slots=True)
class Filter:
    matches: Predicate
    bounds: Bounds
    leaves: int  # conditions on paths; as many bounds as leaves say all that the filter says

    def identities(self) -> list[bytes] | None:
        """Return the encoded values that `_id` can have, None if the filter does not list them."""
        points = self.bounds.get("_id", [[]])[0]
        if not points or not all(part.is_point for part in points):
            return None
        return sorted({part.low for part in points}) if len(points) > 1 else [points[0].low]


def compile_filter(filter_: Document) -> Filter:
    """Parse a filter; an operator that is not implemented is refused by name."""
    predicates: list[Predicate] = []
    bounds: Bounds = {}
    leaves = 0
    for name, operand in filter_.items():
        if name in _LOGICAL:
            compiled = _LOGICAL[name](_branches(name, operand))
            predicates.append(compiled.matches)
            leaves += compiled.leaves
            for path, lists in compiled.bounds.items():
                bounds.setdefault(path, []).extend(lists)
        elif name.startswith("$"):
            raise refused("query operator", name)
        else:
            for predicate, intervals in _conditions(name, operand):
                predicates.append(predicate)
                leaves += 1
                if intervals:
                    bounds.setdefault(name, []).append(intervals)
    return Filter(_all(predicates), bounds, leaves)


def equalities(filter_: Document) -> Iterator[tuple[str, Any]]:
    """Yield the (path, value) pairs that a document must have: the seed of an upsert."""
    for name, operand in filter_.items():
        if name == "$and" or (name == "$or" and len(operand) == 1):
            for branch in operand:
                yield from equalities(branch)
        elif not name.startswith("$"):
            if not _is_operators(operand):
                yield name, operand
            elif "$eq" in operand:
                yield name, operand["$eq"]
            elif len(operand.get("$in", ())) == 1:
                yield name, operand["$in"][0]


def _branches(name: str, operand: Any) -> list[Filter]:
    if not isinstance(operand, list) or not operand:
        raise DocumentsError(2, f"{name} must be a nonempty array")
    if not all(isinstance(branch, dict) for branch in operand):
        raise DocumentsError(2, f"{name} argument's entries must be objects")
    return [compile_filter(branch) for branch in operand]


def _and(branches: list[Filter]) -> Filter:
    bounds: Bounds = {}
    for branch in branches:
        for path, lists in branch.bounds.items():
            bounds.setdefault(path, []).extend(lists)
    predicates = [branch.matches for branch in branches]
    return Filter(_all(predicates), bounds, sum(branch.leaves for branch in branches))


def _or(branches: list[Filter]) -> Filter:
    predicates = [branch.matches for branch in branches]
    hulls: Bounds = {}
    for path in set.intersection(*(set(branch.bounds) for branch in branches)):
        hulls[path] = [[hull([part for branch in branches for part in branch.bounds[path][0]])]]

    def matches(document: Document) -> bool:
        return any(test(document) for test in predicates)

    # One leaf more than bounds: a hull never says all that its alternatives say.
    return Filter(matches, hulls, len(hulls) + 1)


_LOGICAL: dict[str, Callable[[list[Filter]], Filter]] = {"$and": _and, "$or": _or}


def _all(predicates: list[Predicate]) -> Predicate:
    if len(predicates) == 1:
        return predicates[0]
    return lambda document: all(test(document) for test in predicates)


def _is_operators(operand: Any) -> bool:
    if not isinstance(operand, dict) or not operand:
        return False
    return str(next(iter(operand))).startswith("$")


def _conditions(path: str, operand: Any) -> Iterator[tuple[Predicate, list[Interval]]]:
    parts = path.split(".")
    operators = operand if _is_operators(operand) else {"$eq": operand}
    for name, value in operators.items():
        if name == "$exists":
            yield _exists(parts, bool(value)), []
        elif name in ("$ne", "$nin"):
            positive, _ = _condition(parts, "$eq" if name == "$ne" else "$in", value)
            yield _negated(positive), []
        else:
            yield _condition(parts, name, value)


def _exists(parts: list[str], exists: bool) -> Predicate:
    return lambda document: (
        exists == any(value is not MISSING for value in values_at(document, parts))
    )


def _negated(positive: Predicate) -> Predicate:
    return lambda document: not positive(document)


def _condition(parts: list[str], name: str, value: Any) -> tuple[Predicate, list[Interval]]:
    operands = value if name == "$in" else [value]
    if not isinstance(operands, list):
        raise DocumentsError(2, "$in needs an array")
    if name == "$in" and any(map(_is_operators, operands)):
        raise DocumentsError(2, "cannot nest $ under $in")
    test, intervals = _points(operands) if name in ("$eq", "$in") else _range(name, value)
    arrays = any(isinstance(operand, list) for operand in operands)

    def matches(document: Document) -> bool:
        values = values_at(document, parts)
        # Whole arrays can only equal an array: without one among the operands, elements do.
        candidates = elements(values) + (values if arrays else [])
        return any(test(encode(candidate)) for candidate in candidates)

    # An index holds an array's elements, not the array, so it cannot bound such a condition;
    # a condition that nothing fulfils ($in: []) is bounded by an interval that is empty.
    bounds = intervals or [Interval(b"", False, b"", False)]
    return matches, [] if arrays else bounds


def _points(operands: list[Any]) -> tuple[Callable[[bytes], bool], list[Interval]]:
    keys = {encode(operand) for operand in operands}
    return keys.__contains__, [Interval(key, False, key, True) for key in keys]


def _range(name: str, operand: Any) -> tuple[Callable[[bytes], bool], list[Interval]]:
    if name not in ("$gt", "$gte", "$lt", "$lte"):
        raise refused("query operator", name)
    key = encode(operand)
    if key == NOT_A_NUMBER:  # equals itself, and is neither less nor greater than anything
        return _points([operand] if name in ("$gte", "$lte") else [])
    bracket = key[:1]
    first = (NOT_A_NUMBER, True) if bracket[0] == NUMBER else (bracket, False)
    if name in ("$gt", "$gte"):
        interval = Interval(key, name == "$gt", bracket, True)
    else:
        interval = Interval(*first, key, name == "$lte")
    low, high = interval.span()
    return (lambda encoded: low <= encoded < high), [interval]
