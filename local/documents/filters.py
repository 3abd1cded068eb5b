"""Filters as pure functions on documents, with the bounds an index can use for them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bson.regex import Regex

from local.documents import operators
from local.documents.errors import DocumentsError, refused
from local.documents.intervals import Interval, hull
from local.documents.keys import NOT_A_NUMBER, NUMBER, encode
from local.documents.operators import Predicate
from local.documents.paths import Document, elements, values_at
from local.documents.patterns import pattern
from local.documents.turns import turns

BRANCHES_MAX = 2_000  # of $and, $or and $nor in one filter, with those inside others
VALUES_MAX = 100_000  # of one $in or $nin


Bounds = dict[str, list[list[Interval]]]  # for each path: all of these lists hold


@dataclass(frozen=True, slots=True)
class Filter:
    matches: Predicate
    bounds: Bounds
    leaves: int  # conditions on paths; as many bounds as leaves say all that the filter says
    branches: int = 0  # of logical operators, with those inside others

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
    leaves = branches = 0
    for name, operand in filter_.items():
        if name in _LOGICAL:
            compiled = _LOGICAL[name](_branches(name, operand))
            predicates.append(compiled.matches)
            leaves += compiled.leaves
            branches += compiled.branches
            for path, lists in compiled.bounds.items():
                bounds.setdefault(path, []).extend(lists)
        elif name == "$comment":
            continue
        elif name.startswith("$"):
            raise operators.unknown(name, "top level operator")
        else:
            for predicate, intervals in _conditions(name, operand):
                predicates.append(predicate)
                leaves += 1
                if intervals:
                    bounds.setdefault(name, []).append(intervals)
    return Filter(_all(predicates), bounds, leaves, branches)


def equalities(filter_: Document) -> Iterator[tuple[str, Any]]:
    """Yield the (path, value) pairs that a document must have: the seed of an upsert."""
    for name, operand in filter_.items():
        if name == "$and" or (name == "$or" and len(operand) == 1):
            for branch in operand:
                yield from equalities(branch)
        elif not name.startswith("$"):
            yield from ((name, value) for value in _equal_to(operand) if _is_plain(value))


def _equal_to(operand: Any) -> list[Any]:
    if not _is_operators(operand):
        return [operand]
    if "$eq" in operand:
        return [operand["$eq"]]
    if len(operand.get("$in", ())) == 1:
        return list(operand["$in"])
    return list(operand.get("$all", ()))


def _is_plain(value: Any) -> bool:
    return not _is_operators(value) and not isinstance(value, Regex)


def _branches(name: str, operand: Any) -> list[Filter]:
    if not isinstance(operand, list) or not operand:
        raise DocumentsError(2, f"{name} must be a nonempty array")
    if not all(isinstance(branch, dict) for branch in operand):
        raise DocumentsError(2, f"{name} argument's entries must be objects")
    branches: list[Filter] = []
    total = _bounded_branches(len(operand))
    for branch in operand:
        turns.check()
        branches.append(compile_filter(branch))
        total = _bounded_branches(total + branches[-1].branches)
    return branches


def _bounded_branches(total: int) -> int:
    if total > BRANCHES_MAX:
        names = ", ".join(_LOGICAL)
        raise DocumentsError(2, f"a filter has more than {BRANCHES_MAX} branches of {names}")
    return total


def _total(branches: list[Filter]) -> int:
    return len(branches) + sum(branch.branches for branch in branches)


def _and(branches: list[Filter]) -> Filter:
    bounds: Bounds = {}
    for branch in branches:
        for path, lists in branch.bounds.items():
            bounds.setdefault(path, []).extend(lists)
    predicates = [branch.matches for branch in branches]
    leaves = sum(branch.leaves for branch in branches)
    return Filter(_all(predicates), bounds, leaves, _total(branches))


def _or(branches: list[Filter]) -> Filter:
    predicates = [branch.matches for branch in branches]
    hulls: Bounds = {}
    for path in set.intersection(*(set(branch.bounds) for branch in branches)):
        hulls[path] = [[hull([part for branch in branches for part in branch.bounds[path][0]])]]

    def matches(document: Document) -> bool:
        return any(test(document) for test in predicates)

    # One leaf more than bounds: a hull never says all that its alternatives say.
    return Filter(matches, hulls, len(hulls) + 1, _total(branches))


def _nor(branches: list[Filter]) -> Filter:
    return Filter(_negated(_or(branches).matches), {}, 1, _total(branches))


_LOGICAL: dict[str, Callable[[list[Filter]], Filter]] = {"$and": _and, "$or": _or, "$nor": _nor}


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
    if isinstance(operand, Regex):
        operand = {"$regex": operand}
    if not _is_operators(operand):
        yield _condition(parts, "$eq", operand)
        return
    conditions: Document = _with_options_of_patterns(operand)
    for name, value in conditions.items():
        if name in _PREDICATES:
            yield _PREDICATES[name](parts, value), []
        elif name == "$regex":
            yield _any_value(parts, pattern(value, conditions.get("$options"))), []
        elif name == "$all":
            yield from _all_of(parts, value)
        elif name not in _ASIDE:
            yield _condition(parts, name, value)


def _with_options_of_patterns(conditions: Document) -> Document:
    if "$options" in conditions and "$regex" not in conditions:
        raise DocumentsError(2, "$options needs a $regex")
    return conditions


def _any_value(parts: list[str], test: Callable[[Any], bool]) -> Predicate:
    return lambda document: any(map(test, elements(values_at(document, parts))))


def _all_of(parts: list[str], operand: Any) -> Iterator[tuple[Predicate, list[Interval]]]:
    if not isinstance(operand, list):
        raise DocumentsError(2, "$all needs an array")
    if not operand:
        yield _condition(parts, "$in", [])
    for value in _bounded("$all", operand, BRANCHES_MAX):
        if isinstance(value, dict) and "$elemMatch" in value:
            yield from _conditions(".".join(parts), value)
        elif _is_operators(value):
            raise DocumentsError(2, "no $ expressions in $all")
        else:
            yield from _conditions(".".join(parts), value)


def _bounded(name: str, operands: list[Any], maximum: int) -> list[Any]:
    if len(operands) > maximum:
        raise DocumentsError(2, f"{name} has {len(operands)} values, at most {maximum} are allowed")
    return operands


def _not(parts: list[str], operand: Any) -> Predicate:
    if not isinstance(operand, Regex) and not _is_operators(operand):
        raise DocumentsError(2, "$not needs a regex or a document with an operator")
    return _negated(compile_filter({".".join(parts): operand}).matches)


def _not_equal(parts: list[str], operand: Any) -> Predicate:
    if isinstance(operand, Regex):
        raise DocumentsError(2, "Can't have regex as arg to $ne.")
    return _negated(_condition(parts, "$eq", operand)[0])


def _element_match(parts: list[str], operand: Any) -> Predicate:
    if not isinstance(operand, dict):
        raise DocumentsError(2, "$elemMatch needs an Object")
    test = _test_of_values(operand) if _is_value_match(operand) else _test_of_documents(operand)
    return lambda document: any(
        isinstance(value, list) and any(map(test, value)) for value in values_at(document, parts)
    )


def _is_value_match(operand: Document) -> bool:
    return _is_operators(operand) and next(iter(operand)) not in _LOGICAL


def _test_of_documents(operand: Document) -> Callable[[Any], bool]:
    matches = compile_filter(operand).matches
    return lambda item: (
        matches({str(n): value for n, value in enumerate(item)} if isinstance(item, list) else item)
        if isinstance(item, dict | list)
        else False
    )


def _test_of_values(operand: Document) -> Callable[[Any], bool]:
    for name, value in operand.items():
        values = value if name in ("$in", "$nin") and isinstance(value, list) else [value]
        if name not in _ON_ELEMENTS or any(isinstance(each, list) for each in values):
            raise refused("in $elemMatch,", f"{name} with {value!r}"[:200])
    matches = compile_filter({"item": operand}).matches
    return lambda item: matches({"item": [item]})  # an element that is an array is one value


def _negated(positive: Predicate) -> Predicate:
    return lambda document: not positive(document)


def _condition(parts: list[str], name: str, value: Any) -> tuple[Predicate, list[Interval]]:
    if name == "$in":
        kinds = _kinds_in(value)
        if Regex in kinds:
            return _in_with_patterns(parts, value), []
        arrays = list in kinds
        test, intervals = _points(value)
    else:
        arrays = isinstance(value, list)
        test, intervals = _points([value]) if name == "$eq" else _range(name, value)

    def matches(document: Document) -> bool:
        values = values_at(document, parts)
        # Whole arrays can only equal an array: without one among the operands, elements do.
        candidates = elements(values) + (values if arrays else [])
        return any(test(encode(candidate)) for candidate in candidates)

    # An index holds an array's elements, not the array, so it cannot bound such a condition;
    # a condition that nothing fulfils ($in: []) is bounded by an interval that is empty.
    bounds = intervals or [Interval(b"", False, b"", False)]
    return matches, [] if arrays else bounds


def _kinds_in(operands: Any) -> set[type]:
    """Return the types among the values of a $in, which has no operators: one look for all."""
    if not isinstance(operands, list):
        raise DocumentsError(2, "$in needs an array")
    kinds = set(map(type, _bounded("$in", operands, VALUES_MAX)))
    if dict in kinds and any(map(_is_operators, operands)):
        raise DocumentsError(2, "cannot nest $ under $in")
    return kinds


def _in_with_patterns(parts: list[str], operands: list[Any]) -> Predicate:
    patterns = [pattern(operand) for operand in operands if isinstance(operand, Regex)]
    plain = [operand for operand in operands if not isinstance(operand, Regex)]
    tests = [_any_value(parts, test) for test in _bounded("$in", patterns, BRANCHES_MAX)]
    tests.append(_condition(parts, "$in", plain)[0])
    return lambda document: any(test(document) for test in tests)


def _points(operands: list[Any]) -> tuple[Callable[[bytes], bool], list[Interval]]:
    keys = {encode(operand) for operand in operands}
    return keys.__contains__, [Interval(key, False, key, True) for key in keys]


def _range(name: str, operand: Any) -> tuple[Callable[[bytes], bool], list[Interval]]:
    if name not in ("$gt", "$gte", "$lt", "$lte"):
        raise operators.unknown(name, "operator")
    if isinstance(operand, Regex):
        raise DocumentsError(2, f"Can't have RegEx as arg to predicate over field: {name}")
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


_ASIDE = ("$options", "$comment")
_ON_ELEMENTS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$regex", "$options")
_PREDICATES: dict[str, Callable[[list[str], Any], Predicate]] = {
    "$exists": operators.exists,
    "$size": operators.size,
    "$type": operators.type_of,
    "$mod": operators.modulo,
    "$not": _not,
    "$ne": _not_equal,
    "$nin": lambda parts, operand: _negated(_condition(parts, "$in", operand)[0]),
    "$elemMatch": _element_match,
}
