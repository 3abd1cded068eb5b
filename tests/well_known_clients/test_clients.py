"""Well-known clients do their first minutes unchanged: `make clients-test`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from tests.well_known_clients.conftest import Clients, has_lines

pytestmark = pytest.mark.clients


@contextmanager
def ended(process: Popen[bytes]) -> Iterator[None]:
    """End a worker, however its test ends."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("queue", "options"),
    [("tasks", ""), ("ordered.fifo", ", MessageGroupId='one'")],
)
def test_celery_runs_tasks_and_retries_them(
    clients: Clients, lines: Path, queue: str, options: str
):
    variables = {"QUEUE": queue, "LINES_FILE": str(lines)}
    send = (
        "from celery_tasks import write\n"
        "for text in ('once', 'again'):\n"
        f"    write.apply_async((text,){options})"
    )
    clients.python("python", "-c", send, **variables)
    worker = clients.start(
        *("celery", "-A", "celery_tasks", "worker", "--pool", "solo", "--loglevel", "warning"),
        **variables,
    )
    with ended(worker):
        has_lines(lines, ["again 0", "again 1", "once 0"])


def test_dramatiq_runs_actors_and_retries_them(clients: Clients, lines: Path):
    variables = {"LINES_FILE": str(lines)}
    send = "from dramatiq_actors import write; write.send('once'); write.send('again')"
    clients.python("python", "-c", send, **variables)
    worker = clients.start(
        *("dramatiq", "dramatiq_actors", "--processes", "1", "--threads", "1"), **variables
    )
    with ended(worker):
        has_lines(lines, ["again", "again", "once"])


def test_aioboto3_sends_a_batch_and_receives_it_by_long_polls(clients: Clients):
    clients.python("python", "aioboto3_queue.py")


def test_the_aws_cli_works_with_queues_and_invokes_functions(clients: Clients, tmp_path: Path):
    def aws(*arguments: str) -> str:
        return clients.python("aws", "--endpoint-url", clients.variables["ENDPOINT"], *arguments)

    url = json.loads(aws("sqs", "get-queue-url", "--queue-name", "by-hand"))["QueueUrl"]
    aws("sqs", "purge-queue", "--queue-url", url)
    aws("sqs", "send-message", "--queue-url", url, "--message-body", "by hand")
    received = json.loads(aws("sqs", "receive-message", "--queue-url", url))
    result = tmp_path / "result.json"
    aws("lambda", "invoke", "--function-name", "Echo", str(result))

    assert received["Messages"][0]["Body"] == "by hand"
    assert json.loads(result.read_text()) == {"came": {}}
    assert json.loads(aws("sts", "get-caller-identity"))["Account"] == "000000000000"


def test_sqs_consumer_and_the_sdk_for_javascript_work(clients: Clients):
    clients.node("consumer.mjs")


def test_mongodb_s_driver_and_mongoose_work(clients: Clients):
    clients.node("documents.mjs")
