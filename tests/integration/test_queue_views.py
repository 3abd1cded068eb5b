"""The views of the queues' server that a load report reads: dead letters and slow commands."""

from pathlib import Path

import pytest
import redis

from local.machine.dead_letters import BODY_MAX, SHOWN, dead_letters
from local.machine.slow_commands import slow_commands
from local.template import Template, load
from redis_sqs.redis_queue import RedisQueue

QUEUES = """
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


@pytest.fixture
def template(tmp_path: Path) -> Template:
    path = tmp_path / "template.yaml"
    path.write_text(QUEUES)
    return load(path)


def test_the_newest_dead_letters_are_shown_under_their_queue_and_stay_where_they_are(
    template: Template, valkey: str
):
    behind = RedisQueue("orders-dlq", redis_url=valkey)
    RedisQueue("orders", redis_url=valkey).send("alive")
    behind.send_batch([f"letter {number}" for number in range(SHOWN + 1)])
    behind.send("x" * (BODY_MAX + 1))
    listed = dead_letters(template, {"REDIS_URL": valkey})

    assert len(listed) == SHOWN
    assert {each["queue"] for each in listed} == {"orders"}
    assert {len(each["id"]) for each in listed} == {36}
    assert "x" * BODY_MAX in [each["body"] for each in listed]
    assert behind.depth().visible == SHOWN + 2


def test_slow_commands_are_shown_by_their_name_and_without_what_they_carried(valkey: str):
    with redis.Redis.from_url(valkey) as client:
        client.config_set("slowlog-log-slower-than", 0)
        client.set("card", "secret")
        client.config_set("slowlog-log-slower-than", 10_000_000)
    commands = slow_commands({"REDIS_URL": valkey})
    (setting,) = [each for each in commands if each["command"] == "SET"]

    assert setting["duration_ms"] > 0
    assert "secret" not in str(commands)


def test_queues_on_amazon_sqs_have_neither(template: Template):
    variables = {"QUEUE_BACKEND": "sqs"}

    assert dead_letters(template, variables) == slow_commands(variables) == []
