"""Commands that are refused leave nothing of themselves behind, however little there is."""

from collections.abc import Iterator
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

Document = dict[str, Any]
Things = Collection[Document]


@pytest.fixture
def things(embedded: MongoClient[Document]) -> Iterator[Things]:
    embedded.halves.things.insert_one({"_id": 1, "list": [1]})
    yield embedded.halves.things
    embedded.drop_database("halves")


def index(**key: Any) -> Document:
    return {"key": key, "name": "_".join(key) or "none"}


SET: Document = {"query": {"_id": 1}, "update": {"$set": {"n": 1}}}
UNKNOWN: Document = {"q": {"$x": 1}}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"findAndModify": "things", **SET, "fields": {"a": 1, "b": 0}}, 31254),
        ({"createIndexes": "things", "indexes": [index(a=1), index(b=7)]}, 67),
        ({"createIndexes": "things", "indexes": [index(a=1), index()]}, 67),
        ({"createIndexes": "things", "indexes": [index(a=1), index(b=1) | {"name": ""}]}, 67),
        ({"createIndexes": "others", "indexes": [index(a=1), index(a=1) | {"name": "b"}]}, 85),
        ({"find": "things", "filter": {"list": {"$in": [{"$gt": 1}]}}}, 2),
        ({"count": "others", "query": {"$x": 1}}, 2),
        ({"insert": ".things", "documents": [{}]}, 73),
        ({"insert": "things\0", "documents": [{}]}, 73),
        ({"insert": "x" * 300, "documents": [{}]}, 73),
        ({"find": ""}, 73),
    ],
    ids=str,
)
def test_a_command_that_is_refused_changes_nothing(things: Things, command: Document, code: int):
    with pytest.raises(OperationFailure) as refusal:
        things.database.command(command)

    assert refusal.value.code == code
    assert things.database.list_collection_names() == ["things"]
    assert list(things.index_information()) == ["_id_"]
    assert list(things.find()) == [{"_id": 1, "list": [1]}]


@pytest.mark.parametrize(
    "push",
    [
        {"$each": "abc"},
        {"$each": {"a": 1}},
        {"$each": [2], "$slice": 1.5},
        {"$each": [2], "$slice": True},
        {"$each": [2], "$slice": "1"},
    ],
    ids=str,
)
def test_a_statement_that_is_no_push_is_refused_alone(things: Things, push: Document):
    answer = things.database.command(
        "update",
        "things",
        updates=[
            {"q": {"_id": 1}, "u": {"$set": {"n": 1}}},
            {"q": {"_id": 1}, "u": {"$push": {"list": push}}},
            {"q": {"_id": 1}, "u": 5},
            {"q": {"_id": 1}, "u": {"$push": {"list": {"$each": [2, 3], "$slice": -2.0}}}},
        ],
        ordered=False,
    )

    errors = [(error["index"], error["code"]) for error in answer["writeErrors"]]
    assert errors == [(1, 2), (2, 9)]
    assert things.find_one() == {"_id": 1, "list": [2, 3], "n": 1}


@pytest.mark.parametrize(
    "command",
    [
        {"update": "others", "updates": [{**UNKNOWN, "u": {"a": 1}}]},
        {"delete": "others", "deletes": [{**UNKNOWN, "limit": 0}]},
    ],
    ids=str,
)
def test_a_filter_is_refused_where_there_is_no_collection_and_none_is_made(
    things: Things, command: Document
):
    answer = things.database.command(command)

    assert [error["code"] for error in answer["writeErrors"]] == [2]
    assert things.database.list_collection_names() == ["things"]


def test_a_sum_that_64_bits_do_not_hold_is_a_floating_point_number(things: Things):
    things.insert_many({"n": bson.Int64(2**62)} for _ in range(2))
    (total,) = things.aggregate([{"$group": {"_id": None, "n": {"$sum": "$n"}}}])

    assert total["n"] == 2.0**63
