"""A story's order: by time, and nothing before what caused it."""

from local.spillway.story import Moment
from local.spillway.story.causes import in_order
from local.spillway.story.documents import key_of_effect


def texts(*moments: Moment) -> list[str]:
    return [each.text for each in in_order(moments)]


SUCCEEDED = Moment(
    100, "document", "succeeded", "document", key="pay_1.2", after=("pay_1:charge succeeded",)
)
ENTRY = Moment(100, "ledger", "posted", "ledger", key="pay_1#1", after=("pay_1.2",))
CHARGE = Moment(
    104, "provider", "charge", "provider", key=key_of_effect("pay_1:charge", "succeeded")
)


def test_a_payment_succeeds_after_the_charge_that_its_worker_dates_later():
    assert texts(SUCCEEDED, ENTRY, CHARGE) == [
        "charge",
        "succeeded (dated 4 ms earlier)",
        "posted (dated 4 ms earlier)",
    ]


def test_the_times_of_a_story_never_go_back():
    times = [each.at_ms for each in in_order([SUCCEEDED, ENTRY, CHARGE])]

    assert times == [104, 104, 104]


def test_of_one_millisecond_the_cause_comes_first_and_then_the_request():
    request = Moment(7, "access", "request", "request")
    log = Moment(7, "PaymentsFunction", "log", "log")
    cause = Moment(7, "document", "cause", "log", key="cause")
    effect = Moment(7, "document", "effect", "document", after=("cause",))

    assert texts(effect, log, cause, request) == ["request", "log", "cause", "effect"]


def test_causes_that_nobody_knows_or_that_run_in_a_circle_hold_nothing_up():
    lost = Moment(1, "document", "lost", "document", after=("nobody",))
    egg = Moment(3, "document", "egg", "document", key="egg", after=("hen",))
    hen = Moment(2, "document", "hen", "document", key="hen", after=("egg",))

    assert sorted(texts(egg, hen, lost)) == ["egg", "hen (dated 1 ms earlier)", "lost"]
