"""A template of plain functions with queues, in a folder of its own."""

import json
import secrets
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.integration.other_templates.conftest import CopiedProject


@pytest.fixture(scope="module")
def orders(
    copied: Callable[[str], CopiedProject], tmp_path_factory: pytest.TempPathFactory
) -> CopiedProject:
    orders = copied("orders")
    folder: Path = tmp_path_factory.mktemp("kept")
    up = orders.run("up", "--parameter", f"Folder={folder}")
    assert up.returncode == 0, up.stderr
    return orders


def test_only_what_the_template_needs_is_started_beside_it(orders: CopiedProject):
    assert orders.processes() == {"valkey", "Shower", "Taker", "gateway", "worker"}
    assert (orders.state / ".gitignore").read_text() == "*\n"


def test_what_a_function_sends_with_boto3_reaches_the_function_behind_the_queue(
    orders: CopiedProject,
):
    answers = [
        orders.request("POST", "/orders", order)
        for order in ({"id": "a", "step": 1}, {"broken": True}, {"id": "b", "step": 1})
    ]

    assert [status for status, _ in answers] == [202, 202, 202]
    wait_until(lambda: orders.request("GET", "/orders/a")[0] == 200)
    wait_until(lambda: orders.request("GET", "/orders/b")[0] == 200)
    assert orders.request("GET", "/orders/a")[1] == {"steps": ["1"], "stage": "dev-box"}
    assert "orders-dev" in orders.run("queues").stdout


def test_a_request_and_the_work_behind_its_queue_are_one_trace(orders: CopiedProject):
    """Without a line of code: boto3 in a function tells SQS of the trace by itself."""
    trace_id = secrets.token_hex(16)
    orders.request(
        "POST", "/orders", {"id": "t", "step": 1}, {"traceparent": f"00-{trace_id}-{'1' * 16}-01"}
    )

    wait_until(lambda: "process orders-dev" in orders.run("trace", trace_id).stdout)
    with urllib.request.urlopen(orders.console(f"/api/traces/{trace_id}"), timeout=5) as answer:
        spans = {each["name"]: each for each in json.load(answer)["trace_spans"]}
    parents = {name: _name_of(spans, each["parent_id"]) for name, each in spans.items()}
    assert parents.pop("wait for an environment", "POST /orders") == "POST /orders"
    assert parents == {
        "POST /orders": None,
        "Taker": "POST /orders",
        "wait on orders-dev": "Taker",
        "receive orders-dev": "Taker",
        "Keeper": "receive orders-dev",
        "process orders-dev": "receive orders-dev",
    }
    assert spans["POST /orders"]["parent_id"] == "1" * 16
    shown = orders.run("trace", f"1-{trace_id[:8]}-{trace_id[8:]}").stdout
    assert shown.startswith("POST /orders  ")
    assert "status 202" in shown
    assert trace_id in orders.run("traces", "--route", "/orders", "--status", "2xx").stdout
    unknown = orders.run("trace", "nobody")
    assert unknown.returncode == 1
    assert "no trace is kept by nobody" in unknown.stderr


def _name_of(spans: dict[str, Any], span_id: str) -> str | None:
    return next((name for name, each in spans.items() if each["id"] == span_id), None)


def test_messages_of_a_fifo_queue_come_in_order_and_once(orders: CopiedProject):
    sqs = orders.sqs()
    url = sqs.get_queue_url(QueueName="steps-dev.fifo")["QueueUrl"]
    for step in (1, 2, 2, 3, 4):
        body = json.dumps({"id": "c", "step": step})
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="all")

    wait_until(lambda: orders.request("GET", "/orders/c")[1].get("steps") == ["1", "2", "3", "4"])


def test_a_function_answers_as_the_template_says(orders: CopiedProject):
    assert orders.request("GET", "/orders/none") == (404, {"message": "No such order"})
    assert orders.request("POST", "/orders/a")[0] == 403


def test_another_template_in_the_same_state_directory_is_refused(
    orders: CopiedProject, copied: Callable[[str], CopiedProject]
):
    other = copied("pets").run("up", "--state", str(orders.state))

    assert other.returncode == 2
    assert "is in use by " in other.stderr
