"""`python -m local redrive` and `queues` on the queues of a running system."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from redis_sqs.redis_queue import RedisQueue
from tests.conftest import free_port
from tests.integration.test_supervisor import PROJECT, System

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
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder: Path = tmp_path_factory.mktemp("redrive")
    (folder / "template.yaml").write_text(TEMPLATE)
    names = ("GATEWAY_PORT", "CONSOLE_PORT", "INVOKE_PORT", "VALKEY_PORT")
    ports = {name: str(free_port()) for name in names}
    inherited = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    system = System(
        folder, int(ports["GATEWAY_PORT"]), {**inherited, **ports, "PYTHONPATH": str(PROJECT)}
    )
    up = system.run("up")
    assert up.returncode == 0, up.stderr
    yield system
    system.run("down")


@pytest.fixture
def orders(system: System) -> RedisQueue:
    """The queue of orders, of which three messages are dead."""
    url = f"redis://127.0.0.1:{system.variables['VALKEY_PORT']}/0"
    orders = RedisQueue("orders", max_receive_count=1, dead_letter="orders-dlq", redis_url=url)
    while batch := orders.receive():
        orders.delete([message.receipt_handle for message in batch])
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

    assert [line.split()[:5] for line in before[1:]] == [
        ["orders", "0", "0", "0", "3"],
        ["orders-dlq", "3", "0", "0", "-"],
    ]
    assert (moved.returncode, moved.stdout) == (0, "completed: 3 messages moved\n")
    assert [line.split()[:5] for line in after[1:]] == [
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


def test_a_queues_messages_are_shown_with_why_they_are_dead(system: System, orders: RedisQueue):
    shown = system.run("queues", "orders-dlq", "-n", "2").stdout

    assert shown.count("received 1x") == 2
    assert shown.count("received 1 times") == 2
    assert "there are more than these 2" in shown


def test_an_unknown_queue_is_refused_with_those_there_are(system: System):
    refused = system.run("queues", "nobody")

    assert refused.returncode == 2
    assert refused.stderr == "there is no queue nobody; there are: orders, orders-dlq\n"
