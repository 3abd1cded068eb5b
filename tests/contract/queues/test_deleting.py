"""Receipt handles: they delete, release, and do nothing once they are old."""

import pytest

from tests.contract.queues.places import VISIBILITY_TIMEOUT_S, Place, only, total


@pytest.mark.row("3.7")
def test_a_deleted_message_never_comes_back(place: Place):
    place.queue.send("a")
    place.queue.delete([only(place.queue.receive()).receipt_handle])
    place.pass_time(VISIBILITY_TIMEOUT_S)

    assert place.queue.receive() == []
    assert total(place.queue) == 0


@pytest.mark.row("3.7")
def test_deleting_twice_succeeds(place: Place):
    place.queue.send("a")
    handle = only(place.queue.receive()).receipt_handle
    place.queue.delete([handle])
    place.queue.delete([handle])

    assert total(place.queue) == 0


@pytest.mark.row("3.6")
def test_the_newest_handle_still_deletes_after_the_visibility_timeout(place: Place):
    place.queue.send("a")
    message = only(place.queue.receive())
    place.pass_time(VISIBILITY_TIMEOUT_S + 1)
    place.queue.delete([message.receipt_handle])

    assert place.queue.receive() == []


@pytest.mark.row("3.6")
def test_a_stale_handle_is_accepted_and_deletes_nothing(place: Place):
    place.queue.send("a")
    stale = only(place.queue.receive()).receipt_handle
    place.pass_time(VISIBILITY_TIMEOUT_S)
    place.queue.receive()
    place.queue.delete([stale])

    left = 0 if "stale delete" in place.differences else 1
    assert total(place.queue) == left


@pytest.mark.row("3.7")
def test_a_batch_of_handles_deletes_the_good_ones_beside_a_used_one(place: Place):
    place.queue.send_batch(["a", "b", "c"])
    received = {message.body: message.receipt_handle for message in place.queue.receive()}
    place.queue.delete([received["a"]])
    place.queue.delete([received["a"], received["b"], received["c"]])

    assert total(place.queue) == 0


@pytest.mark.row("3.5")
def test_a_released_message_is_visible_at_once(place: Place):
    place.queue.send("a")
    place.queue.release(only(place.queue.receive()).receipt_handle, after_s=0)

    assert only(place.queue.receive()).receive_count == 2


@pytest.mark.row("3.5")
def test_a_message_released_for_later_waits_from_the_call_on(place: Place):
    place.queue.send("a")
    message = only(place.queue.receive())
    place.queue.release(message.receipt_handle, after_s=VISIBILITY_TIMEOUT_S + 20)
    place.pass_time(VISIBILITY_TIMEOUT_S + 10)
    too_early = place.queue.receive()
    place.pass_time(10)

    assert too_early == []
    assert only(place.queue.receive()).receive_count == 2


@pytest.mark.row("3.5")
def test_a_message_that_is_visible_again_is_not_released_by_its_handle(place: Place):
    place.queue.send("a")
    message = only(place.queue.receive())
    place.pass_time(VISIBILITY_TIMEOUT_S + 1)
    is_released = place.queue.release(message.receipt_handle, after_s=60)

    assert is_released == ("visible release" in place.differences)
    assert place.queue.depth().visible == (0 if is_released else 1)


@pytest.mark.row("3.6")
def test_a_stale_handle_releases_nothing(place: Place):
    place.queue.send("a")
    stale = only(place.queue.receive()).receipt_handle
    place.pass_time(VISIBILITY_TIMEOUT_S)
    place.queue.receive()
    place.queue.release(stale, after_s=0)

    visible = 1 if "stale release" in place.differences else 0
    assert place.queue.depth().visible == visible


@pytest.mark.row("3.7")
def test_releasing_a_deleted_message_succeeds_and_brings_nothing_back(place: Place):
    place.queue.send("a")
    handle = only(place.queue.receive()).receipt_handle
    place.queue.delete([handle])
    place.queue.release(handle, after_s=0)

    assert total(place.queue) == 0


@pytest.mark.row("3.5")
@pytest.mark.parametrize("after_s", [-1, 43_201])
def test_a_release_is_for_at_most_twelve_hours(place: Place, after_s: int):
    with pytest.raises(ValueError, match="after_s"):
        place.queue.release("handle:1", after_s=after_s)
