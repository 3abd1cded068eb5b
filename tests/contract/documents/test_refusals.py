"""Refusals by name of all that the embedded server does not do."""

from collections.abc import Iterator
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import InsertOne, MongoClient, WriteConcern
from pymongo.collection import Collection
from pymongo.errors import DocumentTooLarge, OperationFailure, WriteError

from tests.conftest import wait_until

Document = dict[str, Any]
Things = Collection[Document]


@pytest.fixture
def things(embedded: MongoClient[Document]) -> Iterator[Things]:
    embedded.refusals.things.insert_many([{"_id": 1, "n": 1, "list": [1]}, {"_id": 2, "n": 2}])
    yield embedded.refusals.things
    embedded.drop_database("refusals")


READS: list[tuple[Document, str]] = [
    ({"find": "things", "filter": {"n": {"$regex": "x", "$options": "m"}}}, "$options m"),
    ({"find": "things", "filter": {"n": {"$regex": "[[:alpha:]]"}}}, "[[:"),
    ({"find": "things", "filter": {"n": {"$regex": "(?<=a)b"}}}, "(?<"),
    ({"find": "things", "filter": {"n": {"$regex": "(a)\\1"}}}, "\\1"),
    ({"find": "things", "filter": {"list": {"$elemMatch": {"$size": 1}}}}, "$size"),
    ({"find": "things", "filter": {"$where": "1"}}, "$where"),
    ({"find": "things", "filter": {"n": {"$bitsAllSet": 1}}}, "$bitsAllSet"),
    ({"find": "things", "filter": {"n": bson.Decimal128("1")}}, "Decimal128"),
    ({"find": "things", "filter": {"n": bson.MaxKey()}}, "MaxKey"),
    ({"find": "things", "filter": {"$or": []}}, "nonempty"),
    ({"find": "things", "filter": {"n": {"$in": 1}}}, "$in"),
    ({"find": "things", "filter": 5}, "find"),
    ({"find": "things", "collation": {"locale": "de"}}, "collation"),
    ({"find": "things", "hint": "n_1"}, "hint"),
    ({"find": "things", "sort": {"n": {"$meta": "textScore"}}}, "'n'"),
    ({"find": "things", "projection": {"list": {"$slice": 1}}}, "$slice"),
    ({"find": "things", "projection": {"n": 1, "list": 0}}, "exclusion on field list"),
    ({"find": "things", "projection": {"list.$": 1}}, "$"),
    ({"find": "things", "readConcern": {"level": "snapshot"}}, "snapshot"),
    ({"aggregate": "things", "pipeline": [{"$lookup": {}}], "cursor": {}}, "$lookup"),
    ({"aggregate": "things", "pipeline": [{"$match": {"$expr": 1}}], "cursor": {}}, "$expr"),
    (
        {"aggregate": "things", "pipeline": [{"$group": {"_id": {"$add": [1]}}}], "cursor": {}},
        "$add",
    ),
    (
        {
            "aggregate": "things",
            "pipeline": [{"$group": {"_id": 1, "x": {"$push": "$n"}}}],
            "cursor": {},
        },
        "$push",
    ),
    (
        {"aggregate": "things", "pipeline": [{"$project": {"x": {"$add": [1]}}}], "cursor": {}},
        "$add",
    ),
    ({"aggregate": 1, "pipeline": [], "cursor": {}}, "collection"),
    ({"aggregate": "things", "pipeline": [5], "cursor": {}}, "aggregate"),
    ({"mapReduce": "things"}, "mapReduce"),
    ({"startTransaction": 1}, "startTransaction"),
]


@pytest.mark.parametrize(("command", "name"), READS, ids=str)
def test_what_is_not_implemented_is_refused_by_name(
    things: Things, command: Document, name: str
) -> None:
    with pytest.raises(OperationFailure) as refusal:
        things.database.command(command)

    assert name in (refusal.value.details or {})["errmsg"]
    assert refusal.value.code in (2, 9, 14, 59, 72, 73, 238, 15975, 31254, 40324, 40415)


def pipeline(*stages: Any) -> Document:
    return {"aggregate": "things", "pipeline": list(stages), "cursor": {}}


WRONG: list[tuple[Document, int]] = [
    ({"find": "things", "projection": {"o": 1, "o.k": 1}}, 31249),
    ({"find": "things", "projection": {"o.k": 1, "o": 1}}, 31250),
    (pipeline({"$project": {"a": 1, "a.b": "$n"}}), 31249),
    (pipeline({"$project": {"a": 0, "b": "$n"}}), 31252),
    (pipeline({"$project": {"a": 0, "b": 1}}), 31253),
    (pipeline({"$project": {"a": {}}}), 51270),
    (pipeline({"$project": {}}), 51272),
    (pipeline({"$group": {"_id": None, "a.b": {"$sum": 1}}}), 40235),
    (pipeline({"$group": {"_id": None, "$a": {"$sum": 1}}}), 40236),
    (pipeline({"$group": {"_id": None, "a": 1}}), 40234),
    (pipeline({"$match": {}, "$limit": 1}), 40323),
    (pipeline({}), 40323),
    (pipeline({"$unwind": "$list"}), 238),
    (pipeline({"$unwound": "$list"}), 40324),
    (pipeline({"$limit": 1.5}), 5107201),
    (pipeline({"$limit": float("inf")}), 5107201),
    (pipeline({"$limit": 0}), 15958),
    (pipeline({"$skip": -1}), 5107200),
    (pipeline({"$sort": {}}), 15976),
    (pipeline({"$sort": {"$natural": -1}}), 238),
    (pipeline({"$count": "a.b"}), 40160),
    ({"find": "things", "filter": {"$x": 1}}, 2),
    ({"find": "things", "filter": {"n": {"$x": 1}}}, 2),
    ({"find": "things", "filter": {"n": {"$gt": 1, "x": 1}}}, 2),
    ({"find": "things", "filter": {"n": {"$regex": "("}}}, 51091),
    ({"find": "things", "filter": {"n": {"$size": 1.5}}}, 2),
    ({"find": "things", "filter": {"n": {"$mod": [0, 1]}}}, 2),
    ({"find": "things", "filter": {"n": {"$not": 1}}}, 2),
    ({"find": "things", "filter": {"n": {"$ne": bson.Regex("x")}}}, 2),
    ({"find": "things", "filter": {"n": {"$type": "text"}}}, 2),
    ({"find": "things", "filter": {"n": {"$options": "i"}}}, 2),
    ({"find": "things", "maxTimeMS": 2**31}, 2),
    (pipeline({"$count": "_id"}), 9039800),
    (pipeline({"$project": {"a": bson.Decimal128("0"), "b": 1}}), 31253),
    ({"dropDatabase": 2}, 5255100),
    ({"createIndexes": "things", "indexes": [{"key": {"n": 2}, "name": "n"}]}, 67),
    ({"createIndexes": "things", "indexes": [{"key": {"n": 1}, "name": "*"}]}, 2),
    ({"createIndexes": "things", "indexes": [{"key": {"n": 1}, "name": "n", "v": 3}]}, 67),
    ({"find": "things", "sort": {"n": 2}}, 15975),
    ({"find": "things", "sort": {"n": True}}, 15975),
    ({"find": "things", "sort": {"$n": 1}}, 238),
    ({"find": "things", "sort": {"$natural": 1, "n": 1}}, 2),
    ({"insert": "system.things", "documents": [{"_id": 9}]}, 73),
    ({"insert": "things", "documents": [{"_id": 9}], "txnNumber": bson.Int64(1)}, 20),
    ({"dropIndexes": "things", "index": "_id_"}, 72),
    ({"dropIndexes": "things", "index": {"n": 1}}, 27),
]


@pytest.mark.parametrize(("command", "code"), WRONG, ids=str)
def test_what_mongodb_refuses_is_refused_with_its_code(
    things: Things, command: Document, code: int
) -> None:
    with pytest.raises(OperationFailure) as refusal:
        things.database.command(command)

    assert refusal.value.code == code
    assert things.count_documents({}) == 2


INSERT: Document = {"insert": "things", "documents": [{"_id": 9}]}
WRONG_TYPES: list[tuple[Document, int]] = [
    ({"find": 5}, 73),
    ({"find": "things", "filter": 5}, 14),
    ({"find": "things", "sort": "n"}, 14),
    ({"find": "things", "projection": ["n"]}, 14),
    ({"find": "things", "limit": "1"}, 14),
    ({"find": "things", "limit": True}, 14),
    ({"find": "things", "limit": -1}, 51024),
    ({"find": "things", "skip": -1.5}, 51024),
    ({"find": "things", "batchSize": -1}, 51024),
    ({"find": "things", "singleBatch": 1}, 14),
    ({"find": "things", "maxTimeMS": "1"}, 14),
    ({"find": "things", "readConcern": "local"}, 14),
    ({"find": "things", "readConcern": {"level": 1}}, 14),
    ({"find": "things", "readConcern": {"level": "x"}}, 2),
    ({"find": "things", "readConcern": {"levle": "local"}}, 40415),
    ({"count": "things", "query": []}, 14),
    ({"count": "things", "skip": -1}, 51024),
    ({"distinct": "things"}, 40414),
    ({"distinct": "things", "key": 1}, 14),
    ({"aggregate": "things", "cursor": {}}, 40414),
    ({"aggregate": "things", "pipeline": {}, "cursor": {}}, 14),
    ({"aggregate": "things", "pipeline": []}, 9),
    ({"aggregate": "things", "pipeline": [], "cursor": 1}, 14),
    ({"aggregate": "things", "pipeline": [], "cursor": {"batchSize": -1}}, 51024),
    ({"aggregate": "things", "pipeline": [], "cursor": {"batchSise": 1}}, 40415),
    ({"listIndexes": "things", "cursor": {"x": 1}}, 40415),
    ({"listCollections": 1, "filter": 1}, 14),
    ({"getMore": 1, "collection": "things"}, 14),
    ({"getMore": bson.Int64(1)}, 40414),
    ({"killCursors": "things", "cursors": [1]}, 14),
    (INSERT | {"writeConcern": "x"}, 14),
    (INSERT | {"writeConcern": {"w": []}}, 9),
    (INSERT | {"writeConcern": {"w": "x"}}, 2),
    (INSERT | {"writeConcern": {"j": "x"}}, 14),
    (INSERT | {"writeConcern": {"wtimeuot": 1}}, 40415),
    (INSERT | {"ordered": "x"}, 14),
    ({"insert": "things"}, 40414),
    ({"insert": "things", "documents": []}, 16),
    ({"findAndModify": "things", "query": 5, "remove": True}, 14),
    ({"findAndModify": "things", "query": {}}, 9),
    ({"findAndModify": "things", "remove": True, "update": {}}, 9),
    ({"findAndModify": "things", "remove": True, "new": True}, 9),
    ({"createIndexes": "things", "indexes": []}, 2),
    ({"createIndexes": "things", "indexes": [5]}, 14),
    ({"createIndexes": "things", "indexes": [{"key": "n", "name": "n"}]}, 14),
    ({"createIndexes": "things", "indexes": [{"key": {"n": 1}, "name": 5}]}, 14),
    ({"createIndexes": "things", "indexes": [{"key": {"n": 1}}]}, 40414),
    ({"dropIndexes": "things", "index": 5}, 14),
]


@pytest.mark.parametrize(("command", "code"), WRONG_TYPES, ids=str)
def test_an_option_of_a_wrong_type_or_name_is_refused_with_its_code(
    things: Things, command: Document, code: int
) -> None:
    with pytest.raises(OperationFailure) as refusal:
        things.database.command(command)

    assert refusal.value.code == code
    assert things.database.list_collection_names() == ["things"]
    assert things.count_documents({}) == 2


STATEMENTS: list[tuple[Document, int]] = [
    ({"update": "things", "updates": [{"u": {}}]}, 40414),
    ({"update": "things", "updates": [{"q": 1, "u": {}}]}, 14),
    ({"update": "things", "updates": [{"q": {}, "u": 5}]}, 9),
    ({"update": "things", "updates": [{"q": {"n": 9}, "u": {"$x": {"n": 1}}}]}, 9),
    ({"update": "things", "updates": [{"q": {"n": 9}, "u": {"$inc": {"n": "x"}}}]}, 14),
    ({"update": "others", "updates": [{"q": {}, "u": {"$set": {"a.": 1}}}]}, 56),
    ({"update": "others", "updates": [{"q": {}, "u": {"$pull": {"a": {"$x": 1}}}}]}, 2),
    ({"update": "things", "updates": [{"q": {"n": 9}, "u": {"$rename": {"n": "m"}}}]}, 238),
    ({"update": "things", "updates": [{"q": {}, "u": {"$pop": {"list": 2}}}]}, 9),
    (
        {"update": "things", "updates": [{"q": {"_id.x": 1}, "u": {"n": 1}, "upsert": True}]},
        111,
    ),
    ({"insert": "things", "documents": [{"_id": 9, "at": bson.Timestamp(0, 0)}]}, 238),
    ({"update": "things", "updates": [{"q": {}, "u": {}, "multi": "x"}]}, 14),
    ({"update": "things", "updates": [{"q": {}, "u": {}, "upsret": True}]}, 40415),
    ({"delete": "things", "deletes": [{"q": {}}]}, 40414),
    ({"delete": "things", "deletes": [{"q": [], "limit": 0}]}, 14),
    ({"delete": "things", "deletes": [{"q": {}, "limit": True}]}, 9),
    ({"delete": "things", "deletes": [{"q": {}, "limit": "0"}]}, 9),
]


@pytest.mark.parametrize(("command", "code"), STATEMENTS, ids=str)
def test_a_statement_with_a_wrong_field_is_refused_with_its_code(
    things: Things, command: Document, code: int
) -> None:
    answer: Document = {}
    try:
        answer = things.database.command(command)
    except OperationFailure as refusal:
        answer = {"writeErrors": [{"code": refusal.code}]}

    assert [error["code"] for error in answer["writeErrors"]] == [code]
    assert things.count_documents({}) == 2


@pytest.mark.parametrize("limit", [float("inf"), float("nan"), 1e300, 2**63 - 1, None], ids=str)
def test_a_limit_without_end_gives_all(things: Things, limit: Any) -> None:
    for sort in ({}, {"n": -1}):
        answer = things.database.command({"find": "things", "limit": limit, "sort": sort})

        assert len(answer["cursor"]["firstBatch"]) == 2


@pytest.mark.parametrize("identity", [{"$a": 1}, bson.Regex("x"), [1]], ids=str)
def test_an_id_that_mongodb_cannot_store_is_refused(things: Things, identity: Any) -> None:
    with pytest.raises(WriteError):
        things.insert_one({"_id": identity})


def test_a_delete_of_two_is_refused(things: Things) -> None:
    answer = things.database.command("delete", "things", deletes=[{"q": {}, "limit": 2}])

    assert answer["writeErrors"][0]["code"] == 9
    assert things.count_documents({}) == 2


@pytest.mark.parametrize("lifetime", ["x", -1, float("nan"), True, 2**31], ids=str)
def test_a_lifetime_that_is_no_number_of_seconds_makes_no_index(
    things: Things, lifetime: Any
) -> None:
    with pytest.raises(OperationFailure, match="expireAfterSeconds"):
        things.create_index("at", expireAfterSeconds=lifetime)


UPDATES: list[tuple[Any, str]] = [
    ({"$rename": {"n": "m"}}, "$rename"),
    ({"$set": {"list.$": 1}}, "$"),
    ({"$set": {"list.$[].k": 1}}, "$[]"),
    ({"$set": 5}, "$set"),
    ({"$set": {"a..b": 1}}, "empty"),
    ({"$push": {"list": {"$each": [1], "$sort": 1}}}, "$sort"),
    ([{"$set": {"n": 1}}], "pipeline"),
    ({"$inc": {"n": 1}, "m": 1}, "$inc"),
]


@pytest.mark.parametrize(("update", "name"), UPDATES, ids=str)
def test_updates_that_are_not_implemented_change_nothing(
    things: Things, update: Any, name: str
) -> None:
    before = list(things.find())

    with pytest.raises(OperationFailure) as refusal:
        things.database.command("findAndModify", "things", query={}, update=update)
    answer = things.database.command("update", "things", updates=[{"q": {}, "u": update}])

    assert list(things.find()) == before
    assert name in str(refusal.value)
    assert name in answer["writeErrors"][0]["errmsg"]


def test_write_options_that_are_not_implemented_are_refused(things: Things) -> None:
    with pytest.raises(WriteError, match="arrayFilters"):
        things.update_one({}, {"$set": {"n": 1}}, array_filters=[{"x": 1}])
    with pytest.raises(WriteError, match="collation"):
        things.delete_one({}, collation={"locale": "de"})
    with pytest.raises(OperationFailure, match="bypassDocumentValidation"):
        things.insert_one({}, bypass_document_validation=True)
    with pytest.raises(OperationFailure, match="not replicated"):
        things.with_options(write_concern=WriteConcern(w=2)).insert_one({})


def test_index_options_that_are_not_implemented_are_refused(things: Things) -> None:
    with pytest.raises(OperationFailure, match="partialFilterExpression"):
        things.create_index("n", partialFilterExpression={"n": {"$gt": 1}})
    with pytest.raises(OperationFailure, match="'text'"):
        things.create_index([("n", "text")])
    with pytest.raises(OperationFailure, match="single-field"):
        things.create_index([("n", 1), ("m", 1)], expireAfterSeconds=1)
    things.create_index([("list", 1), ("lust", 1)])
    with pytest.raises(OperationFailure, match="parallel arrays"):
        things.insert_one({"list": [1, 2], "lust": [1, 2]})


def test_values_that_cannot_be_compared_are_stored_all_the_same(things: Things) -> None:
    price = bson.Decimal128("19.99")
    things.insert_one({"_id": 3, "price": price, "at": bson.Timestamp(1, 2), "big": bson.Int64(1)})

    assert things.find_one({"_id": 3}, {"price": 1, "_id": 0}) == {"price": price}
    with pytest.raises(OperationFailure, match="Decimal128"):
        things.find_one({"price": {"$gt": 1}})


def test_what_is_nested_too_deeply_is_refused_and_what_is_not_can_be_compared(
    things: Things,
) -> None:
    deep: Document = {}
    for _ in range(197):
        deep = {"a": deep}
    things.insert_one({"_id": 3, "a": deep})
    assert [each["_id"] for each in things.find({"a": deep}).sort("a", -1)] == [3]

    with pytest.raises(WriteError) as refusal:
        things.insert_one({"_id": 4, "a": {"a": {"a": deep}}})
    with pytest.raises(WriteError, match="200 levels"):
        things.update_one({"_id": 3}, {"$set": {"a": {"a": {"a": deep}}}})
    assert refusal.value.code == 15


def test_names_of_collections_and_databases_are_checked(embedded: MongoClient[Document]) -> None:
    with pytest.raises(OperationFailure, match="Invalid namespace"):
        embedded.refusals.command("insert", "a$b", documents=[{"_id": 1}])
    with pytest.raises(OperationFailure, match="Invalid namespace"):
        embedded.refusals.command("insert", "", documents=[{"_id": 1}])


def test_a_document_over_16_mib_is_refused_and_one_below_is_stored(things: Things) -> None:
    things.insert_one({"_id": 3, "raw": b"x" * (16 * 2**20 - 100)})
    too_large = bson.encode({"_id": 4, "raw": b"x" * (16 * 2**20)})
    raw_things = things.with_options(CodecOptions(document_class=RawBSONDocument))

    with pytest.raises((OperationFailure, DocumentTooLarge)):
        raw_things.bulk_write([InsertOne(RawBSONDocument(too_large))])
    with pytest.raises(WriteError, match="16 MiB"):
        things.update_one({"_id": 3}, {"$set": {"more": "x" * 200}})
    assert len((things.find_one({"_id": 3}) or {})["raw"]) == 16 * 2**20 - 100


def test_a_bulk_larger_than_a_message_goes_through(things: Things) -> None:
    things.insert_many([{"_id": n, "raw": b"x" * 2**20} for n in range(10, 62)])

    assert sum(len(each["raw"]) for each in things.find({"_id": {"$gte": 10}})) == 52 * 2**20


def test_a_write_without_acknowledgement_is_done(things: Things) -> None:
    things.with_options(write_concern=WriteConcern(w=0)).insert_one({"_id": 3})

    wait_until(lambda: things.find_one({"_id": 3}))
