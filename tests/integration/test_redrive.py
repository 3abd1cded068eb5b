"""`python -m local redrive`, `send` and `queues` on the queues of a running system."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from redis_sqs import Typed
from redis_sqs.redis_queue import RedisQueue
from tests.conftest import free_port
from tests.integration.counter_system import PROJECT, System

PATHS = f"{PROJECT}:{PROJECT / 'layers/backend/python'}"

pytestmark = pytest.mark.row("3.10")

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: orders
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 1}
  Dead:
    Type: AWS::SQS::Queue
    Properties: {QueueName: orders-dlq}
  InOrder:
    Type: AWS::SQS::Queue
    Properties: {QueueName: steps.fifo, FifoQueue: true}
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder: Path = tmp_path_factory.mktemp("redrive")
    (folder / "template.yaml").write_text(TEMPLATE)
    names = ("GATEWAY_PORT", "CONSOLE_PORT", "INVOKE_PORT", "VALKEY_PORT", "OTLP_PORT")
    ports = {name: str(free_port()) for name in names}
    inherited = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    system = System(folder, int(ports["GATEWAY_PORT"]), {**inherited, **ports, "PYTHONPATH": PATHS})
    up = system.run("up")
    assert up.returncode == 0, up.stderr
    yield system
    system.run("down")


@pytest.fixture
def orders(system: System) -> RedisQueue:
    """The queue of orders, of which three messages are dead."""
    url = f"redis://127.0.0.1:{system.variables['VALKEY_PORT']}/0"
    orders = RedisQueue("orders", max_receive_count=1, dead_letter="orders-dlq", redis_url=url)
    with redis.Redis.from_url(url) as server:
        server.flushdb()
    orders.send_batch(["1", "2", "3"])
    for message in orders.receive():
        orders.release(message.receipt_handle, after_s=0)
    orders.receive()
    return orders


def test_dead_letters_are_shown_moved_back_and_listed(system: System, orders: RedisQueue):
    before = system.run("queues").stdout.splitlines()
    moved = system.run("redrive", "orders-dlq", "--rate", "100")
    after = system.run("queues").stdout.splitlines()
    listed = system.run("redrive", "--list").stdout.splitlines()

    assert [line.split()[:5] for line in before[1:3]] == [
        ["orders", "0", "0", "0", "3"],
        ["orders-dlq", "3", "0", "0", "-"],
    ]
    assert (moved.returncode, moved.stdout) == (0, "completed: 3 messages moved\n")
    assert [line.split()[:5] for line in after[1:3]] == [
        ["orders", "3", "0", "0", "0"],
        ["orders-dlq", "0", "0", "0", "-"],
    ]
    assert after[2].split()[5] == "-"
    assert listed[1].split()[5:9] == ["COMPLETED", "100", "3", "3"]
    assert sorted(message.body for message in orders.receive()) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "there are: orders-dlq"),
        (["orders"], "there are: orders-dlq"),
        (["orders-dlq", "--rate", "501"], "1 to 500"),
        (["orders-dlq", "--to", "nowhere"], "no other queue 'nowhere'"),
        (["orders-dlq", "--to", "orders-dlq"], "no other queue"),
        (["orders-dlq", "--cancel"], "no task runs on orders-dlq"),
    ],
)
def test_what_cannot_be_moved_is_said_in_a_sentence(
    system: System, arguments: list[str], complaint: str
):
    refused = system.run("redrive", *arguments)

    assert refused.returncode == 2
    assert complaint in refused.stderr


def send(system: System, *arguments: str, body: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run `send` with this standard input."""
    return subprocess.run(
        [sys.executable, "-m", "local", "send", *arguments, "--state", str(system.state)],
        env=system.variables,
        cwd=system.folder,
        input=body,
        capture_output=True,
        timeout=90,
        check=False,
    )


def test_a_message_of_ones_own_is_sent_with_its_attributes(system: System, orders: RedisQueue):
    typed = ("--attribute", "tries:Number=3", "--attribute", "raw:Binary.png=AAE=")
    by_argument = send(system, "orders", '{"n": 1}', "--attribute", "kind=a=b", *typed)
    by_input = send(system, "orders", body='{"n": "ä"}\n'.encode())

    messages = {message.message_id: message for message in orders.receive()}
    assert by_argument.returncode == by_input.returncode == 0, by_argument.stderr
    first, second = (messages[each.stdout.decode().strip()] for each in (by_argument, by_input))
    assert (first.body, second.body) == ('{"n": 1}', '{"n": "ä"}')
    assert first.attributes == {
        "kind": "a=b",
        "tries": Typed("Number", "3"),
        "raw": Typed("Binary.png", b"\x00\x01"),
    }


def test_a_message_for_a_fifo_queue_has_a_group_and_is_sent_once(system: System):
    fifo = ("steps.fifo", "step", "--group", "ada", "--deduplication-id", "1")
    ids = [send(system, *fifo).stdout for _ in range(2)]
    url = f"redis://127.0.0.1:{system.variables['VALKEY_PORT']}/0"

    (message,) = RedisQueue("steps.fifo", redis_url=url).receive()
    assert {each.decode().strip() for each in ids} == {message.message_id}
    assert message.system["MessageGroupId"] == "ada"


@pytest.mark.parametrize(
    ("arguments", "body", "complaint"),
    [
        (["nowhere", "x"], b"", "there is no queue 'nowhere'; there are: orders, orders-dlq"),
        (["orders"], b"", "a message must not be empty"),
        (["orders"], b"\xff", "standard input is no UTF-8 text"),
        (["orders", "\x01"], b"", "must not hold"),
        (["steps.fifo", "x"], b"", "needs a group"),
        (["steps.fifo", "x", "--group", "a"], b"", "needs a deduplication_id"),
        (["orders", "x", "--delay", "901"], b"", "no whole number from 0 to 900"),
        (["orders", "x", "--attribute", "n:Numer=3"], b"", "no data type"),
        (["orders", "x", "--attribute", "n:Binary=?"], b"", "no base64"),
        (["orders", "x", "--attribute", "n"], b"", "no KEY=VALUE"),
    ],
)
def test_what_cannot_be_sent_is_said_in_a_sentence_and_sends_nothing(
    system: System, orders: RedisQueue, arguments: list[str], body: bytes, complaint: str
):
    refused = send(system, *arguments, body=body)

    assert refused.returncode == 2
    assert complaint in refused.stderr.decode()
    assert "Traceback" not in refused.stderr.decode()
    assert orders.depth().total == 0


def test_the_messages_of_a_queue_are_shown_with_their_failures_and_stay(
    system: System, orders: RedisQueue
):
    orders.send("x" * 1600)
    (message,) = orders.receive()
    orders.release(message.receipt_handle, after_s=60, reason="no answer")
    waiting = system.run("queues", "orders").stdout
    dead = system.run("queues", "orders-dlq").stdout
    nothing = system.run("queues", "nowhere")

    assert f"{message.message_id}  retrying, received 1x\n  sent " in waiting
    assert "\n  no answer\n  xxx" in waiting
    assert waiting.endswith(f"{1000 * 'x'}...\n")
    assert dead.count("received 1 time") == 3
    assert (nothing.returncode, "there are: orders" in nothing.stderr) == (2, True)
    assert (orders.depth().retrying, orders.receive()) == (1, [])
