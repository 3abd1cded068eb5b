"""FIFO queues: the order of a group, its lock, and deduplication."""

import pytest

from redis_sqs import Message, Queue
from tests.contract.queues.places import (
    RECEIVES_MAX,
    RETENTION_S,
    VISIBILITY_TIMEOUT_S,
    Place,
    bodies,
    only,
    total,
)

DEDUPLICATION_S = 300


def in_order(messages: list[Message]) -> list[str]:
    return [message.body for message in messages]


def send_all(queue: Queue, group: str, *sent: str) -> None:
    for body in sent:
        queue.send(body, group=group)


def delete_all(queue: Queue, messages: list[Message]) -> None:
    queue.delete([message.receipt_handle for message in messages])


@pytest.mark.row("3.15")
def test_a_group_is_received_in_the_order_in_which_it_was_sent(fifo: Place):
    fifo.queue.send_batch([str(number) for number in range(12)], group="a")
    ten = fifo.queue.receive()
    delete_all(fifo.queue, ten)

    assert in_order(ten) == [str(number) for number in range(10)]
    assert in_order(fifo.queue.receive()) == ["10", "11"]


@pytest.mark.row("3.15", "4.11")
def test_a_group_is_locked_while_one_of_its_messages_is_in_flight(fifo: Place):
    send_all(fifo.queue, "a", "a1", "a2", "a3")
    send_all(fifo.queue, "b", "b1")
    first = only(fifo.queue.receive(1))
    others = fifo.queue.receive()
    fifo.queue.delete([first.receipt_handle])

    assert first.body == "a1"
    assert in_order(others) == ["b1"]
    assert in_order(fifo.queue.receive()) == ["a2", "a3"]


@pytest.mark.row("3.15", "4.9")
def test_what_was_not_deleted_comes_back_before_what_follows_it(fifo: Place):
    send_all(fifo.queue, "a", "1", "2", "3", "4")
    first, *_ = fifo.queue.receive(3)
    fifo.queue.delete([first.receipt_handle])
    locked = fifo.queue.receive()
    fifo.pass_time(VISIBILITY_TIMEOUT_S)
    again = [(message.body, message.receive_count) for message in fifo.queue.receive()]

    assert locked == []
    those_left = [("3", 2), ("4", 1)]
    assert again == (those_left if "expired group" in fifo.differences else [("2", 2), *those_left])


@pytest.mark.row("3.20")
def test_a_message_tells_its_group_its_deduplication_id_and_its_number(fifo: Place):
    fifo.queue.send("1", group="a", deduplication_id="first")
    fifo.queue.send("2", group="a", deduplication_id="second")
    one, two = fifo.queue.receive()

    assert one.system["MessageGroupId"] == "a"
    assert one.system["MessageDeduplicationId"] == "first"
    assert len(one.system["SequenceNumber"]) == 20
    grows = one.system["SequenceNumber"] < two.system["SequenceNumber"]
    assert grows or "sequence" in fifo.differences


@pytest.mark.row("3.14")
def test_the_same_deduplication_id_sends_nothing_even_after_the_delete(fifo: Place):
    sent = fifo.queue.send("1", group="a", deduplication_id="same")
    fifo.queue.send("other body, other group", group="b", deduplication_id="same")
    received = only(fifo.queue.receive())
    fifo.queue.delete([received.receipt_handle])
    fifo.queue.send("1", group="a", deduplication_id="same")

    assert received.message_id == sent
    assert total(fifo.queue) == (1 if "deduplication" in fifo.differences else 0)


@pytest.mark.row("3.14")
def test_the_deduplication_id_may_be_used_again_after_five_minutes(fifo: Place):
    fifo.queue.send("1", group="a", deduplication_id="same")
    delete_all(fifo.queue, fifo.queue.receive())
    fifo.pass_time(DEDUPLICATION_S + 1)
    fifo.queue.send("2", group="a", deduplication_id="same")

    assert in_order(fifo.queue.receive()) == ["2"]


@pytest.mark.row("3.14")
def test_without_a_deduplication_id_it_is_the_body_that_must_differ(fifo: Place):
    fifo.queue.send("1", group="a")
    fifo.queue.send("1", group="a", attributes={"tenant": "demo"})
    fifo.queue.send("2", group="a")

    assert in_order(fifo.queue.receive()) == ["1", "2"]


@pytest.mark.row("3.15")
def test_a_message_without_a_group_is_refused(fifo: Place):
    with pytest.raises(ValueError, match=r"group|MessageGroupId"):
        fifo.queue.send("1")


@pytest.mark.row("3.12")
def test_a_delay_of_zero_is_passed_over(fifo: Place):
    fifo.queue.send("1", group="a", delay_s=0)
    fifo.queue.send_batch(["2"], group="a", delay_s=0)

    assert [message.body for message in fifo.queue.receive()] == ["1", "2"]


@pytest.mark.row("3.12")
def test_a_delay_of_its_own_is_refused(fifo: Place):
    with pytest.raises(ValueError, match=r"delay|DelaySeconds"):
        fifo.queue.send("1", group="a", delay_s=1)


@pytest.mark.row("3.6")
def test_an_expired_handle_deletes_nothing_and_is_told(fifo: Place):
    fifo.queue.send("1", group="a")
    expired = only(fifo.queue.receive()).receipt_handle
    fifo.pass_time(VISIBILITY_TIMEOUT_S + 1)
    refused = fifo.queue.delete([expired])

    deletes = "expired handle" in fifo.differences
    assert refused == ([] if deletes else [expired])
    assert total(fifo.queue) == (0 if deletes else 1)


@pytest.mark.row("3.6")
def test_an_older_handle_is_told_and_a_used_one_is_not(fifo: Place):
    fifo.queue.send("1", group="a")
    older = only(fifo.queue.receive()).receipt_handle
    fifo.pass_time(VISIBILITY_TIMEOUT_S + 1)
    newest = only(fifo.queue.receive()).receipt_handle
    refused = fifo.queue.delete([older, newest])
    again = fifo.queue.delete([newest])

    assert refused == ([] if "older handle" in fifo.differences else [older])
    assert again == ([newest] if "used handle" in fifo.differences else [])
    assert total(fifo.queue) == 0


@pytest.mark.row("3.6")
def test_an_expired_handle_releases_nothing(fifo: Place):
    fifo.queue.send("1", group="a")
    expired = only(fifo.queue.receive()).receipt_handle
    is_released = fifo.queue.release(expired, after_s=VISIBILITY_TIMEOUT_S)
    fifo.pass_time(VISIBILITY_TIMEOUT_S + 1)

    assert is_released
    released = fifo.queue.release(expired, after_s=VISIBILITY_TIMEOUT_S)
    assert released is ("expired handle" in fifo.differences)
    assert bodies(fifo.queue.receive()) == (set() if released else {"1"})


@pytest.mark.row("3.5")
def test_a_released_message_unlocks_its_group_when_its_time_has_come(fifo: Place):
    send_all(fifo.queue, "a", "1", "2")
    fifo.queue.release(only(fifo.queue.receive(1)).receipt_handle, after_s=VISIBILITY_TIMEOUT_S + 9)
    fifo.pass_time(VISIBILITY_TIMEOUT_S)
    too_early = fifo.queue.receive()
    fifo.pass_time(9)

    assert too_early == []
    assert in_order(fifo.queue.receive()) == ["1", "2"]


@pytest.mark.row("3.8", "3.9")
def test_a_message_over_its_limit_goes_to_the_dead_letter_queue_and_lets_its_group_go_on(
    fifo: Place,
):
    poison = fifo.queue.send("poison", group="a", attributes={"tenant": "demo"})
    fifo.queue.send("good", group="a")
    for _ in range(RECEIVES_MAX):
        fifo.queue.release(only(fifo.queue.receive(1)).receipt_handle, after_s=0)
    received = fifo.queue.receive()

    dead = only(fifo.dead_letters.receive())
    assert bodies(received) == {"good"}
    assert (dead.message_id, dead.body) == (poison, "poison")
    assert dead.attributes == {"tenant": "demo"}
    assert dead.system["MessageGroupId"] == "a"


@pytest.mark.row("3.9")
def test_a_dead_letter_is_as_old_as_its_burial_and_its_id_is_its_deduplication_id(fifo: Place):
    id_ = fifo.queue.send("poison", group="a", deduplication_id="one")
    for _ in range(RECEIVES_MAX):
        fifo.queue.release(only(fifo.queue.receive()).receipt_handle, after_s=0)
    fifo.pass_time(RETENTION_S // 2)
    fifo.queue.receive()

    dead = only(fifo.dead_letters.receive())
    if "dead fifo" in fifo.differences:
        assert dead.system["MessageDeduplicationId"] == "one"
    else:
        assert dead.system["MessageDeduplicationId"] == id_
        assert dead.first_received_at_ms - RETENTION_S * 100 < dead.sent_at_ms


def test_the_depth_counts_messages_not_groups(fifo: Place):
    send_all(fifo.queue, "a", "1", "2", "3")
    fifo.queue.receive(1)

    depth = fifo.queue.depth()
    assert (depth.visible, depth.in_flight) == (2, 1)
