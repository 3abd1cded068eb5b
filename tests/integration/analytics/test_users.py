"""The numbers of users: by hour and day, and again after Redis is lost."""

from datetime import timedelta

import pytest
import redis

from tests.conftest import free_port, wait_until
from tests.integration.analytics.events import NOW, SCOPES, around, event


@pytest.fixture
def restored(fold, points):
    """Fold until users are counted again."""

    def until_counted():
        fold()
        return points(granularity="hour")[-1]["uniques"] is not None

    return lambda: wait_until(until_counted)


def visits(users, at=NOW, prefix="e"):
    return [event(f"{prefix}.{user}", at=at, user_id=f"u{user}") for user in users]


def test_users_are_counted_once_by_hour_and_by_day(worker, messages, points, restored):
    middle = NOW.replace(hour=12, minute=30) - timedelta(days=1)
    worker.consume(
        messages(
            visits(range(300)),
            visits(range(200), at=middle, prefix="f"),
            visits(range(100, 300), at=middle + timedelta(hours=1), prefix="g"),
        )
    )
    restored()

    def uniques(**query):
        return [point["uniques"] for point in points(hours=48, **query)]

    assert uniques(granularity="hour") == pytest.approx([200, 200, 300], rel=0.03)
    assert uniques(granularity="day") == pytest.approx([300, 300], rel=0.03)
    # Ten hours never reach yesterday's last visits, whatever time it is.
    assert [point["uniques"] for point in points(hours=10)] == [None]


def test_users_of_hours_are_told_for_two_days_and_those_of_days_for_longer(
    worker, messages, points, restored
):
    worker.consume(messages(visits(range(3)), visits(range(5), NOW - timedelta(days=3), "f")))
    restored()

    def uniques(**query):
        return [point["uniques"] for point in points(hours=96, **query)]

    assert uniques(granularity="hour") == [None, 3]
    assert uniques(granularity="day") == [5, 3]


def test_users_are_not_told_after_redis_is_lost_until_they_are_in_again(
    worker, messages, points, restored, valkey
):
    worker.consume(messages(visits(range(50))))
    restored()
    with redis.Redis.from_url(valkey) as server:
        server.flushall()
    worker.consume(messages(visits(range(50, 60), prefix="late")))
    lost = points(granularity="hour")
    restored()
    complete = points(granularity="hour")

    assert [(p["count"], p["uniques"]) for p in lost] == [(60, None)]
    assert [p["uniques"] for p in complete] == pytest.approx([60], rel=0.05)


def test_events_are_counted_while_redis_is_away_and_their_users_later(
    start, messages, points, restored
):
    batch = messages(visits(range(50)))
    away = start("analytics.app.worker", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    failed = away.consume(batch)
    restored()

    assert failed == []
    assert [(p["count"]) for p in points()] == [50]
    assert [p["uniques"] for p in points(granularity="hour")] == pytest.approx([50], rel=0.05)


def test_a_metric_is_answered_without_its_users_while_redis_is_away(
    worker, messages, start, tenant
):
    worker.consume(messages(visits(range(5))))
    away = start("analytics.app.app", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    query = around(NOW, 1, name="page.viewed", granularity="hour")
    answer = away.request("GET", "/v1/analytics/metrics", query=query, tenant=tenant, scope=SCOPES)

    assert [(p["count"], p["uniques"]) for p in answer.body["points"]] == [(5, None)]
