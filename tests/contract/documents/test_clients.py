"""The first commands of well-known clients, in their own words."""

from collections.abc import Iterator
from typing import Any

import bson
import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure

Document = dict[str, Any]
NODE: Document = {"backpressure": "2", "helloOk": True, "compression": ["none"]}
COUNT: Document = {"$group": {"_id": 1, "n": {"$sum": 1}}}
STORED: Document = {"_id": 1, "name": "a", "price": 1.5, "tags": ["x"]}


def write(name: str, **statement: Any) -> Document:
    field = f"{name}s" if name != "insert" else "documents"
    return {name: "things", field: [statement], "ordered": True}


def indexes(*definitions: Document) -> Document:
    return {"createIndexes": "things", "indexes": list(definitions)}


MONGOSH: list[Document] = [
    {"ismaster": 1, **NODE, "client": {"application": {"name": "mongosh 2.12.0"}}},
    {"hello": 1, "topologyVersion": None},
    {"buildInfo": 1},
    {
        "aggregate": "atlascli",
        "pipeline": [{"$match": {"managedClusterType": "atlasCliLocalDevCluster"}}, COUNT],
        "cursor": {},
    },
    {"listDatabases": 1, "nameOnly": True},
    {"listCollections": 1, "filter": {}, "cursor": {}, "nameOnly": True}
    | {"authorizedCollections": False},
    {"find": "things", "filter": {"price": {"$gte": 1}}, "sort": {"price": -1}, "limit": 5},
    indexes({"name": "price_1", "key": {"price": 1}}),
    {"listIndexes": "things", "cursor": {}},
    {"dropIndexes": "things", "index": {"price": 1}},
    {"serverStatus": 1},
    {"connectionStatus": 1, "showPrivileges": False},
    {"endSessions": [{"id": bson.Binary(b"x" * 16, 4)}]},
]
MONGOOSE: list[Document] = [
    {"create": "others"},
    indexes(
        {"name": "name_1", "key": {"name": 1}, "background": True},
        {"name": "at_1", "key": {"at": 1}, "expireAfterSeconds": 3600, "background": True},
    ),
    {"listIndexes": "things", "cursor": {}},
    {"find": "things", "filter": {"name": "a"}, "limit": 1, "singleBatch": True, "batchSize": 1},
    write("update", q={"_id": 1}, u={"$set": {"name": "b"}, "$push": {"tags": {"$each": ["y"]}}}),
    write("update", q={}, u={"$addToSet": {"tags": "z"}}, multi=True, upsert=False),
    {"findAndModify": "things", "query": {"name": "b"}, "remove": False, "new": True}
    | {"upsert": True, "update": {"$set": {"name": "c"}, "$setOnInsert": {"__v": 0}}},
    {"count": "things", "query": {}},
    {"aggregate": "things", "pipeline": [{"$match": {}}, COUNT], "cursor": {}},
]
BEANIE: list[Document] = [
    {"listCollections": 1, "cursor": {}, "authorizedCollections": True, "nameOnly": True},
    {"createIndexes": "things"}
    | {"indexes": [{"unique": True, "name": "name_1", "key": {"name": 1}}]},
    {"findAndModify": "things", "query": {"_id": 1}, "new": True, "upsert": True}
    | {"update": {"$set": {"_id": 1, "name": "a", "tags": []}}},
    {"find": "things", "filter": {"price": {"$gte": 1}}, "sort": {"price": -1}, "limit": 5}
    | {"projection": {"_id": 1, "revision_id": 1, "name": 1, "tags": 1}},
    {
        "aggregate": "things",
        "pipeline": [
            {"$group": {"_id": None, "avg": {"$avg": "$price"}}},
            {"$project": {"_id": 0, "avg": 1}},
        ],
        "cursor": {},
    },
    {"dropDatabase": 1, "comment": None},
]
MONGOENGINE: list[Document] = [
    indexes(
        {"background": False, "unique": True, "sparse": False, "name": "n_1", "key": {"n": 1}},
        {"background": False, "name": "a_-1_n_1", "key": {"a": -1, "n": 1}},
    ),
    write("update", q={"name": "a"}, u={"$inc": {"a": 1}, "$push": {"tags": "c"}}, multi=True),
    write("update", q={"name": "a"}, u={"$pull": {"tags": "a"}}, multi=True, upsert=False),
    {"distinct": "things", "key": "name", "query": {"price": {"$ne": None}}},
    {"find": "things", "filter": {"_id": {"$in": [1, 2]}}, "projection": {"name": 1}},
    write("delete", q={"a": None}, limit=0),
    {"drop": "things"},
]
ODMANTIC: list[Document] = [
    write("update", q={"_id": 1}, u={"$set": {"founded": 5}}, multi=False, upsert=True)
    | {"lsid": {"id": bson.Binary(b"x" * 16, 4)}},
    {"aggregate": "things", "cursor": {}}
    | {"pipeline": [{"$match": {"founded": {"$gte": 3}}}, {"$sort": {"founded": -1}}]},
    {"aggregate": "things", "pipeline": [{"$match": {}}, {"$limit": 1}], "cursor": {}},
    write("delete", q={"_id": 1}, limit=0),
]
CLIENTS = {
    "mongosh": MONGOSH,
    "mongoose": MONGOOSE,
    "beanie": BEANIE,
    "mongoengine": MONGOENGINE,
    "odmantic": ODMANTIC,
}


@pytest.fixture
def database(embedded: MongoClient[Document]) -> Iterator[Database[Document]]:
    embedded.clients.things.insert_one(dict(STORED))
    yield embedded.clients
    embedded.drop_database("clients")


@pytest.mark.parametrize("client", CLIENTS)
def test_the_first_commands_of_a_client_are_answered(
    database: Database[Document], client: str
) -> None:
    for command in CLIENTS[client]:
        answer = database.command(dict(command))

        assert answer["ok"] == 1
        assert "writeErrors" not in answer, (command, answer)


def test_cursors_have_ids_of_64_bits_wherever_one_is(database: Database[Document]) -> None:
    for command in (
        {"find": "things"},
        {"aggregate": "things", "pipeline": [], "cursor": {}},
        {"listIndexes": "things"},
        {"listCollections": 1},
    ):
        assert isinstance(database.command(command)["cursor"]["id"], bson.Int64)


def test_the_index_on_id_is_shown_as_mongodb_shows_it(database: Database[Document]) -> None:
    database.command(indexes({"name": "_id_", "key": {"_id": 1}}))

    assert database.command("listIndexes", "things")["cursor"]["firstBatch"] == [
        {"v": 2, "key": {"_id": 1}, "name": "_id_"}
    ]


def test_databases_are_listed_by_name_and_filter(database: Database[Document]) -> None:
    answer = database.client.admin.command(
        {"listDatabases": 1, "nameOnly": True, "filter": {"name": "clients"}}
    )

    assert answer["databases"] == [{"name": "clients"}]


def test_the_stats_of_collections_and_databases_are_what_is_stored(
    database: Database[Document],
) -> None:
    size = len(bson.encode(STORED))
    database.things.create_index("name")
    of_collection = database.command("collStats", "things")
    of_database = database.command("dbStats", scale=2)

    assert (of_collection["count"], of_collection["size"], of_collection["nindexes"]) == (
        1,
        size,
        2,
    )
    assert (of_database["objects"], of_database["dataSize"]) == (1, size / 2)
    assert database.command("collStats", "absent")["count"] == 0


def test_a_collection_gets_another_name_with_its_documents_and_indexes(
    database: Database[Document],
) -> None:
    database.things.create_index("name", unique=True)
    database.others.insert_one({"_id": 5})
    for target, code in (("others", 48), ("things", 20), ("system.x", 73)):
        with pytest.raises(OperationFailure) as refusal:
            database.things.rename(target)
        assert refusal.value.code == code
    database.things.rename("others", dropTarget=True)

    assert database.list_collection_names() == ["others"]
    assert list(database.others.find({"name": "a"})) == [STORED]
    with pytest.raises(DuplicateKeyError, match=r"clients\.others index: name_1"):
        database.others.insert_one({"name": "a"})
    with pytest.raises(OperationFailure, match="does not exist"):
        database.things.rename("more")


def test_the_server_says_how_long_it_waited_for_the_disk(database: Database[Document]) -> None:
    before = database.command("serverStatus")["log"]["syncs"]
    database.things.insert_one({"_id": 2})
    after = database.command("serverStatus")["log"]["syncs"]

    assert after["count"] > before["count"]
    assert after["seconds"] > before["seconds"]
    assert after["histogram"][-1] == {"leSeconds": float("inf"), "count": after["count"]}
