"""A notification from document to document: attempts, waits, and what earlier versions stored."""

import msgspec
import pytest

from notifications import life_cycle
from notifications.answers import Accepted, Permanent, RetryAfter
from notifications.schema import Attempt, Notification, NotificationRequest, view
from notifications.templates.built_in import PUBLIC

NOW_MS = 1_790_000_000_000
SCHEDULE_S = (10, 100)
LATER = RetryAfter(reason="not now")
OF_THE_FIRST_VERSION = {
    "_id": "ntf_1",
    "tenant": "t",
    "fingerprint": "f",
    "created_ms": NOW_MS,
    "channel": "email",
    "to": "a@example.com",
    "rendered": {"template": "welcome", "version": 1, "subject": "s", "text": "t", "html": "h"},
    "status": "delivered",
    "claimable_at_ms": life_cycle.NEVER_MS,
    "claim": "c",
    "attempts": [
        {"at_ms": NOW_MS, "outcome": None},
        {"at_ms": NOW_MS, "outcome": {"result": "deferred", "code": 451, "reason": "greylisted"}},
        {"at_ms": NOW_MS, "outcome": {"result": "delivered", "code": 250, "reason": "2.0.0 ok"}},
    ],
}


def _claimed(attempts=1, key="k"):
    request = NotificationRequest(
        channel="email", to="a@example.com", template="welcome", variables={"name": "Ada"}
    )
    made = life_cycle.create(
        request, PUBLIC[request.template], tenant="t", key=key, link=str, now_ms=NOW_MS
    )
    before = (Attempt(at_ms=1, outcome=LATER),) * (attempts - 1)
    return msgspec.structs.replace(made, status="sending", attempts=(*before, Attempt(at_ms=2)))


def _after(answer, **claimed):
    return life_cycle.attempted(_claimed(**claimed), answer, SCHEDULE_S, now_ms=NOW_MS)


@pytest.mark.parametrize(("attempts", "planned_s"), [(1, SCHEDULE_S[0]), (2, SCHEDULE_S[1])])
def test_a_wait_is_the_schedules_and_at_most_a_tenth_longer(attempts, planned_s):
    wait_s = (_after(LATER, attempts=attempts).claimable_at_ms - NOW_MS) / 1000

    assert planned_s <= wait_s <= planned_s * 1.1


def test_what_failed_together_does_not_come_back_together():
    times = {_after(LATER, key=str(number)).claimable_at_ms for number in range(50)}

    assert len(times) > 40


def test_a_longer_wait_that_the_other_side_asks_for_is_granted():
    deferral = RetryAfter(reason="busy", seconds=3600)

    assert _after(deferral).claimable_at_ms - NOW_MS >= 3_600_000
    assert _after(RetryAfter(reason="busy", seconds=1)).claimable_at_ms - NOW_MS >= 10_000


def test_after_the_last_wait_it_has_failed():
    assert (_after(LATER, attempts=2).status, _after(LATER, attempts=3).status) == (
        "queued",
        "failed",
    )


@pytest.mark.parametrize(
    ("answer", "status"),
    [(Accepted(reference="ok"), "delivered"), (Permanent(reason="no"), "failed")],
)
def test_a_final_answer_leaves_nothing_to_do(answer, status):
    after = _after(answer)

    assert (after.status, after.claimable_at_ms) == (status, life_cycle.NEVER_MS)
    assert not life_cycle.needs_message(after, now_ms=NOW_MS)


def test_the_log_of_attempts_is_bounded():
    assert len(_after(Accepted(reference="ok"), attempts=50).attempts) == 20


def test_what_the_first_version_stored_is_understood():
    shown = view(msgspec.convert(OF_THE_FIRST_VERSION, Notification))

    assert [each.result for each in shown.attempts] == ["unknown", "deferred", "delivered"]
    assert [each.reason for each in shown.attempts] == [None, "greylisted", "2.0.0 ok"]
