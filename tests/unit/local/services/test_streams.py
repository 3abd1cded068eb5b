"""The batches of one shard: windows, halves, retries, partial failures and what is given up."""

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.services.checkpoints import Checkpoints
from local.services.delivery import Undelivered
from local.services.streams import Shard, Stream, sequence_of
from local.template.model import StreamMapping

NOW_S = 1_000.0


def record(number: int) -> dict[str, Any]:
    return {
        "eventName": "INSERT" if number % 2 else "MODIFY",
        "dynamodb": {"SequenceNumber": str(number), "ApproximateCreationDateTime": NOW_S},
    }


@dataclass
class World:
    """A stream to read, a function that answers as a test says, and what became of the records."""

    answers: Callable[[list[int]], Any]
    waiting: list[dict[str, Any]] = field(default_factory=list)
    batches: list[list[int]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    given_up: list[tuple[list[int], str, int]] = field(default_factory=list)

    def shard(self, **settings: Any) -> Shard:
        mapping = StreamMapping(
            **{"window_s": 0, **settings}, stream="arn", function="F", batch_size=4, starts="LATEST"
        )
        return Shard("s", mapping, self.fetch, self.invoke, self.done.append, self.give_up)

    def fetch(self) -> list[dict[str, Any]]:
        records, self.waiting = self.waiting, []
        return records

    def invoke(self, event: Any) -> tuple[Any, bool]:
        numbers = [int(sequence_of(each)) for each in event["Records"]]
        self.batches.append(numbers)
        answer = self.answers(numbers)
        if isinstance(answer, Exception):
            raise answer
        return answer, answer is False

    def give_up(self, _shard: str, part: list[Any], condition: str, tries: int) -> None:
        self.given_up.append(([int(sequence_of(each)) for each in part], condition, tries))


def run(shard: Shard, rounds: int = 30) -> None:
    """Run a shard through an hour, so that every pause is over."""
    for number in range(rounds):
        shard.run_once(NOW_S + 120 * number)


@pytest.mark.row("5.6")
def test_records_come_in_batches_in_order():
    world = World(lambda _numbers: None, [record(n) for n in range(6)])
    run(world.shard())

    assert world.batches == [[0, 1, 2, 3], [4, 5]]
    assert world.done == ["3", "5"]


@pytest.mark.row("5.6")
def test_a_batch_waits_for_its_window_unless_it_is_full():
    world = World(lambda _numbers: None, [record(1)])
    shard = world.shard(window_s=10)
    shard.run_once(NOW_S)
    shard.run_once(NOW_S + 9)
    assert world.batches == []
    shard.run_once(NOW_S + 10)
    assert world.batches == [[1]]

    world.waiting = [record(n) for n in range(2, 6)]
    shard.run_once(NOW_S + 11)
    assert world.batches == [[1], [2, 3, 4, 5]]


@pytest.mark.row("5.6")
def test_records_that_pass_no_filter_are_done_without_the_function():
    world = World(lambda _numbers: None, [record(n) for n in range(8)])
    run(world.shard(filters=('{"eventName": ["INSERT"], "dynamodb": {"SequenceNumber": ["1"]}}',)))

    assert world.batches == [[1]]
    assert world.done == ["1", "7"]


@pytest.mark.row("5.7")
def test_a_failed_batch_is_halved_until_the_bad_record_is_alone():
    world = World(lambda numbers: 2 not in numbers and None, [record(n) for n in range(4)])
    run(world.shard(bisects=True, retries_max=1))

    assert world.batches == [[0, 1, 2, 3], [0, 1], [2, 3], [2], [2], [3]]
    assert world.given_up == [([2], "RetryAttemptsExhausted", 2)]
    assert world.done == ["1", "2", "3"]


@pytest.mark.row("5.7")
def test_a_failed_batch_blocks_its_shard_until_its_retries_are_over():
    world = World(lambda numbers: False if 1 in numbers else None, [record(n) for n in range(1, 6)])
    run(world.shard(retries_max=2))

    assert world.batches == [[1, 2, 3, 4]] * 3 + [[5]]
    assert world.given_up == [([1, 2, 3, 4], "RetryAttemptsExhausted", 3)]


@pytest.mark.row("5.7")
def test_a_batch_is_given_up_when_its_first_record_is_too_old():
    world = World(lambda _numbers: False, [record(1)])
    run(world.shard(age_max_s=60))

    assert world.given_up == [([1], "RecordAgeExceeded", 1)]


@pytest.mark.row("5.7")
def test_the_age_of_a_record_does_not_go_by_the_clock_of_waits():
    new = record(1)
    new["dynamodb"]["ApproximateCreationDateTime"] = time.time()
    world = World(lambda _numbers: False, [new])
    run(world.shard(age_max_s=1800))

    assert world.given_up == []


@pytest.mark.row("5.7")
def test_retries_pause_longer_each_time():
    world = World(lambda _numbers: False, [record(1)])
    shard = world.shard()
    for at_s in (0.0, 0.9, 1.0, 2.9, 3.0):
        shard.run_once(NOW_S + at_s)

    assert len(world.batches) == 3


@pytest.mark.row("5.8")
@pytest.mark.parametrize(
    ("reported", "batches"),
    [
        ([], [[1, 2, 3]]),
        ([{"itemIdentifier": "2"}], [[1, 2, 3], [2, 3]]),
        ([{"itemIdentifier": "3"}, {"itemIdentifier": "2"}], [[1, 2, 3], [2, 3]]),
        ([{"itemIdentifier": "none of them"}], [[1, 2, 3], [1, 2, 3]]),
        ([{}], [[1, 2, 3], [1, 2, 3]]),
        (["2"], [[1, 2, 3], [1, 2, 3]]),
        (5, [[1, 2, 3], [1, 2, 3]]),
        (None, [[1, 2, 3]]),
    ],
)
def test_records_come_again_from_the_first_that_failed(reported, batches):
    answers = iter([{"batchItemFailures": reported}, None])
    world = World(lambda _numbers: next(answers), [record(n) for n in range(1, 4)])
    run(world.shard(report_failures=True))

    assert world.batches == batches
    assert world.done[-1] == "3"


def test_a_batch_that_cannot_be_delivered_loses_no_try():
    answers = iter([Undelivered("throttled"), Undelivered("throttled"), None])
    world = World(lambda _numbers: next(answers), [record(1)])
    run(world.shard(retries_max=0))

    assert world.batches == [[1]] * 3
    assert world.given_up == []


class Rounds(threading.Event):
    """The end of a stream, which comes after a number of pauses that take no time."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count

    def wait(self, _timeout: float | None = None) -> bool:
        self._left -= 1
        if self._left <= 0:
            self.set()
        return self.is_set()


AWAY = ClientError({"Error": {"Code": "InternalFailure", "Message": "away"}}, "GetRecords")


@dataclass
class Service:
    """The API of a table's stream with one shard, whose next calls fail as a test says."""

    numbers: list[int]
    failures: list[Exception] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    def describe_stream(self, **_named: Any) -> Any:
        return {"StreamDescription": {"Shards": [{"ShardId": "s"}]}}

    def get_shard_iterator(self, **named: Any) -> Any:
        self._fail()
        kind = named["ShardIteratorType"]
        self.opened.append(kind)
        after = {
            "TRIM_HORIZON": lambda: 0,
            "LATEST": lambda: len(self.numbers),
            "AFTER_SEQUENCE_NUMBER": lambda: self.numbers.index(int(named["SequenceNumber"])) + 1,
        }
        return {"ShardIterator": str(after[kind]())}

    def get_records(self, *, ShardIterator: str, **_named: Any) -> Any:
        self._fail()
        records = [record(number) for number in self.numbers[int(ShardIterator) :]]
        return {"Records": records, "NextShardIterator": str(len(self.numbers))}

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


def stream_of(service: Service, invoke: Callable[[list[int]], None], state: Path) -> Stream:
    mapping = StreamMapping(stream="arn", function="F", batch_size=2, window_s=0, starts="LATEST")

    def answer(event: Any) -> tuple[Any, bool]:
        invoke([int(sequence_of(each)) for each in event["Records"]])
        return None, False

    return Stream(
        mapping, service, "arn", answer, Checkpoints(state / "places"), lambda _each: None
    )


def test_a_stream_goes_on_after_what_it_read_when_its_service_was_away(tmp_path):
    service = Service([1, 2])
    batches: list[list[int]] = []

    def invoke(numbers: list[int]) -> None:
        batches.append(numbers)
        if len(batches) == 1:
            service.failures += [AWAY, AWAY, AWAY]  # a read, and the opening twice

    stream = stream_of(service, invoke, tmp_path)
    service.numbers += [3, 4, 5]
    stream.run(Rounds(6))

    assert batches == [[3, 4], [5]]
    assert service.opened == ["LATEST", "AFTER_SEQUENCE_NUMBER"]


def test_a_stream_that_read_nothing_yet_replays_no_history_after_an_error(tmp_path):
    service = Service([1, 2])
    batches: list[list[int]] = []
    stream = stream_of(service, batches.append, tmp_path)
    service.failures.append(AWAY)
    stream.run(Rounds(4))

    assert batches == []
    assert service.opened == ["LATEST", "LATEST"]


def test_a_fault_that_nobody_expects_ends_no_stream(tmp_path):
    service = Service([])
    batches: list[list[int]] = []

    def invoke(numbers: list[int]) -> None:
        batches.append(numbers)
        if len(batches) == 1:
            raise ValueError("no JSON")

    stream = stream_of(service, invoke, tmp_path)
    service.numbers.append(1)
    stream.run(Rounds(4))

    assert batches == [[1], [1]]


def test_data_nested_deeper_than_can_be_read_passes_no_filter_for_json():
    data = base64.b64encode(b"[" * 200_000).decode()
    world = World(lambda _numbers: None, [{"kinesis": {"sequenceNumber": "1", "data": data}}])
    run(world.shard(filters=('{"data": {"a": [1]}}',)))

    assert (world.batches, world.done) == ([], ["1"])
