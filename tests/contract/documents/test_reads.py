"""Filters, sorts, projections, cursors, counts and aggregations, on every server."""

from datetime import datetime
from typing import Any

import pytest
from bson.int64 import Int64
from bson.objectid import ObjectId
from pymongo import IndexModel
from pymongo.errors import CursorNotFound, OperationFailure

from tests.contract.documents.conftest import Documents

Filter = dict[str, Any]

CONTENTS: list[dict[str, Any]] = [
    {"_id": 1, "n": 1, "tags": ["a", "b"], "at": {"x": 1}},
    {"_id": 2, "n": 2.5, "tags": [], "at": {"x": None}},
    {"_id": 3, "n": Int64(3), "tags": "a", "at": {}},
    {"_id": 4, "n": "3", "lines": [{"k": 1, "v": 2}, {"k": 2}]},
    {"_id": 5, "n": None, "lines": [{"k": 3}], "tags": [["a"]]},
    {"_id": 6, "tags": [1, 10]},
    {"_id": 7, "n": True, "at": 5},
]
FILTERS: list[tuple[Filter, list[int]]] = [
    ({}, [1, 2, 3, 4, 5, 6, 7]),
    ({"_id": {"$in": [5, 1, 99, 1]}}, [1, 5]),
    ({"_id": {"$in": []}}, []),
    ({"n": 3}, [3]),
    ({"n": 3.0}, [3]),
    ({"n": None}, [5, 6]),
    ({"n": {"$ne": None}}, [1, 2, 3, 4, 7]),
    ({"n": {"$exists": True}}, [1, 2, 3, 4, 5, 7]),
    ({"n": {"$exists": False}}, [6]),
    ({"n": {"$gte": 1, "$lt": 3}}, [1, 2]),
    ({"n": {"$in": [None, 1, "3"]}}, [1, 4, 5, 6]),
    ({"n": {"$nin": [None, 1, "3"]}}, [2, 3, 7]),
    ({"tags": "a"}, [1, 3]),
    ({"tags": ["a"]}, [5]),
    ({"tags": ["a", "b"]}, [1]),
    ({"tags": []}, [2]),
    ({"tags": {"$gt": 1, "$lt": 10}}, [6]),
    ({"tags.0": "a"}, [1, 5]),
    ({"tags.1": {"$exists": True}}, [1, 6]),
    ({"at.x": 1}, [1]),
    ({"at.x": None}, [2, 3, 4, 5, 6, 7]),
    ({"at": {"x": 1}}, [1]),
    ({"lines.k": 2}, [4]),
    ({"lines.v": {"$exists": True}}, [4]),
    ({"lines.1.k": 2}, [4]),
    ({"$or": [{"n": 1}, {"tags": "a"}]}, [1, 3]),
    ({"$and": [{"n": 1}, {"tags": "a"}]}, [1]),
    ({"n": 1, "$or": [{"tags": "b"}, {"tags": "c"}]}, [1]),
    ({"absent": {"$lt": 5}}, []),
]


@pytest.mark.parametrize(("filter_", "expected"), FILTERS, ids=str)
@pytest.mark.parametrize("indexed", [False, True], ids=["scan", "index"])
def test_filters_find_what_mongodb_finds(
    database: Documents, filter_: Filter, expected: list[int], indexed: bool
) -> None:
    if indexed:
        for path in ("n", "tags", "at.x", "lines.k", "lines.v", "tags.0"):
            database.things.create_index(path)
    database.things.insert_many(CONTENTS)

    identities = sorted(document["_id"] for document in database.things.find(filter_))

    assert identities == expected


@pytest.mark.parametrize("indexed", [False, True], ids=["scan", "index"])
@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ({"n": {"$gt": 1}}, [2, 3]),
        ({"n": {"$lte": "3"}}, [4]),
        ({"n": {"$gte": None}}, [5, 6]),
        ({"tags": {"$gt": 5}}, [6]),
    ],
    ids=str,
)
def test_a_range_meets_only_values_of_its_own_type(
    database: Documents, filter_: Filter, expected: list[int], indexed: bool
) -> None:
    if indexed:
        database.things.create_indexes([IndexModel("n"), IndexModel("tags")])
    database.things.insert_many(CONTENTS)

    assert sorted(each["_id"] for each in database.things.find(filter_)) == expected


def test_null_meets_an_array_with_an_element_that_lacks_the_field(database: Documents) -> None:
    database.things.insert_many(CONTENTS)

    assert database.things.count_documents({"lines.v": None}) == 7


def test_values_of_every_type_have_one_order(database: Documents) -> None:
    in_order: list[Any] = [
        None,
        float("-inf"),
        -(2**62),
        -1.5,
        0,
        2**53,
        Int64(2**53 + 1),
        1e300,
        "",
        "a",
        "a\x00b",
        "b",
        {"a": 1},
        {"a": 2},
        b"a",
        ObjectId("0" * 24),
        ObjectId("1" * 24),
        False,
        True,
        datetime(1960, 1, 1),
        datetime(2026, 1, 1),
    ]
    database.things.insert_many([{"_id": n, "v": value} for n, value in enumerate(in_order)])
    database.ordered.create_index("v")
    database.ordered.insert_many(reversed(list(database.things.find())))

    for things in (database.things, database.ordered):
        rising = [each["_id"] for each in things.find().sort("v", 1)]
        falling = [each["_id"] for each in things.find().sort("v", -1)]
        assert rising == list(range(len(in_order)))
        assert falling == rising[::-1]


def test_an_empty_array_sorts_before_null(database: Documents) -> None:
    database.things.insert_many([{"_id": 1}, {"_id": 2, "v": []}, {"_id": 3, "v": [0]}])

    assert [each["_id"] for each in database.things.find().sort("v", 1)] == [2, 1, 3]


def test_an_array_sorts_by_its_least_or_its_greatest_element(database: Documents) -> None:
    database.things.insert_many([{"_id": 1, "v": [1, 9]}, {"_id": 2, "v": [2, 3]}])

    assert [each["_id"] for each in database.things.find().sort("v", 1)] == [1, 2]
    assert [each["_id"] for each in database.things.find().sort("v", -1)] == [1, 2]


def test_sort_skip_and_limit_take_a_page(database: Documents) -> None:
    database.things.insert_many([{"_id": n, "a": n % 3, "b": n} for n in range(30)])

    page = database.things.find({"b": {"$gte": 3}}).sort([("a", -1), ("b", 1)]).skip(2).limit(3)

    assert [each["_id"] for each in page] == [11, 14, 17]


PROJECTIONS: list[tuple[Any, dict[str, Any]]] = [
    ({"a": 1}, {"_id": 1, "a": {"x": 1, "y": 2}}),
    ({"a.x": 1, "_id": 0}, {"a": {"x": 1}}),
    ({"a.x": 0, "list": 0}, {"_id": 1, "a": {"y": 2}, "b": 3}),
    ({"list.k": 0, "a": 0, "b": 0}, {"_id": 1, "list": [{"v": 2}, {"v": 3}, 5]}),
    ({"_id": 1}, {"_id": 1}),
    ({"_id": 0, "a": False, "list": 0}, {"b": 3}),
]


@pytest.mark.parametrize(("projection", "expected"), PROJECTIONS, ids=str)
def test_projections_keep_or_leave_out_fields(
    database: Documents, projection: Any, expected: dict[str, Any]
) -> None:
    database.things.insert_one(
        {"_id": 1, "a": {"x": 1, "y": 2}, "b": 3, "list": [{"k": 1, "v": 2}, {"v": 3}, 5]}
    )

    assert database.things.find_one({}, projection) == expected


def test_a_projection_keeps_an_empty_element_for_one_without_the_field(
    database: Documents,
) -> None:
    database.things.insert_one({"list": [{"k": 1, "v": 2}, {"v": 3}, 5]})

    assert database.things.find_one({}, {"list.k": 1, "_id": 0}) == {"list": [{"k": 1}, {}]}


def test_a_cursor_gives_everything_in_batches(database: Documents) -> None:
    database.things.insert_many([{"_id": n} for n in range(1200)])

    assert [each["_id"] for each in database.things.find().batch_size(7).limit(50)] == list(
        range(50)
    )
    assert len(list(database.things.find())) == 1200
    assert len(list(database.things.find({"_id": {"$gte": 10}}).sort("_id", -1))) == 1190


def test_what_is_inserted_behind_an_open_cursor_does_not_disturb_it(database: Documents) -> None:
    database.things.insert_many([{"_id": n} for n in range(0, 400, 2)])
    cursor = database.things.find({"_id": {"$gte": 0}}).sort("_id", 1).batch_size(10)

    first = next(cursor)["_id"]
    database.things.insert_one({"_id": -1})
    database.things.delete_one({"_id": 100})

    assert first == 0
    assert [each["_id"] for each in cursor] == [n for n in range(2, 400, 2) if n != 100]


def test_a_killed_cursor_is_gone(database: Documents) -> None:
    database.things.insert_many([{"_id": n} for n in range(50)])
    reply = database.command("find", "things", batchSize=2)["cursor"]

    killed = database.command("killCursors", "things", cursors=[reply["id"]])

    assert killed["cursorsKilled"] == [reply["id"]]
    with pytest.raises(CursorNotFound):
        database.command("getMore", reply["id"], collection="things")


def test_a_cursor_of_a_dropped_collection_is_gone(database: Documents) -> None:
    database.things.insert_many([{"_id": n} for n in range(50)])
    cursor = database.things.find().batch_size(2)
    next(cursor)

    database.things.drop()

    with pytest.raises(OperationFailure):
        list(cursor)
    assert database.things.find_one() is None


def test_counts_with_and_without_a_filter(database: Documents) -> None:
    database.things.insert_many(CONTENTS)

    assert database.things.count_documents({"n": {"$exists": True}}) == 6
    assert database.things.count_documents({}, skip=2, limit=3) == 3
    assert database.things.estimated_document_count() == 7
    assert database.absent.count_documents({}) == 0


def test_distinct_values_are_elements_and_never_repeat(database: Documents) -> None:
    database.things.insert_many([*CONTENTS, {"_id": 8, "tags": 1.0}])

    assert sorted(map(str, database.things.distinct("tags"))) == ["1", "10", "['a']", "a", "b"]
    assert sorted(database.things.distinct("lines.k", {"_id": 4})) == [1, 2]
    assert database.absent.distinct("n") == []


ORDERS: list[dict[str, Any]] = [
    {"_id": 1, "tenant": "a", "n": 1, "at": {"day": 1}},
    {"_id": 2, "tenant": "b", "n": 2, "at": {"day": 1}},
    {"_id": 3, "tenant": "a", "n": 5, "at": {"day": 2}},
    {"_id": 4, "tenant": "a", "n": "x", "at": {"day": 2}},
    {"_id": 5, "n": 0.5},
]
PIPELINES: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = [
    (
        [
            {"$match": {"tenant": {"$in": ["a", "b"]}}},
            {"$group": {"_id": "$tenant", "sum": {"$sum": "$n"}, "count": {"$sum": 1}}},
            {"$sort": {"_id": 1}},
        ],
        [{"_id": "a", "sum": 6, "count": 3}, {"_id": "b", "sum": 2, "count": 1}],
    ),
    (
        [
            {"$sort": {"_id": 1}},
            {
                "$group": {
                    "_id": None,
                    "low": {"$min": "$n"},
                    "high": {"$max": "$n"},
                    "mean": {"$avg": "$n"},
                    "first": {"$first": "$tenant"},
                    "last": {"$last": "$tenant"},
                }
            },
        ],
        [{"_id": None, "low": 0.5, "high": "x", "mean": 2.125, "first": "a", "last": None}],
    ),
    (
        [
            {"$match": {"n": {"$in": [1, 2, 5]}}},
            {"$sort": {"n": -1}},
            {"$skip": 1},
            {"$limit": 1},
            {"$project": {"n": 1, "who": "$tenant", "_id": 0}},
        ],
        [{"n": 2, "who": "b"}],
    ),
    ([{"$match": {"tenant": "a"}}, {"$count": "found"}], [{"found": 3}]),
    (
        [{"$match": {"tenant": "b"}}, {"$match": {"n": 2}}, {"$project": {"at": 0, "n": 0}}],
        [{"_id": 2, "tenant": "b"}],
    ),
]


@pytest.mark.parametrize(("stages", "expected"), PIPELINES, ids=str)
def test_pipelines_of_plain_fields(
    database: Documents, stages: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> None:
    database.things.insert_many(ORDERS)

    assert list(database.things.aggregate(stages)) == expected


def test_a_group_key_of_several_fields_leaves_out_the_missing(database: Documents) -> None:
    database.things.insert_many(ORDERS)

    by_day = {"$group": {"_id": {"tenant": "$tenant", "day": "$at.day"}, "n": {"$sum": 1}}}
    groups = {str(each["_id"]): each["n"] for each in database.things.aggregate([by_day])}

    assert groups == {
        "{'tenant': 'a', 'day': 1}": 1,
        "{'tenant': 'b', 'day': 1}": 1,
        "{'tenant': 'a', 'day': 2}": 2,
        "{}": 1,
    }


def test_counting_nothing_in_a_pipeline_gives_no_document(database: Documents) -> None:
    assert list(database.things.aggregate([{"$match": {"n": 1}}, {"$count": "found"}])) == []
