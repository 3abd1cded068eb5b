"""One contract for every queue: what senders and receivers rely on, on Valkey, through the SQS API
of this machine, and on moto's SQS.

The deploy drill asks the same of an SQS behind a socket: its QUEUE_CLOCK names the file that puts
that one's clock forward, and AWS_ENDPOINT_URL where it is.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from tests.contract.queues.places import OnLocalSqs, OnMinistack, OnMoto, OnValkey, Place
from tests.integration.gateway_process import GatewayProcess

TEMPLATE = """
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: orders
      VisibilityTimeout: 30
      MessageRetentionPeriod: 3600
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 2}
  Dead: {Type: AWS::SQS::Queue, Properties: {QueueName: orders-dlq}}
  Fifo:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: orders.fifo
      FifoQueue: true
      ContentBasedDeduplication: true
      VisibilityTimeout: 30
      MessageRetentionPeriod: 3600
      RedrivePolicy: {deadLetterTargetArn: !GetAtt FifoDead.Arn, maxReceiveCount: 2}
  FifoDead:
    Type: AWS::SQS::Queue
    Properties: {QueueName: orders-dlq.fifo, FifoQueue: true, ContentBasedDeduplication: true}
"""

PLACES = ["ministack"] if "QUEUE_CLOCK" in os.environ else ["valkey", "moto", "local"]


@pytest.fixture(scope="session")
def local_sqs(valkey_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the SQS API of a gateway."""
    folder = tmp_path_factory.mktemp("sqs")
    variables = {**os.environ, "REDIS_URL": valkey_server}
    with GatewayProcess(folder, TEMPLATE, variables=variables) as gateway:
        yield f"http://127.0.0.1:{gateway.invoke_port}"


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A standard queue."""
    yield from made(request, is_fifo=False)


@pytest.fixture(params=PLACES)
def fifo(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A FIFO queue."""
    yield from made(request, is_fifo=True)


def made(request: pytest.FixtureRequest, *, is_fifo: bool) -> Iterator[Place]:
    if request.param == "valkey":
        yield OnValkey(request.getfixturevalue("valkey"), is_fifo=is_fifo)
    elif request.param == "local":
        endpoint = request.getfixturevalue("local_sqs")
        yield OnLocalSqs(request.getfixturevalue("valkey"), endpoint, is_fifo=is_fifo)
    elif request.param == "ministack":
        place = OnMinistack(Path(os.environ["QUEUE_CLOCK"]), is_fifo=is_fifo)
        yield place
        place.delete_queues()
    else:
        with mock_aws():
            yield OnMoto(is_fifo=is_fifo)
