"""Calls of AWS's other services that reach the port of Lambda and SQS."""

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.integration.gateway_process import GatewayProcess


def client(gateway: GatewayProcess, service: Any) -> Any:
    return boto3.client(
        service,
        region_name="eu-west-1",
        endpoint_url=f"http://127.0.0.1:{gateway.invoke_port}",
        aws_access_key_id="any",
        aws_secret_access_key="thing",
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_sts_tells_the_account_that_every_arn_here_has(gateway: GatewayProcess):
    identity = client(gateway, "sts").get_caller_identity()

    assert identity["Account"] == "000000000000"
    assert identity["Arn"] == "arn:aws:iam::000000000000:root"


@pytest.mark.parametrize(
    ("service", "method", "parameters"),
    [
        ("sts", "get_session_token", {}),
        ("dynamodb", "list_tables", {}),
        ("s3", "list_buckets", {}),
        ("sns", "list_topics", {}),
        ("ec2", "describe_regions", {}),
        ("cloudwatch", "list_metrics", {}),
        ("secretsmanager", "list_secrets", {}),
        ("apigateway", "get_rest_apis", {}),
        ("iam", "list_users", {}),
    ],
)
def test_a_service_that_is_not_here_is_named(
    gateway: GatewayProcess, service: str, method: str, parameters: dict[str, str]
):
    with pytest.raises(ClientError, match=f"service {SIGNED.get(service, service)} is not"):
        getattr(client(gateway, service), method)(**parameters)


SIGNED = {"cloudwatch": "monitoring"}  # the name by which a service's requests are signed
