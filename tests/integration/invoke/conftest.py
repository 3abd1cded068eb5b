"""A gateway that starts the hosts of its functions by itself, and boto3 before it."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.integration.gateway_process import GatewayProcess
from tests.integration.invoke.function import HANDLER, TEMPLATE


@contextmanager
def gateway_before(folder: Path, *options: str, redis_url: str = "") -> Iterator[GatewayProcess]:
    """Start a gateway with the functions under test; events are kept where there is a Redis."""
    (folder / "functions").mkdir()
    (folder / "functions" / "does.py").write_text(HANDLER)
    (folder / "functions" / "broken.py").write_text("import there_is_no_such_module\n")
    variables = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
    if redis_url:
        variables["REDIS_URL"] = redis_url
    with GatewayProcess(folder, TEMPLATE, *options, variables=variables) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with gateway_before(tmp_path_factory.mktemp("invoke")) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Iterator[Any]:
    with client_of(gateway) as client:
        yield client


@contextmanager
def client_of(gateway: GatewayProcess) -> Iterator[Any]:
    """Return boto3's client, which tells what it was answered instead of asking again."""
    client = boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{gateway.invoke_port}",
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=50),
    )
    client.meta.events.register("after-call.lambda.Invoke", _read_payload)
    try:
        yield client
    finally:
        client.close()


def _read_payload(parsed: dict[str, Any], **_: Any) -> None:
    """Read it also where a test does not: a connection with an unread answer is never closed."""
    if "Payload" in parsed:
        parsed["Payload"] = io.BytesIO(parsed["Payload"].read())
