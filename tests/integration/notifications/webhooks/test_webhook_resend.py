"""Deliveries of webhooks that somebody sends again by hand, or as a test."""

import pytest
from standardwebhooks import Webhook

from tests.integration.notifications.webhooks.conftest import DELIVERIES, ROUTE
from tests.integration.webhook_sink import WebhookSink


def test_a_delivery_is_sent_again_by_hand(make, api, announce, settle, log):
    with WebhookSink() as sink:
        endpoint_id, _ = make(sink.url)
        announce("payment.succeeded")
        settle()
        [sent] = log(endpoint_id).body["data"]
        path = {"endpoint_id": endpoint_id, "notification_id": sent["id"]}
        again = api("POST", DELIVERIES + "/{notification_id}/resend", path=path)
        settle()

    assert (again.status, again.body) == (202, {"id": sent["id"], "status": "queued"})
    first, second = sink.deliveries
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert len(log(endpoint_id).body["data"][0]["attempts"]) == 2


@pytest.fixture
def resend(api):
    """Send a delivery again by hand."""

    def post(endpoint_id, notification_id):
        path = {"endpoint_id": endpoint_id, "notification_id": notification_id}
        return api("POST", DELIVERIES + "/{notification_id}/resend", path=path)

    return post


def test_a_delivery_that_waits_for_its_next_attempt_is_sent_now_and_once(
    make, announce, settle, log, resend, queue
):
    with WebhookSink([500, 204]) as sink:
        endpoint_id, _ = make(sink.url)
        announce("payment.succeeded")
        settle()
        [waiting] = log(endpoint_id).body["data"]
        answers = [resend(endpoint_id, waiting["id"]) for _ in range(2)]
        settle()

    assert (waiting["status"], [each.status for each in answers]) == ("queued", [202, 202])
    assert len(sink.deliveries) == 2
    [shown] = log(endpoint_id).body["data"]
    assert (shown["status"], len(shown["attempts"])) == ("delivered", 2)


def test_a_delivery_that_was_sent_by_hand_in_vain_keeps_its_schedule(
    make, announce, settle, log, resend
):
    with WebhookSink([500]) as sink:
        endpoint_id, _ = make(sink.url)
        announce("payment.succeeded")
        settle()
        [before] = log(endpoint_id).body["data"]
        resend(endpoint_id, before["id"])
        settle()

    [after] = log(endpoint_id).body["data"]
    assert len(sink.deliveries) == 2
    assert (after["status"], after["due_at"]) == ("queued", before["due_at"])


def test_a_delivery_that_is_over_is_attempted_by_hand_once_only(
    make, announce, settle, log, resend
):
    with WebhookSink([204, 500]) as sink:
        endpoint_id, _ = make(sink.url)
        announce("payment.succeeded")
        settle()
        [delivered] = log(endpoint_id).body["data"]
        resend(endpoint_id, delivered["id"])
        settle()

    [after] = log(endpoint_id).body["data"]
    assert (after["status"], after["failure"]) == ("failed", "HTTP 500")
    assert len(sink.deliveries) == 2


def test_what_was_never_attempted_or_is_unknown_cannot_be_sent_again(make, create, resend, cancel):
    endpoint_id, _ = make("https://hooks.example.com/")
    waiting = create("k", channel="webhook", to=endpoint_id).body["id"]
    refused = resend(endpoint_id, waiting)
    cancel(waiting)

    assert (refused.status, refused.body["code"]) == (409, "invalid_state")
    assert resend(endpoint_id, waiting).body["detail"] == "It is canceled, and was never sent."
    assert resend(endpoint_id, "ntf_unknown").status == 404


def test_an_endpoint_is_tested_whatever_events_it_wants(make, api, settle, log):
    with WebhookSink([500, 204]) as sink:
        endpoint_id, secret = make(sink.url, events=["payment.failed"])
        sent = []
        for _ in range(2):
            sent.append(
                api("POST", ROUTE + "/{endpoint_id}/test", path={"endpoint_id": endpoint_id})
            )
            settle()

    assert [each.status for each in sent] == [202, 202]
    _, delivery = sink.deliveries
    event = Webhook(secret).verify(delivery.body, dict(delivery.headers))
    assert (event["type"], event["data"]) == ("webhook.test", {"endpoint_id": endpoint_id})
    statuses = {each["id"]: each["status"] for each in log(endpoint_id).body["data"]}
    assert statuses == {sent[0].body["id"]: "failed", sent[1].body["id"]: "delivered"}
