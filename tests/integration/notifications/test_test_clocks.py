"""Test clocks of notifications: what waits is sent once its clock has come there, in its order."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.notifications.bodies import SCOPES, welcome
from tests.integration.scripted_smtp import ScriptedSmtp

NOW = datetime.now(UTC).replace(microsecond=0)
LOOKS = 400  # of the worker, while the relay moves a clock


@pytest.fixture
def clock(function, tenant):
    """The id of a clock that stands at the present."""
    answer = function("payments.app.app").request(
        "POST",
        "/v1/test-clocks",
        body={"frozen_time": NOW.isoformat()},
        tenant=tenant,
        scope="payments:write",
    )
    return answer.body["id"]


@pytest.fixture
def move(function, tenant, messages, database):
    """Move a clock on, and have the relay and a worker do what is due, the same time at once."""

    def until_ready(clock_id, worker, **span):
        answer = function("payments.app.app").request(
            "POST",
            "/v1/test-clocks/{clock_id}/advance",
            path={"clock_id": clock_id},
            body={"frozen_time": (NOW + timedelta(**span)).isoformat()},
            tenant=tenant,
            scope="payments:write",
        )
        assert answer.status == 202
        relay = function("notifications.app.relay")
        for _ in range(LOOKS):
            relay.begin({})
            while not relay.has_answered(within_s=0.05):
                assert worker.consume(messages()) == []
            relay.end()
            if "notifications_behind" not in database["test_clocks"].find_one({"_id": clock_id}):
                break
        else:
            raise TimeoutError(clock_id)
        query = {"_id": clock_id}
        database["test_clocks"].update_one(query, {"$unset": {"payments_behind": ""}})

    return until_ready


def _text(**span):
    return (NOW + timedelta(**span)).isoformat()


def _after(text):
    return datetime.fromisoformat(text) - NOW


def test_what_is_planned_waits_for_its_clock_and_is_sent_at_its_time(
    clock, create, show, worker, messages, move
):
    when = {"send_after": _text(days=30), "test_clock": clock}
    notification_id = create("k", **when).body["id"]
    again = create("k", **when)
    waiting = show(notification_id)

    move(clock, worker, days=29)
    before = show(notification_id)["status"]
    move(clock, worker, days=31)

    sent = show(notification_id)
    assert again.body["id"] == notification_id
    assert _after(waiting["due_at"]) == timedelta(days=30)
    assert (before, sent["status"]) == ("queued", "delivered")
    assert [_after(each["at"]) for each in sent["attempts"]] == [timedelta(days=30)]


def test_quiet_hours_are_those_of_the_clock(clock, create, show, worker, move):
    start, end = ((NOW + timedelta(hours=hours)).strftime("%H:%M") for hours in (-1, 2))
    hours = {"start": start, "end": end, "zone": "UTC"}
    notification_id = create("k", quiet_hours=hours, test_clock=clock).body["id"]

    move(clock, worker, hours=1)
    before = show(notification_id)["status"]
    move(clock, worker, hours=3)

    assert before == "queued"
    assert show(notification_id)["status"] == "delivered"


def test_retries_of_hours_pass_in_seconds_in_the_order_of_time_of_all(
    clock, create, show, start, move, database
):
    refusals = {"ada@example.com": "451 4.7.1 later", "bob@example.com": "451 4.7.1 later"}
    with ScriptedSmtp(rcpt=refusals) as server:
        worker = start("notifications.app.worker", SMTP_URL=server.url)
        ids = [
            create(to, to=f"{to}@example.com", test_clock=clock).body["id"] for to in ("ada", "bob")
        ]

        move(clock, worker, days=2)

    shown = [show(each) for each in ids]
    assert {each["status"] for each in shown} == {"failed"}
    spans = [_after(each["at"]) for each in shown[0]["attempts"]]
    assert len(spans) == 8
    assert spans == sorted(spans)
    assert timedelta(hours=11) < spans[-1] < timedelta(hours=13)
    documents = [database["notifications"].find_one({"_id": each}) for each in ids]
    attempts = sorted((x["at_ms"], x["clock_ms"]) for each in documents for x in each["attempts"])
    by_clock = [at_ms for _, at_ms in attempts]
    assert by_clock == sorted(by_clock)


def test_what_was_canceled_is_not_sent_and_holds_nothing_up(
    clock, create, cancel, show, worker, move
):
    notification_id = create("k", send_after=_text(hours=1), test_clock=clock).body["id"]
    cancel(notification_id)

    move(clock, worker, hours=2)

    assert show(notification_id)["status"] == "canceled"


def test_a_clock_of_another_tenant_is_none(clock, function):
    answer = function("notifications.app.app").request(
        "POST",
        "/v1/notifications",
        body=welcome(test_clock=clock),
        headers={"Idempotency-Key": "k"},
        tenant="another",
        scope=SCOPES,
    )

    assert (answer.status, answer.body["param"]) == (422, "test_clock")
