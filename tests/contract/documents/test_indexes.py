"""Unique, compound, sparse and TTL indexes, and that they never change what a filter finds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import DESCENDING, MongoClient, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure

from local.documents.filters import compile_filter
from local.documents.paths import Spec
from local.documents.plan import Index, choose
from local.documents.store import Store
from notifications.store import INDEXES
from tests.contract.documents.conftest import Documents

Document = dict[str, Any]
NEWEST = Index(1, "newest", (("tenant", 1), ("created", -1), ("_id", -1)))
IDENTITY = Index(0, "_id_", (("_id", 1),), unique=True)


def test_a_unique_index_refuses_the_second_and_names_its_keys(database: Documents) -> None:
    database.things.create_index([("tenant", 1), ("ref", -1)], unique=True)
    database.things.insert_one({"_id": 1, "tenant": "a", "ref": 7})

    with pytest.raises(DuplicateKeyError) as refusal:
        database.things.insert_one({"_id": 2, "tenant": "a", "ref": 7})
    same = {"$set": {"tenant": "a", "ref": 7}}
    with pytest.raises(BulkWriteError):
        database.things.bulk_write([UpdateOne({"_id": 3}, same, upsert=True)])
    database.things.insert_one({"_id": 4, "tenant": "a", "ref": 8})

    details = refusal.value.details or {}
    assert details["keyPattern"] == {"tenant": 1, "ref": -1}
    assert details["keyValue"] == {"tenant": "a", "ref": 7}
    assert [each["_id"] for each in database.things.find().sort("_id", 1)] == [1, 4]


def test_a_document_may_keep_its_own_unique_value(database: Documents) -> None:
    database.things.create_index("ref", unique=True)
    database.things.insert_many([{"_id": 1, "ref": 1}, {"_id": 2, "ref": 2}])

    unchanged = database.things.update_one({"_id": 1}, {"$set": {"n": 1, "ref": 1}})
    with pytest.raises(DuplicateKeyError):
        database.things.update_one({"_id": 1}, {"$set": {"ref": 2}})
    database.things.delete_one({"_id": 2})
    freed = database.things.update_one({"_id": 1}, {"$set": {"ref": 2}})

    assert (unchanged.modified_count, freed.modified_count) == (1, 1)


def test_only_a_sparse_unique_index_lets_many_lack_the_field(database: Documents) -> None:
    database.loose.create_index("ref", unique=True, sparse=True)
    database.strict.create_index("ref", unique=True)

    database.loose.insert_many([{"_id": 1}, {"_id": 2}, {"_id": 3, "ref": 1}])
    database.strict.insert_one({"_id": 1})

    with pytest.raises(DuplicateKeyError):
        database.loose.insert_one({"_id": 4, "ref": 1})
    with pytest.raises(DuplicateKeyError):
        database.strict.insert_one({"_id": 2})
    assert database.loose.count_documents({"ref": None}) == 2
    assert next(database.loose.find().sort("ref", -1))["_id"] == 3
    assert len(list(database.loose.find().sort("ref", 1))) == 3


def test_a_unique_index_is_not_made_over_duplicates(database: Documents) -> None:
    database.things.insert_many([{"ref": 1}, {"ref": 1}])

    with pytest.raises(DuplicateKeyError):
        database.things.create_index("ref", unique=True)

    assert list(database.things.index_information()) == ["_id_"]
    database.things.create_index("ref")


def test_indexes_are_listed_made_once_and_dropped(database: Documents) -> None:
    things = database.things
    assert things.create_index([("a", 1), ("b", DESCENDING)], name="both") == "both"
    assert things.create_index([("a", 1), ("b", DESCENDING)], name="both") == "both"
    things.create_index("at", expireAfterSeconds=60)

    listed = things.index_information()
    things.drop_index("both")

    assert listed["both"]["key"] == [("a", 1), ("b", -1)]
    assert listed["at_1"]["expireAfterSeconds"] == 60
    assert sorted(things.index_information()) == ["_id_", "at_1"]
    with pytest.raises(OperationFailure) as other_options:
        things.create_index("at", expireAfterSeconds=61)
    assert other_options.value.code == 85
    with pytest.raises(OperationFailure) as other_keys:
        things.create_index("b", name="at_1")
    assert other_keys.value.code == 86
    with pytest.raises(OperationFailure) as unknown:
        things.drop_index("both")
    assert unknown.value.code == 27


def test_collections_and_databases_are_listed_and_dropped(database: Documents) -> None:
    database.one.insert_one({"_id": 1})
    database.two.create_index("a")
    database.create_collection("three")

    assert sorted(database.list_collection_names()) == ["one", "three", "two"]
    assert database.name in database.client.list_database_names()
    with pytest.raises(OperationFailure):
        database.command("create", "three")
    database.one.drop()
    database.one.drop()
    assert sorted(database.list_collection_names()) == ["three", "two"]
    database.client.drop_database(database.name)
    assert database.list_collection_names() == []
    assert database.one.find_one() is None


def test_a_page_behind_a_position_goes_on_where_the_last_ended(database: Documents) -> None:
    database.things.create_index([("tenant", 1), ("created", -1), ("_id", -1)])
    database.things.insert_many(
        [{"_id": n, "tenant": f"t{n % 2}", "created": n // 10} for n in range(300)]
    )
    expected = [n for n in range(299, -1, -1) if n % 2]

    pages: list[int] = []
    while True:
        query: Document = {"tenant": "t1"}
        if pages:
            created = pages[-1] // 10
            query["created"] = {"$lte": created}
            query["$or"] = [{"created": {"$lt": created}}, {"_id": {"$lt": pages[-1]}}]
        newest = database.things.find(query).sort([("created", -1), ("_id", -1)]).limit(7)
        page = [each["_id"] for each in newest]
        pages += page
        if not page:
            break

    assert pages == expected


PLANS: list[tuple[Document, Spec, str | None, bool]] = [
    ({"_id": 1, "tenant": "a"}, (), "_id_", True),
    ({"tenant": "a"}, (("created", -1), ("_id", -1)), "newest", True),
    ({"tenant": "a"}, (("created", 1), ("_id", 1)), "newest", True),
    ({"tenant": "a"}, (("created", 1), ("_id", -1)), "newest", False),
    ({"tenant": "a", "created": {"$gte": 5}}, (("created", -1),), "newest", True),
    ({"tenant": {"$in": ["a", "b"]}}, (("created", -1),), "newest", False),
    ({"created": 5}, (), None, True),
    ({"tenant": {"$ne": "a"}}, (), None, True),
    ({"n": 1}, (("_id", -1),), "_id_", True),
]


@pytest.mark.parametrize(("filter_", "sort", "name", "ordered"), PLANS, ids=str)
def test_the_planner_takes_the_index_that_fits_best(
    filter_: Document, sort: Spec, name: str | None, ordered: bool
) -> None:
    plan = choose([IDENTITY, NEWEST], compile_filter(filter_), sort)

    assert (plan.index.name if plan.index else None) == name
    assert plan.ordered == ordered


def test_a_keyset_range_bounds_what_is_read() -> None:
    whole = choose([IDENTITY, NEWEST], compile_filter({"tenant": "a"}), (("created", -1),))
    behind = {"tenant": "a", "$or": [{"created": {"$lt": 5}}, {"created": 5, "_id": {"$lt": 9}}]}
    rest = choose([IDENTITY, NEWEST], compile_filter(behind), (("created", -1), ("_id", -1)))

    ((whole_low, whole_high),) = whole.ranges
    ((rest_low, rest_high),) = rest.ranges
    newer = NEWEST.keys({"_id": 1, "tenant": "a", "created": 6})[0]
    older = NEWEST.keys({"_id": 1, "tenant": "a", "created": 4})[0]

    assert whole_low < rest_low < rest_high <= whole_high
    assert whole_low <= newer < rest_low <= older < rest_high


scalars = st.sampled_from([None, 0, 1, 2, 2.5, float("nan"), "a", "b"])
values = scalars | st.lists(scalars, max_size=2) | st.builds(lambda x: {"x": x}, scalars)
documents = st.dictionaries(st.sampled_from(["a", "b"]), values, max_size=2)
comparisons = st.dictionaries(
    st.sampled_from(["$gt", "$gte", "$lt", "$lte", "$eq", "$ne"]), scalars, min_size=1, max_size=2
)
conditions = values | comparisons | st.builds(lambda items: {"$in": items}, st.lists(scalars))
flat = st.dictionaries(st.sampled_from(["a", "b", "a.x"]), conditions, max_size=2)
filters = flat | st.builds(
    lambda one, branches: one | {"$or": branches}, flat, st.lists(flat, min_size=1, max_size=2)
)
directions = st.sampled_from([1, -1])
specs = st.lists(
    st.tuples(st.sampled_from(["a", "b", "a.x"]), directions),
    min_size=1,
    max_size=2,
    unique_by=lambda part: part[0],
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    contents=st.lists(documents, max_size=8),
    filter_=filters,
    order=specs,
    spec=specs.filter(lambda spec: {"a", "b"} - {path for path, _ in spec}),
    options=st.sampled_from(
        [
            {"sparse": False},
            {"sparse": True},
            {"partialFilterExpression": {"a": {"$exists": True}}},
            {"partialFilterExpression": {"a.x": {"$exists": True}}},
        ]
    ),
)
def test_an_index_never_changes_what_is_found_or_its_order(
    embedded: MongoClient[Document],
    contents: list[Document],
    filter_: Document,
    order: list[tuple[str, int]],
    spec: list[tuple[str, int]],
    options: Document,
) -> None:
    database = embedded.index_or_not
    database.plain.drop()
    database.indexed.drop()
    database.indexed.create_index(spec, **options)
    if contents:
        database.plain.insert_many([{"_id": n} | each for n, each in enumerate(contents)])
        database.indexed.insert_many([{"_id": n} | each for n, each in enumerate(contents)])

    indexed, plain = (
        sorted(each["_id"] for each in collection.find(filter_))
        for collection in (database.indexed, database.plain)
    )
    in_order, expected_order = (
        [each["_id"] for each in collection.find(filter_).sort([*order, ("_id", 1)])]
        for collection in (database.indexed, database.plain)
    )

    assert indexed == plain
    assert in_order == expected_order


def test_a_partial_index_is_unique_among_the_documents_it_has(database: Documents) -> None:
    partial = {"log": {"$exists": True}}
    database.things.create_index("n", unique=True, partialFilterExpression=partial)
    database.things.insert_many([{"_id": 1, "n": 1}, {"_id": 2, "n": 1}, {"n": 1, "log": "x"}])

    with pytest.raises(DuplicateKeyError):
        database.things.insert_one({"n": 1, "log": None})
    assert database.things.count_documents({"n": 1}) == 3
    assert database.things.count_documents({"n": 1, "log": {"$gt": ""}}) == 1
    assert database.things.index_information()["n_1"]["partialFilterExpression"] == partial


@pytest.mark.parametrize(
    ("filters", "name"),
    [
        ({}, "deliveries"),
        ({"status": "failed"}, "deliveries_by_status"),
        ({"rendered.template": "payment_failed"}, "deliveries_by_type"),
        ({"payment_id": "pay_1"}, "deliveries_by_payment"),
    ],
    ids=str,
)
def test_each_filter_of_an_endpoints_deliveries_reads_an_index_in_order(
    filters: Document, name: str
) -> None:
    indexes = [
        Index.from_document(number, model.document) for number, model in enumerate(INDEXES, 1)
    ]
    log: Document = {"log": {"$gt": "we_1/", "$lt": "we_10"}, "tenant": "demo"}

    plan = choose(indexes, compile_filter(log | filters), (("log", -1),))

    assert plan.index
    assert plan.index.name == name
    assert plan.ordered


def test_a_ttl_index_expires_what_is_old_enough(tmp_path: Path) -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    store = Store(tmp_path / "documents.sqlite")
    store.begin()
    things = store.find_or_create("app", "things")
    store.create_index(things, Index(1, "life", (("at", 1),), expire_after_s=60))
    for seconds in range(0, 2500, 2):
        things.insert(bson.encode({"_id": seconds, "at": noon - timedelta(seconds=seconds)}))
    for never in ({"_id": "text", "at": "1970"}, {"_id": "none"}, {"_id": "null", "at": None}):
        things.insert(bson.encode(never))
    store.commit()

    sweeps = [store.expire(int(noon.timestamp() * 1000)) for _ in range(3)]
    store.commit()

    assert sweeps == [1000, 220, 0]
    assert things.count() == 30 + 3
    store.close()
