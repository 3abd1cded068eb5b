"""Inserts, updates, replacements, deletes and bulks of them, on every server."""

from datetime import datetime
from typing import Any

import bson
import pytest
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, InsertOne, ReplaceOne, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, WriteError

from tests.contract.documents.conftest import Documents


def test_a_document_comes_back_as_it_was_stored(database: Documents) -> None:
    document = {
        "_id": "a",
        "amount": 1,
        "wide": Int64(2),
        "share": 0.5,
        "paid": True,
        "nothing": None,
        "at": datetime(2026, 11, 23, 10, 0, 0, 123000),
        "ledger": [{"account": "x", "lines": [1, [2]]}],
        "raw": b"\x00\xff",
    }
    database.things.insert_one(document)

    stored = database.things.find_one({"_id": "a"}) or {}

    assert stored == document
    assert list(stored) == list(document)
    assert type(stored["wide"]) is Int64


@pytest.mark.parametrize("identity", [0, "", None, {"a": 1}], ids=str)
def test_an_id_of_any_value_is_kept_and_comes_first(database: Documents, identity: Any) -> None:
    nested = bson.encode({"it": {"n": 1, "_id": identity}})
    with_late_id = RawBSONDocument(nested[len(b"....\x03it\x00") : -1])
    raw_things: Any = database.things
    raw_things.insert_one(with_late_id)

    stored = database.things.find_one() or {}

    assert list(stored.items()) == [("_id", identity), ("n", 1)]


def test_the_second_insert_of_an_id_is_refused_and_says_which(database: Documents) -> None:
    database.things.insert_one({"_id": "a", "n": 1})

    with pytest.raises(DuplicateKeyError) as refusal:
        database.things.insert_one({"_id": "a", "n": 2})

    details = refusal.value.details or {}
    assert details["code"] == 11000
    assert details["keyPattern"] == {"_id": 1}
    assert details["keyValue"] == {"_id": "a"}
    assert "E11000 duplicate key error collection" in details["errmsg"]
    assert 'index: _id_ dup key: { _id: "a" }' in details["errmsg"]
    assert database.things.find_one({"_id": "a"}) == {"_id": "a", "n": 1}


@pytest.mark.parametrize(("ordered", "stored"), [(True, ["a"]), (False, ["a", "b", "c"])])
def test_only_an_ordered_bulk_stops_at_its_first_error(
    database: Documents, ordered: bool, stored: list[str]
) -> None:
    writes = [InsertOne({"_id": each}) for each in ("a", "a", "b", "a", "c")]

    with pytest.raises(BulkWriteError) as refusal:
        database.things.bulk_write(writes, ordered=ordered)

    errors = refusal.value.details["writeErrors"]
    assert [error["index"] for error in errors] == ([1] if ordered else [1, 3])
    assert {error["code"] for error in errors} == {11000}
    assert refusal.value.details["nInserted"] == len(stored)
    assert sorted(each["_id"] for each in database.things.find()) == stored


def test_a_bulk_counts_what_each_kind_of_write_did(database: Documents) -> None:
    database.things.insert_many([{"_id": "a", "n": 1}, {"_id": "b", "n": 1}, {"_id": "c"}])

    result = database.things.bulk_write(
        [
            UpdateOne({"_id": "a"}, {"$inc": {"n": 1}}),
            UpdateOne({"_id": "b"}, {"$set": {"n": 1}}),
            ReplaceOne({"_id": "d"}, {"n": 4}, upsert=True),
            DeleteOne({"_id": "c"}),
            DeleteOne({"_id": "absent"}),
        ]
    )

    assert (result.matched_count, result.modified_count, result.deleted_count) == (2, 1, 1)
    assert result.upserted_ids == {2: "d"}
    assert list(database.things.find().sort("_id", 1)) == [
        {"_id": "a", "n": 2},
        {"_id": "b", "n": 1},
        {"_id": "d", "n": 4},
    ]


def test_a_replacement_under_a_version_meets_only_that_version(database: Documents) -> None:
    database.things.insert_one({"_id": "a", "version": 1, "old": True})

    first = database.things.replace_one({"_id": "a", "version": 1}, {"_id": "a", "version": 2})
    second = database.things.replace_one({"_id": "a", "version": 1}, {"_id": "a", "version": 2})

    assert (first.matched_count, second.matched_count) == (1, 0)
    assert database.things.find_one() == {"_id": "a", "version": 2}


BEFORE = {"_id": "a", "n": 1, "at": {"x": 1}, "list": [1, 2, 1, {"k": 1}], "low": 5, "high": 5}
UPDATES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"$set": {"n": "new", "at.y": 2, "made.up": 3}}, {"n": "new", "made": {"up": 3}}),
    ({"$set": {"at.y": 2}}, {"at": {"x": 1, "y": 2}}),
    ({"$set": {"list.1": "two"}}, {"list": [1, "two", 1, {"k": 1}]}),
    ({"$set": {"list.5": 6}}, {"list": [1, 2, 1, {"k": 1}, None, 6]}),
    ({"$set": {"list.3.k": 9}}, {"list": [1, 2, 1, {"k": 9}]}),
    ({"$unset": {"n": "", "at.x": ""}}, {"n": None, "at": {}}),
    ({"$inc": {"n": 2, "at.x": 0.5, "fresh": 1}}, {"n": 3, "at": {"x": 1.5}, "fresh": 1}),
    ({"$push": {"list": 3}}, {"list": [1, 2, 1, {"k": 1}, 3]}),
    ({"$push": {"fresh": {"k": 1}}}, {"fresh": [{"k": 1}]}),
    ({"$push": {"list": {"$each": [7, 8], "$slice": -3}}}, {"list": [{"k": 1}, 7, 8]}),
    ({"$addToSet": {"list": 2.0}}, {}),
    ({"$addToSet": {"list": {"k": 1}}}, {}),
    ({"$addToSet": {"list": {"$each": [9, 1, 9]}}}, {"list": [1, 2, 1, {"k": 1}, 9]}),
    ({"$addToSet": {"fresh": [1]}}, {"fresh": [[1]]}),
    ({"$pull": {"list": 1}}, {"list": [2, {"k": 1}]}),
    ({"$pull": {"list": {"k": 1}}}, {"list": [1, 2, 1]}),
    ({"$pull": {"list": {"$in": [1, 2]}}}, {"list": [{"k": 1}]}),
    ({"$min": {"low": 3, "high": 7}, "$max": {"n": 9}}, {"low": 3, "high": 5, "n": 9}),
    ({"$setOnInsert": {"n": 7}, "$set": {"low": 1}}, {"n": 1, "low": 1}),
]


@pytest.mark.parametrize(("update", "expected"), UPDATES, ids=str)
def test_update_operators_change_the_named_paths(
    database: Documents, update: dict[str, Any], expected: dict[str, Any]
) -> None:
    database.things.insert_one(BEFORE)

    database.things.update_one({"_id": "a"}, update)

    after = database.things.find_one() or {}
    assert {name: after.get(name) for name in expected} == expected
    untouched = BEFORE.keys() - expected.keys() - {"at"}
    assert {name: after[name] for name in untouched} == {name: BEFORE[name] for name in untouched}


def test_a_pull_by_range_meets_only_values_of_its_own_type(database: Documents) -> None:
    database.things.insert_one(BEFORE)

    database.things.update_one({}, {"$pull": {"list": {"$gte": 2}}})

    assert database.things.distinct("list") == [1, {"k": 1}]


REFUSED_UPDATES: list[tuple[dict[str, Any], int]] = [
    ({"$inc": {"text": 1}}, 14),
    ({"$inc": {"n": "1"}}, 14),
    ({"$push": {"n": 1}}, 2),
    ({"$addToSet": {"n": 1}}, 2),
    ({"$pull": {"n": 1}}, 2),
    ({"$set": {"n.x": 1}}, 28),
    ({"$set": {"_id": "b"}}, 66),
    ({"$set": {"a": 1}, "$inc": {"a": 1}}, 40),
    ({"$set": {"a": 1, "a.b": 1}}, 40),
]


@pytest.mark.parametrize(("update", "code"), REFUSED_UPDATES, ids=str)
def test_an_update_that_cannot_be_made_changes_nothing(
    database: Documents, update: dict[str, Any], code: int
) -> None:
    database.things.insert_one({"_id": "a", "n": 1, "text": "x"})

    with pytest.raises(WriteError) as refusal:
        database.things.update_one({"_id": "a"}, update)

    assert refusal.value.code == code
    assert database.things.find_one() == {"_id": "a", "n": 1, "text": "x"}


def test_an_increment_past_32_bits_stays_a_whole_number(database: Documents) -> None:
    database.things.insert_one({"_id": "a", "n": 2**31 - 1, "wide": Int64(1)})

    database.things.update_one({"_id": "a"}, {"$inc": {"n": 1, "wide": 1}})

    after = database.things.find_one() or {}
    assert after["n"] == 2**31
    assert after["wide"] == 2
    assert type(after["wide"]) is Int64


def test_an_increment_past_64_bits_is_refused(database: Documents) -> None:
    database.things.insert_one({"_id": "a", "n": Int64(2**63 - 1)})

    with pytest.raises(WriteError) as refusal:
        database.things.update_one({"_id": "a"}, {"$inc": {"n": 1}})

    assert refusal.value.code == 2


def test_an_upsert_makes_the_document_from_filter_and_update(database: Documents) -> None:
    result = database.things.update_one(
        {"_id": "a", "at.x": 1, "$and": [{"tenant": "t"}], "n": {"$lt": 5}, "m": {"$ne": 1}},
        {"$inc": {"count": 1}, "$setOnInsert": {"fresh": True}},
        upsert=True,
    )

    assert result.upserted_id == "a"
    assert database.things.find_one() == {
        "_id": "a",
        "at": {"x": 1},
        "tenant": "t",
        "count": 1,
        "fresh": True,
    }


def test_an_upsert_that_meets_the_id_but_not_the_rest_is_a_duplicate(database: Documents) -> None:
    database.things.insert_one({"_id": "a", "until": 10})

    with pytest.raises(DuplicateKeyError):
        database.things.update_one(
            {"_id": "a", "until": {"$lte": 5}}, {"$set": {"claim": 1}}, upsert=True
        )

    assert database.things.find_one() == {"_id": "a", "until": 10}


def test_a_filter_that_names_a_path_twice_seeds_no_upsert(database: Documents) -> None:
    with pytest.raises(WriteError) as refusal:
        database.things.update_one({"$and": [{"a": 1}, {"a": 2}]}, {"$set": {"n": 1}}, upsert=True)

    assert refusal.value.code == 54


def test_update_many_and_delete_many_meet_all_that_match(database: Documents) -> None:
    database.things.insert_many([{"_id": n, "n": n} for n in range(600)])

    updated = database.things.update_many({"n": {"$gte": 100}}, {"$inc": {"n": 1000}})
    deleted = database.things.delete_many({"n": {"$lt": 1200}})

    assert (updated.matched_count, updated.modified_count) == (500, 500)
    assert deleted.deleted_count == 200
    assert database.things.count_documents({}) == 400


@pytest.mark.parametrize(
    ("returned", "expected"),
    [(ReturnDocument.BEFORE, {"_id": 2, "n": 5}), (ReturnDocument.AFTER, {"_id": 2, "n": 6})],
)
def test_find_one_and_update_returns_the_first_by_its_sort(
    database: Documents, returned: bool, expected: dict[str, Any]
) -> None:
    database.things.insert_many([{"_id": 1, "n": 7}, {"_id": 2, "n": 5}])

    answer = database.things.find_one_and_update(
        {}, {"$inc": {"n": 1}}, sort=[("n", 1)], return_document=returned
    )

    assert answer == expected
    assert database.things.find_one({"_id": 2}) == {"_id": 2, "n": 6}


def test_find_one_and_upsert_delete_and_replace(database: Documents) -> None:
    things = database.things

    made = things.find_one_and_update(
        {"_id": "a"}, {"$inc": {"n": 1}}, upsert=True, return_document=ReturnDocument.AFTER
    )
    replaced = things.find_one_and_replace({"_id": "a"}, {"m": 1}, projection={"n": 1, "_id": 0})
    deleted = things.find_one_and_delete({"_id": "a"})

    assert (made, replaced, deleted) == ({"_id": "a", "n": 1}, {"n": 1}, {"_id": "a", "m": 1})
    assert things.find_one_and_delete({"_id": "a"}) is None


def test_an_id_that_is_an_array_is_refused(database: Documents) -> None:
    with pytest.raises(OperationFailure):
        database.things.insert_one({"_id": [1]})
