"""The end of a batch by its function's answer."""

import json
from dataclasses import replace

import pytest
import redis

from redis_sqs.redis_queue import RedisQueue, Traits
from tests.contract.queue_redis.orders import pass_time
from tests.integration.queue_workers.poller.site import MAPPING, PollerSite, counts


@pytest.mark.row("4.3")
def test_a_batch_too_large_for_one_event_is_handled_in_several(site: PollerSite):
    environment = site.environment()
    ids = site.queue.send_batch(["x" * 1_000_000] * 9)
    polled = site.run_once()
    events = []
    for _ in range(2):
        invocation = environment.take()
        assert len(json.dumps(invocation["event"])) < 6_291_556
        events.append([record["messageId"] for record in invocation["event"]["Records"]])
        environment.answer(invocation)

    assert polled.result() == 9
    assert sorted(events[0] + events[1]) == sorted(ids)
    assert counts(site) == (0, 0)
    environment.close()


@pytest.mark.row("4.3", "4.9")
def test_of_a_fifo_batch_in_several_events_nothing_is_handled_after_a_failure(site: PollerSite):
    site.queue = RedisQueue("orders.fifo", redis_url=site.url)
    site.queue.declare(Traits(deduplicates_content=True))
    environment = site.environment()
    site.queue.send_batch([letter * 1_000_000 for letter in "abcdefgh"], group="one")
    polled = site.run_once()
    invocation = environment.take()
    third = invocation["event"]["Records"][2]["messageId"]
    environment.answer(invocation, {"batchItemFailures": [{"itemIdentifier": third}]})

    assert polled.result() == 8
    assert counts(site) == (0, 5)
    environment.close()


def test_an_answer_to_another_event_fails_the_batch(site: PollerSite):
    environment = site.environment()
    site.queue.send("{}")
    polled = site.run_once()
    environment.answer({**environment.take(), "id": "of an earlier event"})

    assert polled.result() == 1
    assert counts(site) == (0, 1)
    environment.close()


@pytest.mark.row("4.4")
def test_without_report_batch_item_failures_any_answer_deletes_all(site: PollerSite):
    environment = site.environment()
    ids = site.queue.send_batch(["{}", "{}"])
    polled = site.run_once(replace(MAPPING, report_failures=False))
    failures = {"batchItemFailures": [{"itemIdentifier": ids[0]}]}
    environment.answer(environment.take(), failures)

    assert polled.result() == 2
    assert counts(site) == (0, 0)
    environment.close()


@pytest.mark.row("3.6", "4.5")
def test_a_fifo_batch_that_was_handled_too_late_comes_again_which_is_said(
    site: PollerSite, caplog: pytest.LogCaptureFixture
):
    site.queue = RedisQueue("orders.fifo", redis_url=site.url)
    environment = site.environment()
    site.queue.send("a", group="one", deduplication_id="a")
    polled = site.run_once()
    invocation = environment.take()
    with redis.Redis.from_url(site.url) as server:
        pass_time(server, "orders.fifo", 31)
    environment.answer(invocation)

    assert polled.result() == 1
    assert counts(site) == (1, 0)
    assert "1 message had become visible before they were handled" in caplog.text
    environment.close()


def answered(site: PollerSite, answer: object) -> list[str]:
    """Have a batch of the messages a, b and c answered; returns those that will come again.

    In the answer "id of a" stands for the id of that message, and so do the others.
    """
    environment = site.environment()
    ids = {body: site.queue.send(body) for body in "abc"}
    polled = site.run_once()
    invocation = environment.take()
    text = json.dumps(answer)
    for body, id_ in ids.items():
        text = text.replace(f"id of {body}", id_)
    environment.answer(invocation, json.loads(text))
    assert polled.result() == 3
    environment.close()
    with redis.Redis.from_url(site.url, decode_responses=True) as server:
        left = server.hgetall("queue:orders:entries")
    return sorted(entry.removeprefix("\n") for entry in left.values())


@pytest.mark.row("4.6", "4.8")
@pytest.mark.parametrize(
    ("answer", "again"),
    [
        (None, []),
        ({}, []),
        ({"batchItemFailures": None}, []),
        ({"batchItemFailures": []}, []),
        ({"batchItemFailures": [{"itemIdentifier": "id of a"}]}, ["a"]),
        (
            {"batchItemFailures": [{"itemIdentifier": f"id of {each}"} for each in "bcb"]},
            ["b", "c"],
        ),
    ],
)
def test_only_what_the_answer_names_comes_again(site: PollerSite, answer: object, again: list[str]):
    assert answered(site, answer) == again


@pytest.mark.row("4.7")
@pytest.mark.parametrize(
    "answer",
    [
        "not an object",
        [],
        True,
        {"batchItemFailures": {}},
        {"batchItemFailures": "id of a"},
        {"batchItemFailures": ["id of a"]},
        {"batchItemFailures": [None]},
        {"batchItemFailures": [{}]},
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"itemIdentifier": 1}]},
        {"batchItemFailures": [{"itemIdentifier": ["id of a"]}]},
        {"batchItemFailures": [{"foo": "id of a"}]},
        {"batchItemFailures": [{"itemIdentifier": "id of a"}, {"itemIdentifier": "another"}]},
    ],
)
def test_after_an_answer_that_aws_does_not_understand_the_whole_batch_comes_again(
    site: PollerSite, answer: object
):
    assert answered(site, answer) == ["a", "b", "c"]
