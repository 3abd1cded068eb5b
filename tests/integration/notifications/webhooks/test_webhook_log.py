"""The log of an endpoint's deliveries: what it shows, to whom, and in which order."""

import pytest

from tests.integration.notifications.webhooks.conftest import DELIVERIES
from tests.integration.webhook_sink import WebhookSink


def test_a_delivery_shows_its_payment_and_its_body(make, api, announce, settle, log):
    with WebhookSink() as sink:
        endpoint_id, _ = make(sink.url)
        announce("payment.succeeded", payment="pay_7")
        settle()
    [listed] = log(endpoint_id).body["data"]
    path = {"endpoint_id": endpoint_id, "notification_id": listed["id"]}
    shown = api("GET", DELIVERIES + "/{notification_id}", path=path).body

    assert shown == listed
    assert shown["payment_id"] == "pay_7"
    assert shown["body"].encode() == sink.deliveries[0].body
    path = {"endpoint_id": endpoint_id, "notification_id": "ntf_unknown"}
    assert api("GET", DELIVERIES + "/{notification_id}", path=path).status == 404


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"status": "delivered"}, ["pay_2", "pay_1"]),
        ({"status": "queued"}, ["pay_3"]),
        ({"type": "payment.failed"}, ["pay_3", "pay_1"]),
        ({"type": "notification.welcome"}, []),
        ({"payment_id": "pay_2"}, ["pay_2"]),
        ({"payment_id": "pay_2", "type": "payment.failed"}, []),
        ({"status": "delivered", "limit": "1"}, ["pay_2"]),
    ],
)
def test_a_log_is_filtered(make, announce, settle, log, query, shown):
    with WebhookSink([204, 204, 500]) as sink:
        endpoint_id, _ = make(sink.url)
        for payment, event in (("1", "failed"), ("2", "succeeded"), ("3", "failed")):
            announce(f"payment.{event}", payment=f"pay_{payment}")
            settle()
    page = log(endpoint_id, **query).body

    assert [each["payment_id"] for each in page["data"]] == shown
    assert page["has_more"] == ("limit" in query)
    assert log(endpoint_id, status="lost").body["param"] == "status"


def test_a_delivery_belongs_to_its_endpoint_alone(make, api, announce, settle, log):
    with WebhookSink() as sink, WebhookSink() as another:
        endpoint_id, _ = make(sink.url)
        other_id, _ = make(another.url, events=["payment.failed"])
        announce("payment.succeeded")
        settle()
    [sent] = log(endpoint_id).body["data"]
    path = {"endpoint_id": other_id, "notification_id": sent["id"]}

    assert api("POST", DELIVERIES + "/{notification_id}/resend", path=path).status == 404
    assert log(other_id, starting_after=sent["id"]).status == 422


def test_the_log_is_paged_newest_first(make, announce, settle, log):
    with WebhookSink() as sink:
        endpoint_id, _ = make(sink.url)
        for number in range(3):
            announce("payment.succeeded", payment=f"pay_{number}")
            settle()
    first = log(endpoint_id, limit="2").body
    rest = log(endpoint_id, starting_after=first["data"][-1]["id"]).body

    ids = [each["id"] for each in first["data"] + rest["data"]]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert ids == [each.headers["webhook-id"] for each in reversed(sink.deliveries)]
    back = log(endpoint_id, limit="1", ending_before=ids[2]).body
    assert ([each["id"] for each in back["data"]], back["has_more"]) == ([ids[1]], True)
    assert log(endpoint_id, limit="101").status == 422
    assert log(endpoint_id, starting_after="ntf_unknown").body["param"] == "starting_after"
