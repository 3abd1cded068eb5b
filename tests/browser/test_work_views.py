"""The console's queues and load runs in a real browser: `make console-test`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from redis_sqs.redis_queue import RedisQueue
from tests.browser.conftest import shown
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
AS_TEXT = '&lt;img src=x onerror="document.title=1"&gt;&lt;b&gt;bold&lt;/b&gt;'
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


def test_queues_and_their_messages_are_shown_and_markup_stays_text(gateway, valkey):
    jobs = RedisQueue("jobs", max_receive_count=1, dead_letter="dead", redis_url=valkey)
    jobs.send(MARKUP)
    jobs.release(jobs.receive()[0].receipt_handle, after_s=0, reason=MARKUP)
    jobs.receive()
    page = f"http://127.0.0.1:{gateway.console_port}/"
    queues, dead = shown(f"{page}#/queues"), shown(f"{page}#/queues/dead")

    assert '<a href="#/queues/dead">1</a>' in queues
    assert "Move all back" in dead
    assert AS_TEXT in dead
    assert "<b>bold" not in dead
    assert "No task has moved messages of this queue yet." in dead


def test_load_runs_are_offered_where_the_project_has_a_load_test(gateway):
    page = shown(f"http://127.0.0.1:{gateway.console_port}/#/loads")

    assert "Start a smoke run" in page
    assert "No run has been kept yet." in page
