"""Redrive by the SQS API: start, list and cancel move tasks."""

import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.template.intrinsics import REGION
from redis_sqs.moves import Moves
from tests.conftest import wait_until
from tests.integration.gateway_process import GatewayProcess
from tests.integration.sqs_api.conftest import TEMPLATE, client_of
from tests.integration.sqs_api.places import FAILED, PATIENT, URL

pytestmark = pytest.mark.row("3.10")

ARN = f"arn:aws:sqs:{REGION}:000000000000:"
DEAD = f"{ARN}failed"


def bury(sqs: Any, count: int) -> None:
    """Have so many messages of the queue of jobs die of being received too often."""
    for number in range(count):
        sqs.send_message(QueueUrl=URL, MessageBody=str(number))
    parameters = {"QueueUrl": URL, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0}
    while "Messages" in sqs.receive_message(**parameters):
        pass


def last(sqs: Any) -> dict[str, Any]:
    (task,) = sqs.list_message_move_tasks(SourceArn=DEAD)["Results"]
    return dict(task)


def visible(sqs: Any, url: str) -> int:
    name = "ApproximateNumberOfMessages"
    parameters = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(parameters["Attributes"][name])


def test_a_task_moves_dead_letters_back_and_is_listed(sqs):
    bury(sqs, 12)
    handle = sqs.start_message_move_task(SourceArn=DEAD)["TaskHandle"]
    wait_until(lambda: last(sqs)["Status"] == "COMPLETED")
    ended = last(sqs)

    assert handle
    assert ended.pop("StartedTimestamp") > 1_600_000_000_000
    assert ended == {
        "Status": "COMPLETED",
        "SourceArn": DEAD,
        "MaxNumberOfMessagesPerSecond": 500,
        "ApproximateNumberOfMessagesMoved": 12,
        "ApproximateNumberOfMessagesToMove": 12,
    }
    assert (visible(sqs, URL), visible(sqs, FAILED)) == (12, 0)


def test_a_task_to_another_queue_is_canceled_by_its_handle(sqs):
    bury(sqs, 20)
    other = f"{ARN}patient"
    handle = sqs.start_message_move_task(
        SourceArn=DEAD, DestinationArn=other, MaxNumberOfMessagesPerSecond=2
    )["TaskHandle"]
    running = last(sqs)
    with pytest.raises(ClientError, match="There is already a task running"):
        sqs.start_message_move_task(SourceArn=DEAD)
    moved = sqs.cancel_message_move_task(TaskHandle=handle)["ApproximateNumberOfMessagesMoved"]
    with pytest.raises(sqs.exceptions.ResourceNotFoundException):
        sqs.cancel_message_move_task(TaskHandle=handle)
    ended = last(sqs)

    assert (running["Status"], running["TaskHandle"]) == ("RUNNING", handle)
    assert (running["DestinationArn"], running["MaxNumberOfMessagesPerSecond"]) == (other, 2)
    assert moved < 20
    assert ended["Status"] == "CANCELLED"
    assert "TaskHandle" not in ended
    assert (visible(sqs, PATIENT), visible(sqs, FAILED)) == (moved, 20 - moved)


def test_a_message_that_came_from_no_queue_fails_the_task(sqs):
    sqs.send_message(QueueUrl=FAILED, MessageBody="sent by hand")
    sqs.start_message_move_task(SourceArn=DEAD)
    wait_until(lambda: last(sqs)["Status"] == "FAILED")

    assert "name a destination" in last(sqs)["FailureReason"]
    assert visible(sqs, FAILED) == 1


def test_a_task_ends_with_its_gateway_and_may_be_started_again(tmp_path: Path, valkey: str):
    variables = {**os.environ, "REDIS_URL": valkey}
    with GatewayProcess(tmp_path, TEMPLATE, variables=variables) as gateway:
        sqs = client_of(gateway)
        bury(sqs, 5)
        sqs.start_message_move_task(SourceArn=DEAD, MaxNumberOfMessagesPerSecond=1)
        sqs.close()
        gateway.terminate()
        gateway.exit_code()
    moves = Moves("failed", ["jobs"], redis_url=valkey)
    ended = moves.last()
    rest = moves.run()

    assert ended is not None
    assert (ended.status, rest.status) == ("CANCELLED", "COMPLETED")
    assert ended.moved + rest.moved == 5


@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("start", {"SourceArn": f"{ARN}nowhere"}, "ResourceNotFoundException"),
        ("start", {"SourceArn": f"{ARN}jobs"}, "InvalidParameterValue"),
        ("start", {"SourceArn": DEAD, "DestinationArn": DEAD}, "InvalidParameterValue"),
        ("start", {"SourceArn": DEAD, "DestinationArn": f"{ARN}no"}, "ResourceNotFoundException"),
        (
            "start",
            {"SourceArn": DEAD, "DestinationArn": f"{ARN}steps.fifo"},
            "InvalidParameterValue",
        ),
        (
            "start",
            {"SourceArn": DEAD, "MaxNumberOfMessagesPerSecond": 501},
            "InvalidParameterValue",
        ),
        ("list", {"SourceArn": f"{ARN}nowhere"}, "ResourceNotFoundException"),
        ("list", {"SourceArn": DEAD, "MaxResults": 11}, "InvalidParameterValue"),
        ("cancel", {"TaskHandle": "nonsense"}, "InvalidParameterValue"),
        ("cancel", {"TaskHandle": "e30="}, "InvalidParameterValue"),
    ],
)
def test_what_cannot_be_moved_is_refused(sqs, action, parameters, code):
    method = f"{action}_message_move_task{'s' if action == 'list' else ''}"
    with pytest.raises(ClientError) as caught:
        getattr(sqs, method)(**parameters)

    assert caught.value.response["Error"]["Code"] == code


def test_a_queue_without_a_task_lists_none(sqs):
    assert sqs.list_message_move_tasks(SourceArn=DEAD)["Results"] == []
