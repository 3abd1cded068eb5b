"""Notifications that wait are sent when they are due, unless they are canceled before."""

from datetime import UTC, datetime, timedelta

import pytest

from notifications.channels.protocol import SCHEDULE_S
from tests.integration.notifications.bodies import SCOPES
from tests.integration.scripted_smtp import ScriptedSmtp

AROUND_S = 5  # what a test may take between two looks at the clock


def _in(**span):
    return (datetime.now(UTC) + timedelta(**span)).isoformat(timespec="seconds")


def _seconds_until(text):
    return (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds()


def test_a_time_that_is_over_is_no_reason_to_wait(create, messages):
    create("k", send_after="2001-01-01T00:00:00Z")

    assert len(messages()) == 1


def test_a_notification_for_soon_has_a_delayed_message_and_is_not_woken(
    create, queue, messages, relay
):
    create("k", send_after=_in(minutes=10))
    relay()

    assert queue("notifications").depth().delayed == 1
    assert messages() == []


def test_a_notification_for_next_month_waits_in_its_document_and_is_sent_when_due(
    create, show, deliver, queue, relay, due
):
    when = _in(days=30)
    notification_id = create("k", send_after=when).body["id"]
    relay()
    depth = queue("notifications").depth()
    waiting = show(notification_id)
    due(notification_id)
    deliver()

    assert (depth.visible, depth.delayed) == (0, 0)
    assert waiting["status"] == "queued"
    assert datetime.fromisoformat(waiting["due_at"]) == datetime.fromisoformat(when)
    assert show(notification_id)["status"] == "delivered"
    assert "due_at" not in show(notification_id)


def test_the_relay_sends_the_message_ahead_so_that_it_arrives_to_the_second(
    create, queue, messages, relay, database
):
    notification_id = create("k", send_after=_in(days=30)).body["id"]
    document = {"_id": notification_id}
    at_ms = database["notifications"].find_one(document)["claimable_at_ms"]
    ahead_ms = at_ms - database["notifications"].find_one(document)["wake_ms"]
    soon = {"claimable_at_ms": at_ms - 30 * 86_400_000 + ahead_ms, "wake_ms": 1}
    database["notifications"].update_one(document, {"$set": soon})
    relay()
    relay()

    assert queue("notifications").depth().delayed == 1
    assert messages() == []


def test_a_message_that_was_lost_is_sent_again(create, show, worker, messages, due):
    notification_id = create("k", send_after=_in(minutes=1)).body["id"]
    due(notification_id)
    lost = messages()
    due(notification_id)
    again = messages()

    assert (len(lost), len(again)) == (1, 1)
    assert worker.consume([*again, *lost]) == []
    assert len(show(notification_id)["attempts"]) == 1


def test_an_immediate_notification_whose_message_was_lost_is_sent_within_a_minute(
    create, show, deliver, relay, messages, database
):
    notification_id = create("k").body["id"]
    lost = messages()
    relay()
    too_early = messages()
    database["notifications"].update_one({"_id": notification_id}, {"$inc": {"wake_ms": -45_000}})
    relay()
    deliver()

    assert (len(lost), too_early) == (1, [])
    assert show(notification_id)["status"] == "delivered"
    assert "wake_ms" not in database["notifications"].find_one({"_id": notification_id})


def test_a_time_may_be_written_with_small_letters(create, show):
    when = _in(minutes=10).replace("+00:00", "z").replace("T", "t")
    shown = show(create("k", send_after=when).body["id"])

    assert datetime.fromisoformat(shown["due_at"]) == datetime.fromisoformat(when.upper())


def test_a_message_that_comes_too_early_sends_nothing_and_is_done_with(
    create, show, worker, messages, database
):
    notification_id = create("k").body["id"]
    in_an_hour_ms = round(datetime.now(UTC).timestamp() * 1000) + 3_600_000
    later = {"claimable_at_ms": in_an_hour_ms, "wake_ms": in_an_hour_ms}
    database["notifications"].update_one({"_id": notification_id}, {"$set": later})

    assert worker.consume(messages()) == []
    assert show(notification_id)["attempts"] == []


def test_a_mail_server_that_refuses_for_now_is_asked_again_on_a_schedule_until_it_has_failed(
    start, create, show, messages, due
):
    notification_id = create("k", to="never@example.com").body["id"]
    waits = []
    with ScriptedSmtp(rcpt={"never@example.com": "451 4.7.1 not now"}) as server:
        worker = start("notifications.app.worker", SMTP_URL=server.url)
        for _ in SCHEDULE_S:
            assert worker.consume(messages()) == []
            waits.append(_seconds_until(show(notification_id)["due_at"]))
            due(notification_id)
        worker.consume(messages())
    shown = show(notification_id)

    assert all(
        planned - AROUND_S <= waited <= planned * 1.1
        for planned, waited in zip(SCHEDULE_S, waits, strict=True)
    )
    assert (shown["status"], shown["failure"]) == ("failed", "4.7.1 not now")
    assert len(shown["attempts"]) == len(SCHEDULE_S) + 1


def test_what_is_canceled_is_not_sent_and_may_be_canceled_again(
    create, cancel, show, deliver, mailbox, address
):
    notification_id = create("k", to=address).body["id"]
    answers = [cancel(notification_id) for _ in range(2)]
    deliver()

    assert [(each.status, each.body["status"]) for each in answers] == [(200, "canceled")] * 2
    assert show(notification_id)["status"] == "canceled"
    assert mailbox.mails_to(address) == []


def test_what_waits_in_its_document_can_be_canceled(create, cancel, messages, relay):
    notification_id = create("k", send_after=_in(days=30)).body["id"]
    canceled = cancel(notification_id)
    relay()

    assert "due_at" not in canceled.body
    assert messages() == []


def test_what_was_sent_cannot_be_canceled(create, cancel, worker, messages):
    notification_id = create("k").body["id"]
    worker.consume(messages())
    refused = cancel(notification_id)

    assert (refused.status, refused.body["code"]) == (409, "invalid_state")
    assert "delivered" in refused.body["detail"]


@pytest.mark.parametrize("whose", ["another tenant's", "nobody's"])
def test_what_is_not_ones_own_cannot_be_canceled(create, cancel, show, whose):
    notification_id = create("k").body["id"]
    refused = cancel(
        notification_id if whose != "nobody's" else "ntf_nothing",
        tenant="somebody-else",
        scope=SCOPES,
    )

    assert (refused.status, refused.body["code"]) == (404, "not_found")
    assert show(notification_id)["status"] == "queued"


def _quiet_now(hours):
    now = datetime.now(UTC)
    start, end = (f"{now + timedelta(hours=each):%H:%M}" for each in hours)
    return {"start": start, "end": end, "zone": "UTC"}


@pytest.mark.parametrize("changes", [{}, {"send_after": "0001-01-01T00:00:00+14:00"}])
def test_nobody_is_disturbed_in_quiet_hours(create, show, messages, changes):
    notification_id = create("k", quiet_hours=_quiet_now((-2, 2)), **changes).body["id"]

    assert messages() == []
    assert 3600 < _seconds_until(show(notification_id)["due_at"]) <= 2 * 3600


def test_what_becomes_due_in_quiet_hours_waits_on(create, show, deliver, due):
    notification_id = create("k", quiet_hours=_quiet_now((-2, 2))).body["id"]
    due(notification_id)
    deliver()
    shown = show(notification_id)

    assert (shown["status"], shown["attempts"]) == ("queued", [])
    assert 3600 < _seconds_until(shown["due_at"]) <= 2 * 3600


def test_outside_quiet_hours_nothing_waits(sent):
    assert sent("k", quiet_hours=_quiet_now((2, 4)))["status"] == "delivered"
