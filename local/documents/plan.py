"""The choice of an index for a filter and a sort, and of the ranges of its keys to read."""

from dataclasses import dataclass

from local.documents.errors import DocumentsError
from local.documents.filters import Bounds, Filter
from local.documents.intervals import Interval, intersection
from local.documents.keys import AFTER, EMPTY_ARRAY, MISSING, NULL, descending, encode
from local.documents.paths import Document, Spec, elements, field_keys, values_at

RANGES_MAX = 1_000  # combinations of $in values looked up one by one before the filter takes over


@dataclass(slots=True)
class Index:
    id: int
    name: str
    spec: Spec
    unique: bool = False
    sparse: bool = False
    expire_after_s: float | None = None
    only_with: str = ""  # a partial index: of the documents that have this field
    multikey: bool = False  # some document has an array at one of the paths

    @classmethod
    def from_document(cls, number: int, definition: Document) -> "Index":
        """Return the index that `as_document` describes."""
        lifetime = definition.get("expireAfterSeconds")
        return cls(
            number,
            definition["name"],
            tuple((path, int(direction)) for path, direction in definition["key"].items()),
            unique=bool(definition.get("unique")),
            sparse=bool(definition.get("sparse")),
            # Earlier versions stored any lifetime; one that is no number never expires anything.
            expire_after_s=lifetime if isinstance(lifetime, int | float) else None,
            only_with=next(iter(definition.get("partialFilterExpression", {})), ""),
        )

    def keys(self, document: Document) -> list[bytes]:
        """Return the keys by which this index has the document; none if it leaves it out."""
        if self.sparse and not any(_has(document, path) for path, _ in self.spec):
            return []
        if self.only_with and not _has(document, self.only_with):
            return []
        keys = [b""]
        arrays = set()
        for path, direction in self.spec:
            parts = field_keys(document, path)
            if len(parts) > 1:
                arrays.add(path.partition(".")[0])
            if direction < 0:
                parts = [descending(part) for part in parts]
            keys = [key + part for key in keys for part in parts]
        if len(arrays) > 1:
            raise DocumentsError(171, f"cannot index parallel arrays {sorted(arrays)}")
        return keys

    def value(self, document: Document, key: bytes) -> Document:
        """Return the value at each path that has this key: of an array, the element."""
        value: Document = {}
        for path, direction in self.spec:
            candidates = values_at(document, path.split("."))
            for item in [*elements(candidates), *candidates]:
                encoded = EMPTY_ARRAY if item == [] else encode(item)
                encoded = descending(encoded) if direction < 0 else encoded
                if key.startswith(encoded):
                    value[path] = None if item is MISSING else item
                    key = key[len(encoded) :]
                    break
        return value

    def as_document(self) -> Document:
        # MongoDB does not say of the index on _id that it is unique.
        options = {"unique": self.unique and self.id > 0, "sparse": self.sparse}
        shown: Document = {name: True for name, value in options.items() if value}
        if self.expire_after_s is not None:
            shown["expireAfterSeconds"] = self.expire_after_s
        if self.only_with:
            shown["partialFilterExpression"] = {self.only_with: {"$exists": True}}
        return {"v": 2, "key": dict(self.spec), "name": self.name} | shown


@dataclass(frozen=True, slots=True)
class Plan:
    index: Index | None  # None reads the collection in the order of insertion
    ranges: list[tuple[bytes, bytes]]
    reverse: bool = False
    ordered: bool = False  # the rows come in the order of the sort
    exact: bool = False  # every row read matches the filter
    fit: tuple[int, int] = (0, 0)


def choose(indexes: list[Index], filter_: Filter, sort: Spec) -> Plan:
    """Return the index that does most: each equality, a range behind them and the order count.

    Of two that do as much, the one with more equalities.
    """
    best = Plan(None, [], ordered=not sort, exact=filter_.leaves == 0)
    for index in indexes:
        plan = _plan(index, filter_, sort)
        if plan is not None and plan.fit > best.fit:
            best = plan
    return best


def _plan(index: Index, filter_: Filter, sort: Spec) -> Plan | None:
    bounds = filter_.bounds
    prefixes, equal, fixed = [b""], 0, set()
    for path, direction in index.spec:
        points = [part for part in _bound(index, path, bounds) if part.is_point]
        if not points or len(points) * len(prefixes) > RANGES_MAX:
            break
        lows = [descending(part.low) if direction < 0 else part.low for part in points]
        prefixes = sorted({prefix + low for prefix in prefixes for low in lows})
        equal += 1
        if len(points) == 1:
            fixed.add(path)
    rest = index.spec[equal:]
    ranges = [(prefix, prefix + AFTER) for prefix in prefixes]
    narrowed = False
    for path, direction in rest[:1]:
        for interval in _bound(index, path, bounds):
            if not interval.is_point:
                low, high = (interval.flipped() if direction < 0 else interval).span()
                ranges = [(prefix + low, prefix + high) for prefix in prefixes]
                narrowed = True
    used = [path for path, _ in index.spec[: equal + narrowed]]
    if _may_lack(index, bounds, used):
        return None
    order_by = tuple(part for part in sort if part[0] not in fixed)
    order = 0 if len(prefixes) > 1 or index.multikey else _order(rest, order_by)
    # One document at most: no other index can be better.
    rank = RANGES_MAX if index.unique and not rest else equal
    exact = not index.multikey and _says_all(filter_, used)
    fit = (rank + narrowed + (order != 0 and bool(sort)), rank)
    return Plan(index, ranges, order < 0, order != 0, exact, fit)


def _bound(index: Index, path: str, bounds: Bounds) -> list[Interval]:
    """Return the bounds of one path: one range, or points, or nothing."""
    lists = bounds.get(path, [])
    if not lists:
        return []
    for intervals in lists:
        if all(part.is_point for part in intervals):
            return intervals
    if index.multikey:  # different elements may fulfil different conditions
        return lists[0]
    return [intersection([part for intervals in lists for part in intervals])]


def _says_all(filter_: Filter, paths: list[str]) -> bool:
    """Tell whether the bounds of these paths, as `_bound` takes them, are the whole filter."""
    lists = [filter_.bounds.get(path, []) for path in paths]
    points = any(len(bound) > 1 and _has_point(bound) for bound in lists)
    nulls = any(_has_null(intervals) for bound in lists for intervals in bound)
    return not points and not nulls and sum(map(len, lists)) == filter_.leaves


def _has_point(bound: list[list[Interval]]) -> bool:
    return any(part.is_point for intervals in bound for part in intervals)


def _has_null(intervals: list[Interval]) -> bool:
    """Tell whether the intervals have the key of null, which is that of a missing field, too."""
    return any(low <= NULL < high for low, high in (part.span() for part in intervals))


def _may_lack(index: Index, bounds: Bounds, used: list[str]) -> bool:
    """Tell whether a document can match the filter that the index leaves out."""
    if index.only_with and not _excludes_missing(index, bounds, [index.only_with]):
        return True
    return index.sparse and not _excludes_missing(index, bounds, used)


def _excludes_missing(index: Index, bounds: Bounds, paths: list[str]) -> bool:
    """Tell whether no document can match the filter that lacks all of the paths."""
    conditions = [_bound(index, path, bounds) for path in paths]
    return any(intervals and not _has_null(intervals) for intervals in conditions)


def _has(document: Document, path: str) -> bool:
    return any(value is not MISSING for value in values_at(document, path.split(".")))


def _order(rest: Spec, sort: Spec) -> int:
    """Return 1 if the index runs in this order, -1 if backwards, 0 if neither."""
    if rest[: len(sort)] == sort:
        return 1
    backwards = tuple((path, -direction) for path, direction in sort)
    return -1 if rest[: len(sort)] == backwards else 0
