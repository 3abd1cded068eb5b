"""Projections with computed fields, $natural, and the lists of collections and indexes."""

from typing import Any

import pytest
from bson.int64 import Int64

from tests.contract.documents.test_refusals import Things, things

__all__ = ["things"]

Document = dict[str, Any]
CONTENT: Document = {"_id": 1, "a": "A", "list": [{"c": 1}, 2], "o": {"k": 1, "m": 2}}
PROJECTIONS: list[tuple[Document, Document]] = [
    ({"_id": 0, "b": "$a"}, {"b": "A"}),
    ({"n.z": "$a"}, {"_id": 1, "n": {"z": "A"}}),
    ({"o.k": 1, "o.z": "$a"}, {"_id": 1, "o": {"k": 1, "z": "A"}}),
    ({"o": {"k": 1}}, {"_id": 1, "o": {"k": 1}}),
    ({"list.a": "$a"}, {"_id": 1, "list": [{"a": "A"}, {"a": "A"}]}),
    ({"a.z": "$o.k"}, {"_id": 1, "a": {"z": 1}}),
    ({"b": "$absent", "_id": "$a"}, {"_id": "A"}),
    ({"list": 0, "o.k": 0}, {"_id": 1, "a": "A", "o": {"m": 2}}),
]


@pytest.mark.parametrize(("projection", "expected"), PROJECTIONS, ids=str)
def test_fields_are_included_excluded_and_computed(
    things: Things, projection: Document, expected: Document
) -> None:
    things.replace_one({"_id": 1}, CONTENT)

    assert list(things.aggregate([{"$match": {"_id": 1}}, {"$project": projection}])) == [expected]
    assert things.find_one({"_id": 1}, projection) == expected


def test_the_natural_order_is_that_of_insertion_both_ways(things: Things) -> None:
    things.insert_one({"_id": 0})

    assert [each["_id"] for each in things.find().sort("$natural", 1)] == [1, 2, 0]
    assert [each["_id"] for each in things.find({"n": None}).sort("$natural", -1)] == [0]
    assert (things.find_one(sort=[("$natural", -1)]) or {})["_id"] == 0


def test_collections_are_listed_by_any_filter(things: Things) -> None:
    database = things.database
    database.others.insert_one({})

    assert database.list_collection_names(filter={"name": {"$in": ["things", "x"]}}) == ["things"]
    assert database.list_collection_names(filter={"name": {"$ne": "things"}}) == ["others"]
    assert database.list_collection_names(filter={"type": "view"}) == []
    assert database.list_collection_names(filter={"options.capped": True}) == []


def test_numbers_of_cursors_are_64_bits_wide_where_a_list_is_complete(things: Things) -> None:
    for command in ("listIndexes", "listCollections"):
        answer = things.database.command({command: "things", "cursor": {}})
        assert isinstance(answer["cursor"]["id"], Int64)


def test_indexes_are_dropped_by_their_keys(things: Things) -> None:
    things.create_index([("b", 1)])
    things.create_index([("b", -1)])

    things.database.command({"dropIndexes": "things", "index": {"b": 1}})

    assert sorted(things.index_information()) == ["_id_", "b_-1"]


def test_a_session_is_taken_and_a_negative_limit_counts_like_a_positive(things: Things) -> None:
    with things.database.client.start_session() as session:
        things.insert_one({"_id": 3}, session=session)

    assert things.database.command({"count": "things", "limit": -2})["n"] == 2
