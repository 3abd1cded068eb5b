"""Queues on the console: looked into, sent to, moved back, deleted from, purged; by HTTP."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from redis_sqs.redis_queue import RedisQueue
from tests.conftest import wait_until
from tests.integration.console.client import OF_OTHER_SITES, ask, read
from tests.integration.gateway_process import GatewayProcess

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: jobs
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 1}
  Dead: {Type: AWS::SQS::Queue, Properties: {QueueName: dead}}
  Steps:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: steps.fifo
      FifoQueue: true
      ContentBasedDeduplication: true
      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadSteps.Arn, maxReceiveCount: 1}
  DeadSteps: {Type: AWS::SQS::Queue, Properties: {QueueName: dead.fifo, FifoQueue: true}}
"""
MARKUP = '<img src=x onerror="alert(1)">'
SENT = {"body": "x"}
ACTIONS = {
    "jobs/send": SENT,
    "dead/redrive": {"rate_per_s": 500},
    "dead/cancel": {},
    "dead/delete": {"id": "1", "receive_count": 1},
    "dead/purge": {"confirm": "dead"},
}


def started(folder: Path, url: str) -> GatewayProcess:
    return GatewayProcess(folder, TEMPLATE, variables={**os.environ, "REDIS_URL": url})


@pytest.fixture(scope="module")
def running(
    valkey_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with started(tmp_path_factory.mktemp("queues"), valkey_server) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: GatewayProcess, valkey: str) -> GatewayProcess:
    """Return the gateway of empty queues."""
    return running


def dead_letters(url: str, count: int, body: str = "body {}") -> None:
    jobs = RedisQueue("jobs", max_receive_count=1, dead_letter="dead", redis_url=url)
    jobs.send_batch([body.format(number) for number in range(count)])
    while batch := jobs.receive():
        for message in batch:
            jobs.release(message.receipt_handle, after_s=0, reason=MARKUP)
    assert RedisQueue("dead", redis_url=url).depth().visible == count


def bodies_of(queue: str, url: str) -> list[str]:
    with redis.Redis.from_url(url, decode_responses=True) as server:
        entries: list[str] = server.hvals(f"queue:{queue}:entries")
    return sorted(each.partition("\n")[2] for each in entries)


def listed(gateway: GatewayProcess, queue: str, query: str = "") -> Any:
    return read(gateway, f"/api/queues/{queue}/messages{query}")


def test_a_project_without_a_load_test_has_no_view_of_load_runs(gateway):
    assert ask(gateway, "/api/loads").status == 404


def test_messages_are_shown_as_they_are_and_none_is_received(gateway, valkey):
    dead_letters(valkey, 1, MARKUP)
    for _ in range(2):
        (letter,) = listed(gateway, "dead")["messages"]
    about = read(gateway, "/api/queues/dead")

    assert (letter["body"], letter["receive_count"], letter["state"]) == (MARKUP, 1, "visible")
    assert letter["reason"] == f"received 1 time, last: {MARKUP}"
    assert letter["sent_at_ms"] <= letter["first_received_at_ms"] <= letter["visible_at_ms"]
    assert (about["visible"], about["origins"], about["in_flight"]) == (1, ["jobs"], 0)
    assert ask(gateway, "/api/queues/dead/messages").headers["Content-Type"] == "application/json"


def test_a_queue_is_shown_in_pages_and_a_large_body_whole_by_itself(gateway, valkey):
    sent = [RedisQueue("jobs", redis_url=valkey).send(f"{n}" * 5_000) for n in range(3)]
    first, rest = (listed(gateway, "jobs", f"?count=2&first={n}") for n in (0, 2))
    whole = read(gateway, f"/api/queues/jobs/messages/{sent[0]}")

    ids = [each["id"] for page in (first, rest) for each in page["messages"]]
    assert sorted(ids) == sorted(sent)
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert not first["messages"][0]["is_whole"]
    assert len(first["messages"][0]["body"]) < first["messages"][0]["body_bytes"] == 5_000
    assert (whole["body"], whole["is_whole"]) == ("0" * 5_000, True)


def test_a_look_at_large_messages_ends_early_and_goes_on(gateway, valkey):
    jobs = RedisQueue("jobs", redis_url=valkey)
    for _ in range(6):
        jobs.send("x" * 1_000_000)
    first = listed(gateway, "jobs")
    rest = listed(gateway, "jobs", f"?first={first['next']}")

    assert (len(first["messages"]), first["has_more"]) == (5, True)
    assert (len(rest["messages"]), rest["has_more"]) == (1, False)


def test_a_message_is_sent_with_attributes_within_the_limits_of_sqs(gateway, valkey):
    attributes = {
        "tries": {"type": "Number", "value": "3"},
        "raw": {"type": "Binary", "value": "AA=="},
    }
    sent = ask(gateway, "/api/queues/jobs/send", {**SENT, "attributes": attributes, "delay_s": 60})
    (message,) = listed(gateway, "jobs")["messages"]
    refused = {
        "no text": ask(gateway, "/api/queues/jobs/send", {"body": 5}),
        "empty": ask(gateway, "/api/queues/jobs/send", {"body": ""}),
        "too large": ask(gateway, "/api/queues/jobs/send", {"body": "x" * 1_048_577}),
        "too late": ask(gateway, "/api/queues/jobs/send", {**SENT, "delay_s": 901}),
        "no group": ask(gateway, "/api/queues/steps.fifo/send", SENT),
        "no object": ask(gateway, "/api/queues/jobs/send", ["body"]),
    }

    assert message["id"] == sent.json["MessageId"]
    assert (message["state"], message["attributes"]) == ("delayed", attributes)
    assert {name: answer.status for name, answer in refused.items()} == dict.fromkeys(refused, 400)
    assert "MessageGroupId" in refused["no group"].json["message"]
    assert ask(gateway, "/api/queues/nowhere/send", SENT).status == 404
    assert len(bodies_of("jobs", valkey)) == 1


def test_a_dead_letter_is_deleted_unless_somebody_received_it_since(gateway, valkey):
    dead_letters(valkey, 2)
    first, second = listed(gateway, "dead")["messages"]
    RedisQueue("dead", redis_url=valkey).receive(1)
    answers = [
        ask(
            gateway,
            "/api/queues/dead/delete",
            {name: each[name] for name in ("id", "receive_count")},
        )
        for each in (first, second, second)
    ]

    assert [answer.status for answer in answers] == [409, 200, 200]
    assert [answer.json.get("deleted") for answer in answers] == [None, 1, 0]
    assert bodies_of("dead", valkey) == [first["body"]]


def test_chosen_dead_letters_go_back_and_their_task_is_shown(gateway, valkey):
    dead_letters(valkey, 5)
    chosen = [each["id"] for each in listed(gateway, "dead")["messages"][:2]]
    begun = ask(gateway, "/api/queues/dead/redrive", {"rate_per_s": 500, "ids": chosen})
    task = wait_until(lambda: ended(gateway))
    nothing = ask(gateway, "/api/queues/dead/redrive", {"ids": []})

    assert begun.json["move_task"]["to_move"] == 2
    assert (task["status"], task["moved"], task["source"]) == ("COMPLETED", 2, "dead")
    assert (len(bodies_of("jobs", valkey)), len(bodies_of("dead", valkey))) == (2, 3)
    assert (nothing.status, nothing.json["message"]) == (400, "no message is chosen")


def test_messages_of_a_fifo_queue_go_back_all_together_and_one_may_be_deleted(gateway, valkey):
    for number in range(3):
        sent = ask(gateway, "/api/queues/steps.fifo/send", {"body": str(number), "group": "a"})
        assert sent.status == 200, sent.body
    steps = RedisQueue("steps.fifo", max_receive_count=1, dead_letter="dead.fifo", redis_url=valkey)
    for message in steps.receive():
        steps.release(message.receipt_handle, after_s=0)
    steps.receive()
    letters = {each["body"]: each for each in listed(gateway, "dead.fifo")["messages"]}
    some = ask(gateway, "/api/queues/dead.fifo/redrive", {"ids": [letters["0"]["id"]]})
    second = {name: letters["1"][name] for name in ("id", "receive_count")}
    deleted = ask(gateway, "/api/queues/dead.fifo/delete", second)
    ask(gateway, "/api/queues/dead.fifo/redrive", {})
    wait_until(lambda: ended(gateway, "dead.fifo"))

    assert (some.status, "in their order" in some.json["message"]) == (400, True)
    assert deleted.json == {"deleted": 1}
    assert [message.body for message in steps.receive()] == ["0", "2"]


def test_what_cannot_be_moved_is_refused_in_a_sentence(gateway, valkey):
    dead_letters(valkey, 1)
    refused = [
        ask(gateway, "/api/queues/jobs/redrive", {}),
        ask(gateway, "/api/queues/dead/redrive", {"rate_per_s": 501}),
        ask(gateway, "/api/queues/dead/redrive", {"rate_per_s": 0}),
        ask(gateway, "/api/queues/dead/redrive", {"to": "nowhere"}),
        ask(gateway, "/api/queues/dead/redrive", {"to": "steps.fifo"}),
        ask(gateway, "/api/queues/dead/redrive", {"ids": ["x"] * 1_001}),
        ask(gateway, "/api/queues/dead/cancel", {}),
    ]

    assert [answer.status for answer in refused] == [400] * 6 + [409]
    assert all(answer.json["message"] for answer in refused)
    assert bodies_of("dead", valkey) == ["body 0"]


def test_a_queue_is_purged_only_by_its_name(gateway, valkey):
    dead_letters(valkey, 2)
    unconfirmed = [
        ask(gateway, "/api/queues/dead/purge", body)
        for body in ({}, {"confirm": "jobs"}, {"confirm": 1})
    ]
    before = bodies_of("dead", valkey)
    purged = ask(gateway, "/api/queues/dead/purge", {"confirm": "dead"})
    again = ask(gateway, "/api/queues/dead/purge", {"confirm": "dead"})

    assert [answer.status for answer in unconfirmed] == [400] * 3
    assert len(before) == 2
    assert (purged.status, bodies_of("dead", valkey)) == (200, [])
    assert (again.status, "60 seconds" in again.json["message"]) == (403, True)


@pytest.mark.parametrize("path", ACTIONS)
def test_no_page_of_another_site_changes_a_queue(gateway, valkey, path):
    dead_letters(valkey, 1)
    statuses = [
        ask(gateway, f"/api/queues/{path}", ACTIONS[path], headers).status
        for headers in OF_OTHER_SITES
    ]
    by_get = ask(gateway, f"/api/queues/{path}").status

    assert (statuses, by_get) == ([403, 403, 403, 415], 405)
    assert (bodies_of("dead", valkey), bodies_of("jobs", valkey)) == (["body 0"], [])
    assert read(gateway, "/api/move_tasks") == {"move_tasks": []}


def test_a_redrive_that_dies_in_the_middle_loses_nothing_and_says_so(gateway, tmp_path, valkey):
    dead_letters(valkey, 200)
    with started(tmp_path, valkey) as other:
        ask(other, "/api/queues/dead/redrive", {"rate_per_s": 50})
        wait_until(lambda: read(other, "/api/queues/dead")["move_task"]["moved"] > 0)
        other.kill()
    moved, stayed = bodies_of("jobs", valkey), bodies_of("dead", valkey)
    with redis.Redis.from_url(valkey) as server:
        server.hincrby("queue:dead:move_task", "beat_ms", -16_000)
    task = read(gateway, "/api/queues/dead")["move_task"]
    ask(gateway, "/api/queues/dead/redrive", {"rate_per_s": 500})
    wait_until(lambda: ended(gateway))

    assert 0 < len(moved) < 200
    assert sorted(moved + stayed) == sorted(f"body {number}" for number in range(200))
    assert (task["status"], task["moved"]) == ("FAILED", len(moved))
    assert "its process has gone" in task["failure"]
    assert bodies_of("jobs", valkey) == sorted(moved + stayed)
    assert bodies_of("dead", valkey) == []


def ended(gateway: GatewayProcess, queue: str = "dead") -> Any:
    """Return the task of the dead letters once it does not run any more."""
    task = read(gateway, f"/api/queues/{queue}")["move_task"]
    return task if task["status"] != "RUNNING" else None
