"""The console's queues and load runs in a real browser: `make console-test`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from redis_sqs.redis_queue import RedisQueue
from tests.browser.chromium import Browser
from tests.browser.conftest import shows
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
"""
MARKUP = '<img src=x onerror="document.title=1"><b>bold</b>'
pytestmark = pytest.mark.browser


@pytest.fixture
def gateway(tmp_path: Path, valkey: str) -> Iterator[GatewayProcess]:
    (tmp_path / "loadtest" / "reports").mkdir(parents=True)
    for name in ("init", "main"):
        (tmp_path / "loadtest" / f"__{name}__.py").touch()
    with GatewayProcess(
        tmp_path, TEMPLATE, variables={**os.environ, "REDIS_URL": valkey}
    ) as running:
        yield running


def address(gateway: GatewayProcess, view: str) -> str:
    return f"http://127.0.0.1:{gateway.console_port}/#/{view}"


def press(page: Browser, label: str) -> None:
    """Click the button that begins with these words."""
    buttons = "[...document.querySelectorAll('main button')]"
    page.evaluate(f"{buttons}.find(each => each.textContent.startsWith('{label}')).click()")


def test_dead_letters_are_read_as_text_and_moved_back(gateway, page: Browser, valkey):
    jobs = RedisQueue("jobs", max_receive_count=1, dead_letter="dead", redis_url=valkey)
    jobs.send(MARKUP)
    jobs.release(jobs.receive()[0].receipt_handle, after_s=0, reason=MARKUP)
    jobs.receive()
    page.open(address(gateway, "queues"))
    shows(page, "jobs")
    page.evaluate("document.querySelector('a[href=\"#/queues/dead\"]').click()")
    never = shows(page, "received 1\u00d7")
    page.evaluate("document.querySelector('.message details').open = true")
    opened = shows(page, f"received 1 time, last: {MARKUP}")
    elements = page.evaluate("document.querySelectorAll('main img, main b b').length")
    press(page, "Move all back")
    moved = shows(page, "is done: 1 of 1 moved.")

    assert "No task has moved messages of this queue yet." in never
    assert opened.count(MARKUP) >= 2
    assert elements == 0
    assert "What was moved is moved" not in moved
    assert shows(page, "No message is here now.")
    assert [message.body for message in jobs.receive()] == [MARKUP]
    assert page.errors == []


def test_a_purge_waits_for_the_queues_name(gateway, page: Browser, valkey):
    jobs = RedisQueue("jobs", redis_url=valkey)
    jobs.send("one")
    page.open(address(gateway, "queues/jobs"))
    shows(page, "one")
    page.evaluate("document.querySelectorAll('details.card').forEach(each => each.open = true)")
    press(page, "Delete every message")
    refused = shows(page, "confirm with its name")
    before = jobs.depth().total
    page.evaluate("document.querySelector('input[aria-label^=Type]').value = 'jobs'")
    press(page, "Delete every message")

    assert "Not done: to delete every message of jobs" in refused
    assert before == 1
    assert shows(page, "Every message is deleted.")
    assert jobs.depth().total == 0


def test_load_runs_are_offered_where_the_project_has_a_load_test(gateway, page: Browser):
    page.open(address(gateway, "loads"))

    assert "Start a smoke run" in shows(page, "No run has been kept yet.")
    assert page.errors == []
