"""A dependency that gives no answer: the next request fails at once, and others are told."""

import json
import socket
import time

import pytest

from redis_sqs import Message

MESSAGE = Message(
    message_id="m1",
    body=json.dumps({"payment_id": "pay_nobody"}),
    receipt_handle="r1",
    receive_count=1,
    sent_at_ms=0,
    first_received_at_ms=0,
)


@pytest.fixture
def silent():
    """Return the port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


def timed_list(process):
    """Return the answer to a list of payments, and how long it took."""
    began_s = time.monotonic()
    answer = process.request("GET", "/v1/payments", tenant="demo", scope="payments:read")
    return answer, time.monotonic() - began_s


def test_a_store_without_an_answer_is_waited_for_once_and_readiness_names_it(
    start, function, silent
):
    api = function("api.app.app")
    payments = start("payments.app.app", MONGO_URL=f"mongodb://127.0.0.1:{silent}")
    first, waited_s = timed_list(payments)
    second, failed_in_s = timed_list(payments)
    readiness = api.request("GET", "/health/ready")

    assert [(each.status, each.body["code"]) for each in (first, second)] == [
        (503, "store_unavailable")
    ] * 2
    assert second.headers["retry-after"] == "1"
    assert failed_in_s < 0.3 < waited_s
    assert readiness.body["left_alone"] == ["document store"]


def test_a_worker_waits_before_a_batch_for_a_store_that_is_left_alone(start, silent):
    worker = start("payments.app.worker", MONGO_URL=f"mongodb://127.0.0.1:{silent}")
    failed = worker.consume([MESSAGE])
    began_s = time.monotonic()
    failed_again = worker.consume([MESSAGE])

    assert failed == failed_again == ["m1"]
    assert time.monotonic() - began_s > 0.5
