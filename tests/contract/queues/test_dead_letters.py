"""Dead letters: a message that is received too often goes to their queue."""

import pytest

from redis_sqs import Typed
from tests.contract.queues.places import RECEIVES_MAX, Place, bodies, only, total


@pytest.mark.row("3.8", "3.9")
def test_a_message_goes_to_the_dead_letter_queue_at_the_receive_over_its_limit(place: Place):
    message_id = place.queue.send("poison", attributes={"tenant": "demo"})
    sent_at_ms = 0
    for expected in range(1, RECEIVES_MAX + 1):
        message = only(place.queue.receive())
        sent_at_ms = message.sent_at_ms
        assert message.receive_count == expected
        assert total(place.dead_letters) == 0
        place.queue.release(message.receipt_handle, after_s=0, reason="it explodes")
    over_the_limit = place.queue.receive()

    dead = only(place.dead_letters.receive())
    assert over_the_limit == []
    assert total(place.queue) == 0
    assert (dead.message_id, dead.body) == (message_id, "poison")
    assert dead.attributes["tenant"] == "demo"
    assert dead.sent_at_ms == sent_at_ms
    assert dead.receive_count == RECEIVES_MAX + 1


@pytest.mark.row("3.8")
def test_a_dead_message_does_not_take_the_place_of_a_living_one(place: Place):
    place.queue.send("poison")
    for _ in range(RECEIVES_MAX):
        place.queue.release(only(place.queue.receive()).receipt_handle, after_s=0)
    place.queue.send("good")

    assert bodies(place.queue.receive()) == {"good"}


@pytest.mark.row("3.8", "3.19")
def test_a_dead_letter_keeps_body_and_attributes_whatever_is_in_them(place: Place):
    odd = '\U0001f600 "quotes" \\ / | é \t\n\x7f'
    attributes: dict[str, str | Typed] = {
        "text": odd,
        "a.b-c_1": Typed("String.label", "[]"),
        "number": Typed("Number", "-1e-5"),
        "bytes": Typed("Binary", bytes(range(256))),
    }
    place.queue.send(odd, attributes=attributes)
    for _ in range(RECEIVES_MAX):
        message = only(place.queue.receive())
        place.queue.release(message.receipt_handle, after_s=0, reason=odd)
    place.queue.receive()

    dead = only(place.dead_letters.receive())
    assert (dead.body, dead.attributes) == (odd, attributes)
