"""The properties of a mapping: filters, reserved concurrency, FIFO, the longer window."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from local.template import Queue
from queue_workers import slots
from queue_workers.reserved_concurrency import ReservedConcurrency, Throttled
from queue_workers.worker import WINDOW_MARGIN_S, hidden_for_s
from redis_sqs import Typed
from redis_sqs.redis_queue import RedisQueue, Traits
from tests.conftest import wait_until
from tests.integration.queue_workers.poller.site import FUNCTION, MAPPING
from tests.integration.queue_workers.site import FIFO_TEMPLATE, TEMPLATE, Site, count_of


def add_to_mapping(site: Site, line: str) -> None:
    text = TEMPLATE.replace("            BatchSize: 10\n", f"            BatchSize: 10\n{line}")
    (site.folder / "template.yaml").write_text(text)


@pytest.mark.row("4.16")
def test_what_no_filter_lets_pass_is_deleted_and_never_handled(site: Site):
    pattern = json.dumps({"body": {"kind": [{"prefix": "order"}], "n": [{"numeric": ["<", 3]}]}})
    add_to_mapping(site, f"            FilterCriteria: {{Filters: [{{Pattern: '{pattern}'}}]}}\n")
    for kind in ("order.paid", "refund"):
        for number in range(1, 5):
            site.send(kind=kind, n=number)
    site.queue.send("no object")
    site.start()
    wait_until(site.empty)

    handled = [json.loads(body) for body in site.bodies()]
    assert sorted(order["n"] for order in handled) == [1, 2]
    assert {order["kind"] for order in handled} == {"order.paid"}
    assert site.dead_letters.depth().visible == 0


@pytest.mark.row("4.13")
def test_an_invocation_is_asked_for_again_until_the_function_has_a_place(tmp_path: Path):
    places, stop = ReservedConcurrency(tmp_path, "Orders", 1), threading.Event()
    place = slots.take(tmp_path, "reserved-Orders", 1)
    assert place is not None
    threading.Timer(0.3, place.close).start()

    with places.place(10, stop):
        assert place.closed
        assert slots.take(tmp_path, "reserved-Orders", 1) is None


@pytest.mark.row("4.13")
def test_a_throttled_invocation_gives_up_when_its_messages_become_visible(tmp_path: Path):
    places = ReservedConcurrency(tmp_path, "Orders", 0)

    with pytest.raises(Throttled), places.place(0.2, threading.Event()):
        pass


@pytest.mark.row("4.12", "4.13")
def test_messages_of_a_function_without_concurrency_reach_the_dead_letter_queue_unhandled(
    site: Site,
):
    text = TEMPLATE.replace(
        "      Timeout: 1\n", "      Timeout: 1\n      ReservedConcurrentExecutions: 0\n"
    )
    (site.folder / "template.yaml").write_text(text)
    site.send(n=1)
    site.start()
    wait_until(lambda: site.dead_letters.depth().visible == 1, timeout_s=20)

    (dead,) = site.dead_letters.receive()
    assert site.events() == []
    assert "ReservedFunctionConcurrentInvocations" in dead.system["DeadLetterReason"]


@pytest.mark.row("4.15")
@pytest.mark.parametrize(
    ("visibility_s", "window_s", "timeout_s", "hidden_s"),
    [(30, 0, 30, 30), (30, 10, 20, 30), (30, 11, 20, 31 + WINDOW_MARGIN_S)],
)
def test_messages_are_hidden_for_as_long_as_gathering_and_handling_may_take(
    visibility_s: int, window_s: int, timeout_s: int, hidden_s: int
):
    queue = Queue(
        logical_id="Orders",
        name="orders",
        visibility_timeout_s=visibility_s,
        delay_s=0,
        retention_s=60,
        max_receive_count=None,
        dead_letter=None,
    )
    function, mapping = replace(FUNCTION, timeout_s=timeout_s), replace(MAPPING, window_s=window_s)

    assert hidden_for_s(queue, mapping, function) == hidden_s


@pytest.mark.row("3.15", "4.9", "4.11")
def test_a_fifo_group_is_handled_in_order_by_two_workers_and_waits_for_what_failed(site: Site):
    (site.folder / "template.yaml").write_text(FIFO_TEMPLATE)
    queue = RedisQueue("orders.fifo", redis_url=site.redis_url)
    queue.declare(Traits(deduplicates_content=True))
    for number in range(15):
        fails = {"do": "raise"} if number == 0 else {}
        queue.send(json.dumps({"n": number, **fails}), group="a")
    site.start(index=0)
    site.start(index=1)
    wait_until(lambda: queue.depth().total == 0, timeout_s=20)

    first, *handled = site.events()
    numbers = [json.loads(record["body"])["n"] for event in handled for record in event]
    assert [count_of(record) for record in first] == [1] * 10
    assert numbers == list(range(15))
    assert [count_of(record) for record in handled[0]] == [2] * 10


@pytest.mark.row("3.20", "4.1")
def test_a_record_of_a_fifo_queue_has_its_group_number_and_typed_attributes(site: Site):
    (site.folder / "template.yaml").write_text(FIFO_TEMPLATE)
    queue = RedisQueue("orders.fifo", redis_url=site.redis_url)
    attributes = {"amount": Typed("Number", "5"), "digest": Typed("Binary", b"\x00\x01")}
    queue.send("{}", attributes=attributes, group="a", deduplication_id="one")
    site.start()
    wait_until(site.received(1))

    ((record,),) = site.events()
    about = {"messageId", "receiptHandle", "body", "attributes", "messageAttributes"}
    source = {"eventSource", "eventSourceARN", "awsRegion"}
    assert record.keys() == about | source | {"md5OfBody", "md5OfMessageAttributes"}
    assert record["eventSourceARN"].endswith(":orders.fifo")
    assert record["attributes"]["MessageGroupId"] == "a"
    assert record["attributes"]["MessageDeduplicationId"] == "one"
    assert record["attributes"]["SequenceNumber"] == "1".zfill(20)
    empty: dict[str, list[str]] = {"stringListValues": [], "binaryListValues": []}
    assert record["messageAttributes"] == {
        "amount": {"dataType": "Number", "stringValue": "5", **empty},
        "digest": {"dataType": "Binary", "binaryValue": "AAE=", **empty},
    }
    assert (
        record["md5OfMessageAttributes"] == "345be9db725e15c34f9550482632bbe4"
    )  # moto computes the same
