"""The news of a provider: its webhooks and its record."""

import time

import pytest

from backend.errors import Unauthorized
from payments.reports import settlement
from tests.contract.providers.places import charge, done, reference, then

pytestmark = pytest.mark.usefixtures("double")


@pytest.fixture
def heard(place):
    """Hear the last webhook about a payment, as it comes or changed on its way."""

    def hear(payment_id, *, late_s=0, change=lambda body, headers: (body, headers)):
        body, headers = change(*place.webhook(payment_id, late_s=late_s))
        return place.provider.hear(body, headers, now_s=time.time())

    return hear


@pytest.mark.parametrize(
    ("outcome", "capture", "status", "code"),
    [
        ("succeeded", True, "succeeded", None),
        ("succeeded", False, "succeeded", None),
        ("failed", True, "failed", "authentication_failed"),
    ],
)
def test_a_customer_s_confirmation_is_told_as_the_answer_of_the_charge(
    place, heard, outcome, capture, status, code
):
    ask = charge(reference(), method="pm_card_authenticationRequired", capture=capture)
    waits = done(place, ask)
    place.confirm(ask.order.reference, outcome)

    (answer,) = heard(ask.order.reference)

    assert answer.key == ask.key
    assert (answer.outcome.id, answer.outcome.amount) == (waits.id, 1000)
    assert (answer.outcome.status, answer.outcome.decline_code) == (status, code)
    assert answer.outcome.captured is (capture and status == "succeeded")


@pytest.mark.parametrize(
    ("late_s", "change"),
    [
        (301, lambda body, headers: (body, headers)),
        (-330, lambda body, headers: (body, headers)),
        (0, lambda body, headers: (body + b" ", headers)),
        (0, lambda body, headers: (body, {})),
        (0, lambda body, headers: (body, {k: v[:-2] + "00" for k, v in headers.items()})),
        (0, lambda body, headers: (body, {k: v.replace("v1", "v2") for k, v in headers.items()})),
        (0, lambda body, headers: (body, {k: f"{v}é" for k, v in headers.items()})),
    ],
)
def test_a_webhook_that_was_not_signed_just_now_is_refused(place, heard, late_s, change):
    ask = charge(reference(), method="pm_card_authenticationRequired")
    done(place, ask)

    with pytest.raises(Unauthorized):
        heard(ask.order.reference, late_s=late_s, change=change)


def test_the_record_tells_of_everything_in_order_under_the_keys_of_the_orders(place):
    first, second = charge(reference(), capture=False), charge(reference())
    charge_id = done(place, first).id
    capture = then(charge_id, first.order.reference, "/captures", 1000)
    refund = then(charge_id, first.order.reference, "/refunds", 250)
    for ask in (capture, refund, second):
        done(place, ask)

    lines = _all_lines(place.provider)
    mine = [each for each in lines if each.reference == first.order.reference]

    assert [(e.idempotency_key, e.kind, e.status, e.amount) for e in mine if e.kind != "fee"] == [
        (first.key, "charge", "succeeded", 1000),
        (capture.key, "capture", "succeeded", 1000),
        (refund.key, "refund", "succeeded", 250),
    ]
    numbers = [each.sequence for each in lines]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))
    (start,) = [e.sequence for e in mine if e.idempotency_key == capture.key]
    assert place.provider.effects(start)[0] == lines[numbers.index(start) + 1]


def test_the_record_is_read_on_from_any_time_and_says_which_money_was_moved(place):
    sale, hold = charge(reference()), charge(reference(), capture=False)
    charge_ids = {each.key: done(place, each).id for each in (sale, hold)}
    capture = then(charge_ids[hold.key], hold.order.reference, "/captures", 1000)
    refund = then(charge_ids[sale.key], sale.order.reference, "/refunds", 250)
    assert done(place, capture)
    assert done(place, refund)
    lines = _all_lines(place.provider)

    references = {sale.order.reference, hold.order.reference}
    moved = [x for e in lines if e.reference in references for x in settlement.lines_of(e)]
    assert {(x.key, x.kind, x.amount) for x in moved if x.kind != "fee"} == {
        (sale.key, "charge", 1000),
        (capture.key, "capture", 1000),
        (refund.key, "refund", -250),
    }
    for each in {x.created_ms: x for x in lines[-20:]}.values():
        before = place.provider.line_before(each.created_ms)
        after = [x for x in lines if x.sequence > before]
        assert {x.id for x in lines if x.created_ms >= each.created_ms} <= {x.id for x in after}
        assert after[0].created_ms >= each.created_ms - 1_000
    assert place.provider.effects(place.provider.line_before(lines[-1].created_ms + 60_000)) == []


def test_the_record_has_what_no_webhook_told(place):
    ask = charge(reference(), method="pm_card_authenticationRequired")
    charge_id = done(place, ask).id
    place.confirm(ask.order.reference)

    lines = [e for e in _all_lines(place.provider) if e.reference == ask.order.reference]
    waiting, confirmation = (each for each in lines if each.kind != "fee")

    assert (waiting.kind, waiting.status) == ("charge", "requires_action")
    assert (confirmation.kind, confirmation.charge) == ("confirmation", charge_id)
    assert confirmation.answer().outcome.id == charge_id
    assert confirmation.answer().key == ask.key


def _all_lines(provider):
    lines = provider.effects(0)
    while more := provider.effects(lines[-1].sequence):
        lines += more
    return lines
