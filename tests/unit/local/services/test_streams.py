"""The batches of one shard: windows, halves, retries, partial failures and what is given up."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.services.delivery import Undelivered
from local.services.streams import Shard, sequence_of
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
        taken, self.waiting = self.waiting, []
        return taken

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

    assert world.given_up == [([1], "RecordAgeExceeded", 2)]


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
