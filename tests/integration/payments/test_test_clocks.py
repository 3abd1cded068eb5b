"""Test clocks of payments, with the provider's simulator: what is due happens in its order."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.payments.conftest import VISA, effects_of

CLOCKS, CLOCK = "/v1/test-clocks", "/v1/test-clocks/{clock_id}"
PAYMENT = "/v1/payments/{payment_id}"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def relay(started):
    return started("relay")


@pytest.fixture
def clock(ask):
    """The id of a clock that stands at the present."""
    answer = ask("POST", CLOCKS, {"frozen_time": NOW.isoformat()})
    assert answer.status == 201
    return answer.body["id"]


@pytest.fixture
def pay(ask, worker, messages):
    """Make a payment that is tied to a clock, and have it settled."""

    def create(clock_id, key="k", **changes):
        answer = ask("POST", "/v1/payments", VISA | {"test_clock": clock_id} | changes, key)
        assert answer.status == 201
        assert worker.consume(messages()) == []
        return answer.body["id"]

    return create


@pytest.fixture
def advance(ask, relay, database):
    """Move a clock on from the present, and have the relay do what is due.

    Notifications have a relay of their own, which finds nothing.
    """

    def move(clock_id, **span):
        body = {"frozen_time": (NOW + timedelta(**span)).isoformat()}
        answer = ask("POST", f"{CLOCK}/advance", body, clock_id=clock_id)
        relay.invoke({})
        database["test_clocks"].update_one(
            {"_id": clock_id}, {"$unset": {"notifications_behind": ""}}
        )
        return answer

    return move


def happened(payment):
    """Return the payment's events with the days and hours from the clock's first time to each."""
    return [
        (each["type"].removeprefix("payment."), datetime.fromisoformat(each["created_at"]) - NOW)
        for each in payment["events"]
    ]


def test_a_hold_lapses_after_seven_days_of_its_clock_and_not_before(ask, clock, pay, advance):
    payment_id = pay(clock, capture_method="manual")

    advance(clock, days=6, hours=23)
    before = ask("GET", PAYMENT, payment_id=payment_id).body
    answer = advance(clock, days=30)

    after = ask("GET", PAYMENT, payment_id=payment_id).body
    assert (before["status"], after["status"]) == ("requires_capture", "canceled")
    assert after["test_clock"] == clock
    assert happened(after) == [
        ("created", timedelta()),
        ("requires_capture", timedelta()),
        ("canceled", timedelta(days=7)),
    ]
    assert (answer.status, answer.body["status"]) == (202, "advancing")
    assert ask("GET", "/v1/payments/{payment_id}/ledger", payment_id=payment_id).status == 200


def test_a_capture_happens_at_the_time_that_the_clock_stands_at(
    ask, clock, pay, advance, worker, messages
):
    payment_id = pay(clock, capture_method="manual")

    advance(clock, days=3)
    ask("POST", f"{PAYMENT}/capture", {"amount": 400}, "c", payment_id=payment_id)
    worker.consume(messages())
    advance(clock, days=8)

    payment = ask("GET", PAYMENT, payment_id=payment_id).body
    assert happened(payment)[2:] == [
        ("capture_requested", timedelta(days=3)),
        ("succeeded", timedelta(days=3)),
        ("hold_released", timedelta(days=7)),
    ]


def test_disputes_of_a_clock_are_lost_in_the_order_of_their_time_and_alarm_nobody(
    ask, clock, pay, advance, provider, payments, database
):
    database["payments"].delete_many({"dispute_due_ms": {"$exists": True}})  # of other tests
    ids = [pay(clock, f"k{number}") for number in range(2)]
    for payment_id, due_s in zip(ids, (7200, 3600), strict=True):
        body = {"reference": payment_id, "due_s": due_s}
        assert provider.request("POST", "/disputes", json.dumps(body).encode())[0] == 200

    advance(clock, hours=3)

    shown = [ask("GET", PAYMENT, payment_id=each).body for each in ids]
    ends = [happened(each)[-1] for each in shown]
    assert ends == [
        ("dispute_closed", timedelta(hours=2)),
        ("dispute_closed", timedelta(hours=1)),
    ]
    lost = [x["reference"] for each in ids for x in effects_of(provider, each) if _is_lost(x)]
    assert sorted(lost) == sorted(ids)
    report = payments("reconciler").invoke({"all": True})
    assert report["disputes_due_soon"] == 0


def _is_lost(effect):
    return effect["kind"] == "dispute" and effect["dispute"]["status"] == "lost"


def test_a_payment_without_a_clock_is_left_alone(ask, clock, pay, advance, worker, messages):
    pay(clock)
    body = VISA | {"capture_method": "manual"}
    payment_id = ask("POST", "/v1/payments", body, "free").body["id"]
    worker.consume(messages())

    advance(clock, days=30)

    payment = ask("GET", PAYMENT, payment_id=payment_id).body
    assert payment["status"] == "requires_capture"
    assert "test_clock" not in payment


@pytest.mark.parametrize(
    ("resource", "frozen_time", "status", "code"),
    [
        (f"{CLOCK}/advance", NOW - timedelta(seconds=1), 422, "frozen_time_not_allowed"),
        (f"{CLOCK}/advance", NOW + timedelta(days=61), 422, "frozen_time_not_allowed"),
        (f"{CLOCK}/advance", NOW + timedelta(days=800), 422, "frozen_time_not_allowed"),
        (CLOCKS, NOW + timedelta(days=400), 422, "frozen_time_not_allowed"),
        (CLOCKS, NOW - timedelta(days=400), 422, "frozen_time_not_allowed"),
        (CLOCKS, "tomorrow", 422, "invalid_request"),
    ],
)
def test_a_clock_moves_neither_back_nor_by_years(ask, clock, resource, frozen_time, status, code):
    text = frozen_time if isinstance(frozen_time, str) else frozen_time.isoformat()
    path = {"clock_id": clock} if resource != CLOCKS else {}

    answer = ask("POST", resource, {"frozen_time": text}, **path)

    assert (answer.status, answer.body["code"]) == (status, code)
    shown = ask("GET", CLOCK, clock_id=clock).body
    assert datetime.fromisoformat(shown["frozen_time"]) == NOW
    assert shown["status"] == "ready"


def test_a_clock_is_moved_again_once_it_is_ready(ask, clock, advance, database):
    first = advance(clock, days=1)
    again = advance(clock, days=1)
    database["test_clocks"].update_one({"_id": clock}, {"$set": {"notifications_behind": True}})
    further = advance(clock, days=2)

    assert (first.body["status"], again.body["status"]) == ("advancing", "ready")
    assert (further.status, further.body["code"]) == (409, "invalid_state")
    assert advance(clock, days=2).status == 202


def test_a_clock_of_another_tenant_ties_moves_and_deletes_nothing(ask, clock):
    body = {"frozen_time": NOW.isoformat()}
    answers = [
        ask("POST", f"{CLOCK}/advance", body, tenant="another", clock_id=clock),
        ask("GET", CLOCK, tenant="another", clock_id=clock),
        ask("DELETE", CLOCK, tenant="another", clock_id=clock),
    ]
    tied = ask("POST", "/v1/payments", VISA | {"test_clock": clock}, "k", tenant="another")

    assert {each.status for each in answers} == {404}
    assert (tied.status, tied.body["param"]) == (422, "test_clock")
    assert ask("GET", CLOCKS, tenant="another").body["data"] == []


def test_a_tenant_has_ten_clocks_and_a_clock_a_hundred_objects(ask, clock, pay, database):
    body = {"frozen_time": NOW.isoformat()}
    statuses = [ask("POST", CLOCKS, body).status for _ in range(10)]
    database["test_clocks"].update_one({"_id": clock}, {"$set": {"objects": 99}})

    payment_id = pay(clock)
    more = ask("POST", "/v1/payments", VISA | {"test_clock": clock}, "k2")
    again = ask("POST", "/v1/payments", VISA | {"test_clock": clock}, "k")

    assert statuses == [201] * 9 + [409]
    assert (more.status, more.body["code"]) == (409, "too_many_objects")
    assert (again.status, again.body["id"]) == (201, payment_id)
    assert ask("DELETE", CLOCK, clock_id=clock).body == {"id": clock, "deleted": True}
    assert ask("POST", CLOCKS, body).status == 201


def test_with_a_real_provider_there_are_no_clocks(payments, tenant):
    api = payments("app", TEST_CLOCKS="no")

    answer = api.request(
        "POST",
        CLOCKS,
        body={"frozen_time": NOW.isoformat()},
        tenant=tenant,
        scope="payments:write",
    )

    assert (answer.status, answer.body["code"]) == (409, "test_clocks_unavailable")
