"""The SQS API of a gateway without functions, and boto3 before it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.integration.gateway_process import GatewayProcess

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: jobs
      VisibilityTimeout: 45
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Failed.Arn, maxReceiveCount: 3}
  Failed:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: failed
      RedriveAllowPolicy: {redrivePermission: byQueue, sourceQueueArns: [!GetAtt Jobs.Arn]}
      Tags: [{Key: team, Value: pay}]
  Steps: {Type: AWS::SQS::Queue, Properties: {QueueName: steps.fifo, FifoQueue: true}}
  Patient:
    Type: AWS::SQS::Queue
    Properties: {QueueName: patient, ReceiveMessageWaitTimeSeconds: 1}
"""


@pytest.fixture(scope="module")
def gateway(
    valkey_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder: Path = tmp_path_factory.mktemp("sqs")
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("REDIS_URL", valkey_server)
        with GatewayProcess(folder, TEMPLATE) as gateway:
            yield gateway


@pytest.fixture
def sqs(gateway: GatewayProcess, valkey: str) -> Iterator[Any]:
    """A client of queues that are empty."""
    client = client_of(gateway)
    yield client
    client.close()


def client_of(gateway: GatewayProcess) -> Any:
    """Return boto3's client, which tells what it was answered instead of asking again."""
    return boto3.client(
        "sqs",
        region_name="eu-west-1",
        endpoint_url=f"http://127.0.0.1:{gateway.invoke_port}",
        aws_access_key_id="any",
        aws_secret_access_key="thing",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=50),
    )
