"""Random documents, filters, sorts and updates: the embedded server agrees with its oracles."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from tests.contract.documents.conftest import ORACLES

Document = dict[str, Any]
Pair = tuple[Collection[Document], Collection[Document]]

scalars = st.sampled_from([None, False, True, 0, 1, 2, 1.5, 2.0, "", "a", "b", "ab"])
numbers = st.sampled_from([0, 1, 1.5, 2.0, 3])
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2)
    ),
    max_leaves=4,
)
filled = (
    scalars | st.lists(scalars, min_size=1, max_size=3) | st.builds(lambda x: {"x": x}, scalars)
)
sortable = st.dictionaries(st.sampled_from(["a", "b"]), filled, max_size=2)
counts = numbers | st.lists(numbers, max_size=3)
documents = st.builds(
    lambda content, count: content | count,
    st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3),
    st.dictionaries(st.just("count"), counts, max_size=1),
)
paths = st.sampled_from(["a", "b", "a.x", "b.y", "a.0", "a.x.y", "a.1.x"])
conditions = (
    values
    | st.builds(
        lambda name, value: {name: value},
        st.sampled_from(["$eq", "$ne"]),
        scalars,
    )
    | st.builds(lambda items: {"$in": items}, st.lists(scalars, max_size=3))
    | st.builds(lambda items: {"$nin": items}, st.lists(scalars, max_size=3))
    | st.builds(lambda exists: {"$exists": exists}, st.booleans())
)
# Ranges only where all values are numbers: mongoeco compares values of different types.
ranges = st.dictionaries(
    st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), numbers, min_size=1, max_size=2
)
flat_filters = st.builds(
    lambda equal, range_: equal | range_,
    st.dictionaries(paths, conditions, min_size=1, max_size=2).filter(
        lambda filter_: (
            len({path[0] for path in filter_}) == len(filter_)
            # Null below an array: MongoDB 7 and 8 do as we do, mongoeco as MongoDB 9.
            and not any("." in path and "None" in str(value) for path, value in filter_.items())
        )
    ),
    st.dictionaries(st.just("count"), ranges, max_size=1),
)
filters = flat_filters | st.builds(
    lambda name, branches: {name: branches},
    st.sampled_from(["$and", "$or"]),
    st.lists(flat_filters, min_size=1, max_size=2),
)
orders = st.lists(
    st.tuples(st.sampled_from(["a", "b", "a.x"]), st.sampled_from([1, -1])),
    min_size=1,
    max_size=2,
    unique_by=lambda part: part[0],
)
changes = st.one_of(
    st.builds(
        lambda name, path, value: {name: {path: value}},
        st.sampled_from(["$set", "$push", "$pull", "$min", "$max"]),
        paths,
        scalars.filter(lambda value: value is not None),  # mongoeco does not set null at "a.0"
    ),
    st.builds(lambda path, amount: {"$inc": {path: amount}}, paths, st.sampled_from([1, 0.5])),
    st.builds(lambda path: {"$unset": {path: ""}}, paths),
    st.builds(lambda one, two: {"$set": one, "$inc": {"n": two}}, documents, st.integers(0, 9)),
)
often = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=ORACLES)
def pair(request: pytest.FixtureRequest, embedded: MongoClient[Document]) -> Iterator[Pair]:
    name = f"agreement_{uuid.uuid4().hex[:12]}"
    oracle = request.getfixturevalue(request.param)
    yield embedded[name].things, oracle[name].things
    for client in (embedded, oracle):
        client.drop_database(name)


def store(pair: Pair, contents: list[Document]) -> None:
    for collection in pair:
        collection.delete_many({})
        collection.insert_many([{"_id": n} | content for n, content in enumerate(contents)])


@often
@given(contents=st.lists(documents, min_size=1, max_size=12), filter_=filters)
def test_filters_find_the_same_documents(
    pair: Pair, contents: list[Document], filter_: Document
) -> None:
    store(pair, contents)

    ours, theirs = (sorted(one["_id"] for one in each.find(filter_)) for each in pair)

    assert ours == theirs


@often
@given(contents=st.lists(sortable, min_size=2, max_size=12), order=orders)
def test_sorts_give_the_same_order(
    pair: Pair, contents: list[Document], order: list[tuple[str, int]]
) -> None:
    store(pair, contents)

    ours, theirs = ([one["_id"] for one in each.find().sort([*order, ("_id", 1)])] for each in pair)

    assert ours == theirs


@often
@given(content=documents, filter_=flat_filters, change=changes)
def test_updates_and_upserts_leave_the_same_document(
    pair: Pair, content: Document, filter_: Document, change: Document
) -> None:
    store(pair, [content])

    ours, theirs = (outcome(each, filter_, change) for each in pair)

    assert ours == theirs


def outcome(collection: Collection[Document], filter_: Document, change: Document) -> Any:
    """Return the collection's contents after the update, or that it was refused."""
    try:
        collection.update_one(filter_, change, upsert=True)
    except PyMongoError:
        return "refused"
    contents = list(collection.find().sort("_id", 1))
    generated = [each.pop("_id") for each in contents][1:]
    return contents, len(generated)
