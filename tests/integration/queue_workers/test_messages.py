"""The life of messages: handled in batches, delivered again, buried."""

import json
import time

import pytest

from tests.conftest import wait_until
from tests.integration.queue_workers.site import RECEIVES_MAX, VISIBILITY_TIMEOUT_S, Site, count_of


@pytest.mark.row("4.2", "4.4")
def test_messages_are_handled_in_batches_of_ten_and_deleted(site: Site):
    ids = site.queue.send_batch([json.dumps({"n": number}) for number in range(25)])
    site.start()
    wait_until(site.empty)

    assert [len(event) for event in site.events()] == [10, 10, 5]
    records = [record for event in site.events() for record in event]
    assert sorted(record["messageId"] for record in records) == sorted(ids)
    assert records[0]["eventSourceARN"].endswith(":000000000000:orders")
    assert records[0]["awsRegion"]
    wait_until(lambda: site.printed().count("handled") == 3)


@pytest.mark.row("4.5", "4.8")
def test_a_reported_message_alone_comes_back_after_its_visibility_timeout(site: Site):
    site.queue.send_batch([json.dumps({"n": 1}), json.dumps({"fail": True})])
    site.start()
    between_s = first_and_second_receive(site, "fail")
    wait_until(site.empty)

    assert sum("n" in json.loads(body) for body in site.bodies()) == 1
    assert count_of(site.events()[-1][0]) == 2
    assert VISIBILITY_TIMEOUT_S - 0.5 < between_s < VISIBILITY_TIMEOUT_S + 3


@pytest.mark.row("4.5", "4.7")
@pytest.mark.parametrize(
    ("do", "reason"),
    [
        ("raise", "ValueError: no such order"),
        ("exit", "Runtime.ExitError"),
        ("hang", "Sandbox.Timedout"),
        ("nonsense", "somebody else's"),
        ("nan", "the response is a NotJson"),
    ],
)
def test_a_batch_that_failed_as_a_whole_comes_back_after_its_visibility_timeout(
    site: Site, do: str, reason: str
):
    site.queue.send_batch([json.dumps({"do": do}), json.dumps({"do": do})])
    site.start()
    wait_until(site.received(2))
    first_s = time.monotonic()
    wait_until(lambda: reason in site.log())
    wait_until(site.empty, timeout_s=15)

    assert time.monotonic() - first_s > VISIBILITY_TIMEOUT_S - 0.5
    assert sorted(count_of(record) for event in site.events() for record in event) == [1, 1, 2, 2]


@pytest.mark.row("3.8")
@pytest.mark.parametrize(
    ("do", "reason"),
    [
        ("raise", "ValueError: no such order"),
        ("tell", "NotFound: no such order"),
        ("mumble", "reported by the handler as failed"),
    ],
)
def test_a_message_that_always_fails_ends_in_the_dead_letter_queue_with_its_reason(
    site: Site, do: str, reason: str
):
    message_id = site.send(do=do, always=True)
    site.start()
    wait_until(lambda: site.dead_letters.depth().visible == 1, timeout_s=20)

    (dead,) = site.dead_letters.receive()
    assert dead.message_id == message_id
    assert dead.system["DeadLetterReason"] == (f"received {RECEIVES_MAX} times, last: {reason}")
    assert len(site.events()) == RECEIVES_MAX


def first_and_second_receive(site: Site, order: str) -> float:
    """Wait for both receives of a message; returns the seconds between them."""
    wait_until(lambda: any(order in body for body in site.bodies()))
    first_s = time.monotonic()
    wait_until(lambda: sum(order in body for body in site.bodies()) == 2, timeout_s=15)
    return time.monotonic() - first_s
