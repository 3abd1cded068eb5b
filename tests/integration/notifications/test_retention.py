"""Notifications that are over are deleted by the store after a time; those that wait are kept."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from notifications.store import DELIVERY_LIFE_S, LIFE_S
from notifications.suppressions.store import BOUNCE_LIFE_S


@pytest.fixture
def life_s(database):
    """Return for how long a document is still kept, to the minute; None for ever."""

    def left(collection, **query):
        expires_at = database[collection].find_one(query).get("expires_at")
        if expires_at is None:
            return None
        left_s = (expires_at.replace(tzinfo=UTC) - datetime.now(UTC)) / timedelta(seconds=1)
        return round(left_s / 60) * 60

    return left


def test_a_notification_is_kept_while_it_waits_and_90_days_once_it_is_over(
    create, deliver, cancel, life_s
):
    waiting = create("waits", send_after="2027-06-01T00:00:00Z").body["id"]
    sent = create("sent").body["id"]
    deliver()

    assert life_s("notifications", _id=waiting) is None
    assert life_s("notifications", _id=sent) == LIFE_S
    cancel(waiting)
    assert life_s("notifications", _id=waiting) == LIFE_S


def test_a_delivery_of_a_webhook_is_kept_for_30_days_and_anew_when_it_is_sent_again(
    api, function, queue, create, life_s
):
    endpoint_id = api(
        "POST", "/v1/webhook-endpoints", body={"url": f"http://127.0.0.1:9/{time.time_ns()}"}
    ).body["id"]
    delivery_id = create("hook", channel="webhook", to=endpoint_id).body["id"]
    api("DELETE", "/v1/webhook-endpoints/{endpoint_id}", path={"endpoint_id": endpoint_id})
    function("notifications.webhook_worker.worker").consume(queue("webhooks").receive())

    assert life_s("notifications", _id=delivery_id) == DELIVERY_LIFE_S


def test_a_bounce_alone_is_kept_for_a_year_and_whatever_else_is_told_for_good(
    sent, api, function, database, tenant, address, life_s
):
    notification_id = sent("k", to=address)["id"]
    feedback = function("notifications.app.feedback")
    mail = f'{{"tags":{{"notification":["{notification_id}"]}}}}'
    event = f'{{"eventType":"Bounce","mail":{mail},"bounce":{{"bounceType":"Permanent"}}}}'
    feedback.invoke({"Records": [{"Sns": {"Message": event}}]})
    assert life_s("suppressions", tenant=tenant) == BOUNCE_LIFE_S

    api("POST", "/v1/suppressions", body={"to": address})
    feedback.invoke({"Records": [{"Sns": {"Message": event}}]})

    assert life_s("suppressions", tenant=tenant) is None
    assert database["suppressions"].count_documents({"tenant": tenant}) == 1


def test_the_store_is_told_to_delete_what_has_expired(create, database):
    create("k")

    expiry = database["notifications"].index_information()["expiry"]

    assert (expiry["expireAfterSeconds"], expiry["sparse"]) == (0, True)
