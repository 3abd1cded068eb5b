"""Commands that take long: others are answered meanwhile, and each of them ends."""

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from tests.conftest import wait_until

Document = dict[str, Any]
Things = Collection[Document]
COUNT = 20_000


@pytest.fixture(scope="module")
def many(embedded: MongoClient[Document]) -> Iterator[Things]:
    embedded.turns.many.insert_many([{"_id": n, "n": n % 10} for n in range(COUNT)])
    yield embedded.turns.many
    embedded.drop_database("turns")


def answers_during(many: Things, command: Callable[[], Any]) -> tuple[int, Any]:
    """Return how many pings were answered while the command ran, and its result or refusal."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(command())
        except OperationFailure as refusal:
            results.append(refusal)

    thread = threading.Thread(target=run)
    thread.start()
    for pings in itertools.count():  # ends with the command, whose time is bounded
        if not thread.is_alive():
            return pings, results[0]
        many.database.client.admin.command("ping")
    raise AssertionError


LONG: dict[str, tuple[Callable[[Things], Any], Any]] = {
    "scan": (lambda many: many.count_documents({"$or": [{"x": n} for n in range(30)]}), 0),
    "sort": (lambda many: next(many.find().sort([("n", -1), ("_id", -1)]))["_id"], COUNT - 1),
    "group": (lambda many: len(list(many.aggregate([{"$group": {"_id": "$n"}}]))), 10),
    "update": (lambda many: many.update_many({}, {"$inc": {"z": 1}}).modified_count, COUNT),
    "bulk": (
        lambda many: many.database.bulk.insert_many([{"_id": n} for n in range(COUNT)]) and 1,
        1,
    ),
}


@pytest.mark.parametrize("name", LONG)
def test_others_are_answered_while_a_command_takes_long(many: Things, name: str) -> None:
    command, expected = LONG[name]
    pings, result = answers_during(many, lambda: command(many))

    assert result == expected
    assert pings > 1


def test_a_command_ends_when_its_own_time_is_over(many: Things) -> None:
    with pytest.raises(OperationFailure) as refusal:
        many.find_one({"x": 1}, max_time_ms=5)

    assert refusal.value.code == 50


def test_a_pattern_that_needs_for_ever_is_ended(many: Things) -> None:
    many.database.texts.insert_one({"_id": 1, "text": "a" * 50 + "b"})

    with pytest.raises(OperationFailure, match="regular expression") as refusal:
        many.database.texts.find_one({"text": {"$regex": "^(a+)+$"}})

    assert refusal.value.code == 50


def test_an_update_of_many_meets_each_document_as_it_is(many: Things) -> None:
    counters = many.database.counters
    counters.insert_many([{"_id": n, "state": "open", "n": 0} for n in range(COUNT // 2)])
    closing = threading.Thread(
        target=lambda: counters.update_many({"state": "open"}, {"$inc": {"n": 1}})
    )
    closing.start()
    wait_until(lambda: counters.find_one({"_id": 0, "n": 1}))
    late = counters.update_one(
        {"_id": COUNT // 2 - 1, "n": 0}, {"$set": {"state": "closed", "n": 5}}
    )
    closing.join()

    last = counters.find_one({"_id": COUNT // 2 - 1})
    changed_late = {"_id": COUNT // 2 - 1, "state": "closed", "n": 5}
    assert last == (
        changed_late if late.modified_count else changed_late | {"state": "open", "n": 1}
    )


def test_a_read_of_a_collection_that_is_dropped_meanwhile_ends(many: Things) -> None:
    dropped = many.database.dropped
    dropped.insert_many([{"_id": n} for n in range(COUNT // 2)])
    started = threading.Event()

    def drop() -> None:
        started.wait()
        dropped.drop()

    def count() -> int:
        started.set()
        return dropped.count_documents({"x": 1})

    thread = threading.Thread(target=drop)
    thread.start()
    _, result = answers_during(many, count)
    thread.join()

    assert result == 0 or result.code == 175


TOO_MANY: dict[str, tuple[Document, int]] = {
    "branches": ({"find": "many", "filter": {"$or": [{"n": 1}] * 2_001}}, 2),
    "nested": ({"count": "many", "query": {"$or": [{"$nor": [{"n": 1}] * 1_000}] * 2}}, 2),
    "values": ({"find": "many", "filter": {"n": {"$in": [1] * 100_001}}}, 2),
    "sort": ({"find": "many", "sort": {f"n{n}": 1 for n in range(33)}}, 13103),
    "projection": ({"find": "many", "projection": {f"n{n}": 1 for n in range(5_001)}}, 2),
    "stages": ({"aggregate": "many", "pipeline": [{"$skip": 0}] * 1_001, "cursor": {}}, 7749501),
}


@pytest.mark.parametrize("name", TOO_MANY)
def test_what_would_keep_the_server_busy_is_refused_with_its_limit(many: Things, name: str) -> None:
    command, code = TOO_MANY[name]
    with pytest.raises(OperationFailure, match=r"(more|longer) than \d+|at most \d+") as refusal:
        many.database.command(command)

    assert refusal.value.code == code
