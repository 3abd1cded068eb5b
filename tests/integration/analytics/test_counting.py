"""Counting through its doors: REST events in, SQS events to the worker, metrics out."""

import dataclasses
import json
from datetime import timedelta

from tests.conftest import free_port
from tests.integration.analytics.events import NOW, SCOPES, around, event, rfc3339
from tests.integration.function_process import receive_all, sqs_event


def test_an_event_is_accepted_counted_and_shown(api, worker, queue, points):
    body = {"name": "page.viewed", "value": 2.5, "properties": {"page": "/", "is_new": True}}
    answer = api("POST", "/v1/analytics/events", body=body)
    failed = worker.consume(receive_all(queue("analytics")))

    assert (answer.status, answer.body) == (202, {"accepted": 1, "rejected": []})
    assert failed == []
    [point] = points()
    assert {name: point[name] for name in ("count", "sum", "min", "max")} == {
        "count": 1,
        "sum": 2.5,
        "min": 2.5,
        "max": 2.5,
    }


def test_points_have_count_sum_and_extremes_by_minute_hour_and_day(worker, messages, points):
    hour = (NOW - timedelta(minutes=10)).replace(second=0, microsecond=0)
    later = hour + timedelta(minutes=1)
    worker.consume(
        messages(
            [event("a", 5, at=hour), event("b", -1, at=hour + timedelta(seconds=59))],
            [event("c", at=later), event("d", 7, name="other", at=later)],
        )
    )

    assert [(p["at"], p["count"], p["sum"], p["min"], p["max"]) for p in points()] == [
        (rfc3339(hour).replace("Z", ".000Z"), 2, 4.0, -1.0, 5.0),
        (rfc3339(later).replace("Z", ".000Z"), 1, 0.0, None, None),
    ]
    for granularity in ("hour", "day"):
        assert sum(p["count"] for p in points(granularity=granularity)) == 3


def test_a_message_delivered_again_counts_its_events_once(worker, messages, points):
    batch = messages(*([event(f"e{i}", i)] for i in range(10)))
    for delivered in (batch, batch[:4], batch[3:], batch):
        assert worker.consume(delivered) == []

    [point] = points()
    assert (point["count"], point["sum"]) == (10, 45.0)


def test_an_event_sent_in_several_messages_counts_once(worker, messages, points):
    first = event("same", 1)
    worker.consume(messages([first, event("other", 1)], [first], [{**first, "user_id": "u"}]))
    worker.consume(messages([first], [event("same", 1, name="another.name")]))

    [point] = points()
    assert (point["count"], point["sum"]) == (2, 2.0)
    assert points(name="another.name") == []


def test_a_message_redriven_under_a_new_id_a_day_later_counts_once(worker, messages, points):
    events = [event("a", 1), event("b", 1)]
    first = messages(events)
    [again] = messages(events)
    worker.consume(first)
    worker.consume([dataclasses.replace(again, sent_at_ms=again.sent_at_ms + 86_400_000)])

    [point] = points()
    assert point["count"] == 2


def test_two_workers_with_the_same_messages_count_each_once(start, messages, points):
    workers = [start("analytics.app.worker") for _ in range(2)]
    for number in range(20):
        batch = messages(*([event(f"{number}.{i}", 1)] for i in range(10)))
        for each in workers:
            each.begin(sqs_event(batch))
        assert [each.end() for each in workers] == [{"batchItemFailures": []}] * 2

    [point] = points()
    assert (point["count"], point["sum"]) == (200, 200.0)


def test_two_workers_with_other_messages_of_one_minute_lose_none(start, messages, points):
    workers = [start("analytics.app.worker") for _ in range(2)]
    for number in range(20):
        batch = messages(*([event(f"{number}.{i}", i)] for i in range(10)))
        for each, half in zip(workers, (batch[:5], batch[5:]), strict=True):
            each.begin(sqs_event(half))
        assert [each.end() for each in workers] == [{"batchItemFailures": []}] * 2

    [point] = points()
    assert (point["count"], point["sum"], point["min"], point["max"]) == (200, 900.0, 0.0, 9.0)


def test_a_worker_killed_between_event_and_bucket_loses_and_doubles_nothing(
    killed_at, worker, messages, points, database, tenant
):
    batch = messages(*([event(f"e{i}", 1)] for i in range(10)))
    killed_at(b"analytics_buckets", "analytics.app.worker", batch)
    events_left = database["analytics_events"].count_documents({"tenant": tenant})
    before = points()
    for delivered in (batch[:7], batch):
        worker.consume(delivered)

    assert (events_left, before) == (10, [])
    [point] = points()
    assert point["count"] == 10


def test_an_event_whose_message_was_cut_short_counts_once_though_another_brings_it_first(
    killed_at, worker, messages, points
):
    owner = messages([event("same", 1)])
    killed_at(b"analytics_buckets", "analytics.app.worker", owner)
    worker.consume([*messages([{**event("same", 1), "user_id": "u"}]), *owner])

    [point] = points()
    assert point["count"] == 1


def test_a_range_that_begins_within_a_minute_has_that_minute(worker, messages, points):
    start = NOW.replace(second=0, microsecond=0)
    worker.consume(messages([event("a", 1, at=start)]))

    assert len(points(**{"from": rfc3339(start + timedelta(seconds=30))})) == 1


def test_a_message_that_is_none_is_reported_alone(worker, messages, points):
    batch = messages([event("a", 1)], [{"event_id": "b"}])
    [bad] = [each.message_id for each in batch if '"name"' not in each.body]

    assert worker.consume(batch) == [bad]
    assert [p["count"] for p in points()] == [1]


def test_a_store_that_does_not_answer_gives_every_message_back(start, messages):
    batch = messages([event("a", 1)], [event("b", 1)])
    worker = start("analytics.app.worker", MONGO_URL=f"mongodb://127.0.0.1:{free_port()}")

    assert sorted(worker.consume(batch)) == sorted(each.message_id for each in batch)


def test_another_tenant_sees_nothing(worker, messages, function):
    worker.consume(messages([event("a", 1)]))
    answer = function("analytics.app.app").request(
        "GET",
        "/v1/analytics/metrics",
        tenant="somebody-else",
        scope=SCOPES,
        query={
            "name": "page.viewed",
            "from": rfc3339(NOW - timedelta(hours=1)),
            "to": rfc3339(NOW + timedelta(hours=1)),
        },
    )

    assert answer.body["points"] == []


def test_a_batch_of_messages_with_more_events_than_one_write_is_counted_whole(
    worker, messages, points
):
    batch = messages(*([event(f"{n}.{i}", 1) for i in range(300)] for n in range(4)))

    assert worker.consume(batch) == []
    assert worker.consume(batch[::-1]) == []
    assert [point["count"] for point in points()] == [1200]


def test_an_event_older_than_three_weeks_is_not_counted(worker, messages, api):
    old = NOW - timedelta(days=21, minutes=1)
    worker.consume(messages([event("old", at=old), event("young", at=old + timedelta(hours=1))]))
    answer = api("GET", "/v1/analytics/metrics", query=around(old, 3, name="page.viewed"))

    assert [point["count"] for point in answer.body["points"]] == [1]


def test_events_with_names_beyond_the_limit_are_counted_together(
    worker, start, messages, metric, api
):
    many = [event(f"e{i}", 1, name=f"n{i:03}") for i in range(510)]
    worker.consume(messages(*(many[at : at + 100] for at in range(0, 500, 100))))
    later = messages(
        many[500:], [event("known", 1, name="n000"), event("p", 1, name="payment.failed")]
    )
    worker.consume(later)
    start("analytics.app.worker").consume(later)  # again, at a process that knows nothing
    page = api("GET", "/v1/analytics/names", query={"limit": "2"}).body

    assert [point["count"] for point in metric("(other)")["points"]] == [10]
    assert metric("n505")["points"] == []
    assert [point["count"] for point in metric("payment.failed")["points"]] == [1]
    assert [point["count"] for point in metric("n000")["points"]] == [2]
    assert page["data"] == [{"name": "(other)"}, {"name": "n000"}]


def test_a_message_of_one_tenant_that_fails_leaves_those_of_others_counted(
    worker, queue, messages, points
):
    broken = {"event_id": "b", "name": "page.viewed", "occurred_at_ms": 1 << 60}
    queue("analytics").send(json.dumps({"tenant": "breaker", "events": [broken]}))
    batch = messages([event("a", 1)])
    [bad] = [each for each in batch if '"breaker"' in each.body]

    assert worker.consume(batch) == [bad.message_id]
    assert [point["count"] for point in points()] == [1]
