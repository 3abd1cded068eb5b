"""Events as they are listed: the signed bodies, by type, object and time, and none that is lost."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from backend.announcer import Announcement
from payments.events import listed as listed_events
from tests.integration.function_process import receive_all
from tests.integration.payments.conftest import SCOPES, VISA

DECLINED = VISA | {"payment_method": "pm_card_chargeDeclined"}


@pytest.fixture
def settled(ask, worker, messages):
    """Make payments and settle them; returns their ids."""
    numbers = iter(range(1000))

    def some(*bodies):
        ids = []
        for body in bodies:
            ids.append(ask("POST", "/v1/payments", body, str(next(numbers))).body["id"])
            assert worker.consume(messages()) == []
        return ids

    return some


@pytest.fixture
def listed(api, tenant):
    def get(**query):
        return api.request("GET", "/v1/events", query=query, tenant=tenant, scope=SCOPES)

    return get


def _told(page):
    return [(each["data"]["id"], each["type"], each["sequence"]) for each in page.body["data"]]


def test_an_event_is_listed_with_the_very_text_that_webhooks_of_it_sign(
    settled, listed, api, tenant, function, queue, database
):
    function("notifications.app.app").request(
        "POST",
        "/v1/webhook-endpoints",
        body={"url": f"http://127.0.0.1:9/{tenant}", "events": ["payment.*"]},
        tenant=tenant,
        scope="notifications:write",
    )
    (payment_id,) = settled(VISA | {"metadata": {"order": "ü7"}})
    function("notifications.webhook_worker.worker").consume(receive_all(queue("webhooks")))

    (event,) = listed().body["data"]
    path = {"event_id": event["id"]}
    one = api.request("GET", "/v1/events/{event_id}", path=path, tenant=tenant, scope=SCOPES)
    delivery = database["notifications"].find_one({"tenant": tenant})

    assert one.body == event
    assert one.text == f'{{"id":"{event["id"]}",{delivery["rendered"]["text"][1:]}'
    payment = api.request(
        "GET",
        "/v1/payments/{payment_id}",
        path={"payment_id": payment_id},
        tenant=tenant,
        scope=SCOPES,
    )
    assert event["id"] == payment.body["events"][1]["id"]


def test_events_are_listed_by_object_type_and_time_in_the_order_of_what_happened(
    settled, listed, database
):
    paid, declined, other = settled(VISA, DECLINED, VISA)
    succeeded, failed = "payment.succeeded", "payment.failed"
    newest_first = [(other, succeeded, 2), (declined, failed, 2), (paid, succeeded, 2)]

    assert _told(listed()) == _told(listed(type="*")) == newest_first
    assert _told(listed(type="payment.*")) == newest_first
    assert _told(listed(type=succeeded)) == [newest_first[0], newest_first[2]]
    assert _told(listed(object=declined)) == [newest_first[1]]
    assert _told(listed(object=declined, type=succeeded)) == []
    middle = listed(object=declined).body["data"][0]["timestamp"]
    assert _told(listed(created_gte=middle))[-1] == newest_first[1]
    assert _told(listed(created_lt=middle))[0] == newest_first[2]
    later = datetime.now(UTC) + timedelta(days=1)
    assert _told(listed(created_gte=later.isoformat())) == []


def test_pages_of_events_go_both_ways_and_end_where_there_are_no_more(settled, listed):
    settled(VISA, DECLINED, VISA, DECLINED, VISA)
    everything = listed().body["data"]
    ids = [each["id"] for each in everything]

    older = listed(limit="2", starting_after=ids[1])
    newer = listed(limit="2", ending_before=ids[3])
    first = listed(limit="2", ending_before=ids[1])
    of_type = listed(limit="1", type="payment.failed", ending_before=ids[3])

    assert [each["id"] for each in older.body["data"]] == ids[2:4]
    assert [each["id"] for each in newer.body["data"]] == ids[1:3]
    assert [each["id"] for each in first.body["data"]] == ids[:1]
    assert [each["id"] for each in of_type.body["data"]] == ids[1:2]
    flags = [each.body["has_more"] for each in (older, newer, first, of_type)]
    assert flags == [True, True, False, False]


def test_events_of_one_moment_stand_in_the_order_of_their_sequence():
    names = [f"pay_1.{number}" for number in (9, 10, 11)]
    raw = [
        {"event_id": each, "name": "payment.refunded", "occurred_at_ms": 5, "sequence": number}
        for number, each in enumerate(names, start=9)
    ]

    events = listed_events([Announcement(tenant="t", events=raw)])

    assert [each.id for each in sorted(events, key=lambda each: each.place)] == [
        "evt_1_9",
        "evt_1_10",
        "evt_1_11",
    ]


def test_an_event_of_another_tenant_is_not_there(settled, api, listed):
    (payment_id,) = settled(VISA)
    (event,) = listed().body["data"]

    def get(resource, **parts):
        return api.request("GET", resource, tenant="stranger", scope=SCOPES, **parts)

    one = get("/v1/events/{event_id}", path={"event_id": event["id"]})
    assert (one.status, one.body["code"], one.body["param"]) == (404, "not_found", "event_id")
    assert get("/v1/events", query={"object": payment_id}).body["data"] == []
    assert get("/v1/events", query={"starting_after": event["id"]}).status == 422


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"type": "payment.created"}, "type"),
        ({"type": "pay*"}, "type"),
        ({"created_gte": "yesterday"}, "created_gte"),
        ({"starting_after": "evt_1", "ending_before": "evt_2"}, "ending_before"),
        ({"object[a]": "pay_1"}, "object"),
        ({"status": "failed"}, "status"),
    ],
)
def test_a_query_for_events_that_makes_no_sense_is_refused(listed, query, param):
    answer = listed(**query)

    assert (answer.status, answer.body["param"]) == (422, param)


def test_an_announcement_that_comes_again_lists_nothing_twice(settled, worker, queue, listed):
    (payment_id,) = settled(VISA)
    queue("payments").send(json.dumps({"payment_id": payment_id}))
    worker.consume(receive_all(queue("payments")))

    assert len(listed().body["data"]) == 1
