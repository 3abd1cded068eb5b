"""Payments on a queue that delivers every message twice, and late: each is charged once."""

import pytest

from tests.conftest import wait_until
from tests.integration.payments.conftest import VISA

PAYMENTS = 8


@pytest.mark.row("3.17")
def test_payments_whose_messages_come_twice_and_out_of_order_are_charged_once(
    payments, asking, messages, provider, queue
):
    ask = asking(payments("app", QUEUE_DISORDER="1"))
    worker = payments("worker", QUEUE_DISORDER="1")
    ids = [ask("POST", key=str(number), body=VISA).body["id"] for number in range(PAYMENTS)]
    received = []

    def is_drained() -> bool:
        batch = messages()
        received.extend(batch)
        assert worker.consume(batch) == [] if batch else True
        depth = queue("payments").depth()
        return bool(depth.visible + depth.delayed == 0)

    wait_until(is_drained)

    assert len(received) == 2 * PAYMENTS
    for payment_id in ids:
        payment = ask("GET", "/v1/payments/{payment_id}", payment_id=payment_id).body
        assert payment["status"] == "succeeded"
    effects = provider.get("/effects")[1]["effects"]
    charged = sorted(each["reference"] for each in effects if each["reference"] in ids)
    assert charged == sorted(ids)
