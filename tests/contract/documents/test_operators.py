"""The operators of filters and updates that strangers' clients use and our own code does not."""

import re
from collections.abc import Iterator
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

Document = dict[str, Any]
Things = Collection[Document]

CONTENTS: list[Document] = [
    {"_id": 1, "a": [1, 2, 3], "s": "Hello"},
    {"_id": 2, "a": [], "s": ["x", "hello"]},
    {"_id": 3, "a": [[1, 2], 3], "s": None},
    {"_id": 4, "a": 2, "s": bson.Regex("^h", "i")},
    {"_id": 5},
    {"_id": 6, "a": [{"x": 1, "y": 2}, {"x": 2, "y": 1}]},
    {"_id": 7, "a": bson.Int64(7), "s": 5.5},
    {"_id": 8, "a": -7.9, "t": bson.Timestamp(5, 1), "d": bson.DBRef("others", 5)},
]


@pytest.fixture(scope="module")
def things(embedded: MongoClient[Document]) -> Iterator[Things]:
    embedded.operators.things.insert_many(CONTENTS)
    yield embedded.operators.things
    embedded.drop_database("operators")


FILTERS: list[tuple[Document, list[int]]] = [
    ({"a": {"$size": 2}}, [3, 6]),
    ({"a": {"$size": 0.0}}, [2]),
    ({"a.0": {"$size": 2}}, [3]),
    ({"a": {"$all": [1, 2]}}, [1]),
    ({"a": {"$all": []}}, []),
    ({"a": {"$all": [2]}}, [1, 4]),
    ({"a": {"$all": [[1, 2]]}}, [3]),
    ({"a": {"$all": [None]}}, [5]),
    ({"a.x": {"$all": [1, 2]}}, [6]),
    ({"a": {"$all": [{"$elemMatch": {"x": 1}}, {"$elemMatch": {"y": 1}}]}}, [6]),
    ({"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}}, [1]),
    ({"a": {"$elemMatch": {"$gte": 1}}}, [1, 3]),
    ({"a": {"$elemMatch": {"x": 1, "y": 1}}}, []),
    ({"a": {"$elemMatch": {"x": 1, "y": 2}}}, [6]),
    ({"a": {"$elemMatch": {"$or": [{"x": 1}, {"x": 9}]}}}, [6]),
    ({"a": {"$not": {"$gt": 1}}}, [2, 5, 6, 8]),
    ({"$nor": [{"a": 2}, {"a": {"$size": 0}}]}, [3, 5, 6, 7, 8]),
    ({"a": {"$type": "array"}}, [1, 2, 3, 6]),
    ({"a": {"$type": ["int", 18]}}, [1, 3, 4, 7]),
    ({"a": {"$type": "number"}}, [1, 3, 4, 7, 8]),
    ({"s": {"$type": "null"}}, [3]),
    ({"a": {"$mod": [7, 0]}}, [7, 8]),
    ({"a": {"$mod": [4, -3]}}, [8]),
    ({"s": {"$regex": "hel"}}, [2]),
    ({"s": {"$regex": "HEL", "$options": "i"}}, [1, 2]),
    ({"s": re.compile("^h", re.IGNORECASE)}, [1, 2, 4]),
    ({"s": {"$eq": bson.Regex("^h", "i")}}, [4]),
    ({"s": {"$regex": r"^\w+$", "$ne": "Hello"}}, [2]),
    ({"s": {"$not": re.compile("(h|H)el")}}, [3, 4, 5, 6, 7, 8]),
    ({"s": {"$in": [re.compile("^H"), None]}}, [1, 3, 5, 6, 8]),
    ({"s": {"$nin": [re.compile("^H"), None]}}, [2, 4, 7]),
    ({"$comment": "why", "a": 2}, [1, 4]),
    ({"t": {"$gt": bson.Timestamp(1, 1)}}, [8]),
    ({"d.$id": 5}, [8]),
    ({"d": bson.DBRef("others", 5)}, [8]),
]


@pytest.mark.parametrize(("filter_", "expected"), FILTERS, ids=str)
def test_operators_of_filters_match_what_the_manual_says(
    things: Things, filter_: Document, expected: list[int]
) -> None:
    assert sorted(document["_id"] for document in things.find(filter_)) == expected


CHANGES: list[tuple[Document, Document]] = [
    ({"$mul": {"n": 2, "new": 3}}, {"n": 6, "new": 0}),
    ({"$mul": {"n": 1.5}}, {"n": 4.5}),
    ({"$pop": {"list": 1, "none": -1}}, {"list": [1, 2]}),
    ({"$pop": {"list": -1}}, {"list": [2, 1]}),
    ({"$pullAll": {"list": [1.0, 5]}}, {"list": [2]}),
    ({"$push": {"list": {"$each": [8, 9], "$position": 1}}}, {"list": [1, 8, 9, 2, 1]}),
    ({"$push": {"list": {"$each": [8], "$position": -1}}}, {"list": [1, 2, 8, 1]}),
    ({"$push": {"list": {"$each": [8], "$position": 0, "$slice": 2}}}, {"list": [8, 1]}),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES, ids=str)
def test_operators_of_updates_change_what_the_manual_says(
    things: Things, change: Document, expected: Document
) -> None:
    before = {"_id": 9, "n": 3, "list": [1, 2, 1]}
    things.replace_one({"_id": 9}, before, upsert=True)
    things.update_one({"_id": 9}, change)

    assert things.find_one_and_delete({"_id": 9}) == before | expected


def test_an_upsert_takes_no_value_from_a_pattern(things: Things) -> None:
    things.update_one(
        {"_id": 9, "s": re.compile("x"), "a": {"$all": [1]}}, {"$inc": {"n": 1}}, True
    )

    assert things.find_one_and_delete({"_id": 9}) == {"_id": 9, "a": 1, "n": 1}


def test_a_duplicate_is_shown_by_its_element_and_in_the_form_of_a_shell(things: Things) -> None:
    unique = things.database.unique
    unique.create_index([("a", -1), ("b.c", 1)], unique=True)
    unique.insert_one({"a": True, "b": {"c": [4, 5]}})

    with pytest.raises(DuplicateKeyError) as refusal:
        unique.insert_one({"a": True, "b": [{"c": 3}, {"c": 5}]})

    details = refusal.value.details or {}
    assert details["keyValue"] == {"a": True, "b.c": 5}
    assert details["keyPattern"] == {"a": -1, "b.c": 1}
    assert details["errmsg"].endswith("dup key: { a: true, b.c: 5 }")
