"""Minutes folded into hours and hours into days: the answers stay, also for what comes late."""

from datetime import timedelta

from tests.integration.analytics.events import NOW, event

GRANULARITIES = ("minute", "hour", "day")
PAST = NOW - timedelta(hours=30)


def days(points):
    """Return the points of each granularity, without what only counts for users."""
    by_granularity = {
        each: points(hours=48, granularity=each) for each in GRANULARITIES if each != "minute"
    }
    return by_granularity | {"minute": points(hours=12)}


def test_answers_are_the_same_before_and_after_folding(worker, messages, points, fold):
    worker.consume(
        messages(
            [event("a", 5), event("b", -1, at=NOW - timedelta(minutes=1)), event("c", at=PAST)],
            [event("d", 7, properties={"currency": "EUR"})],
        )
    )
    before = days(points)
    fold()
    after = days(points)

    assert {name: [p["count"] for p in each] for name, each in before.items()} == {
        name: [p["count"] for p in each] for name, each in after.items()
    }
    for name in GRANULARITIES:
        assert [(p["at"], p["sum"], p["min"], p["max"]) for p in before[name]] == [
            (p["at"], p["sum"], p["min"], p["max"]) for p in after[name]
        ]


def test_what_is_folded_outlives_what_it_was_folded_from(
    worker, messages, points, fold, database, tenant
):
    worker.consume(messages([event("a", 5), event("b", 2, at=PAST)]))
    fold()
    database["analytics_buckets"].delete_many({"tenant": tenant})
    assert [p["sum"] for p in points(hours=12)] == [5.0]
    database["analytics_hours"].delete_many({"tenant": tenant})

    for granularity in ("hour", "day"):
        folded = points(hours=48, granularity=granularity)
        assert [p["sum"] for p in folded] == [2.0, 5.0]


def test_an_event_that_comes_late_lands_where_it_belongs(worker, messages, points, fold):
    worker.consume(messages([event("a", 1, at=PAST), event("b", 1)]))
    fold()
    late = messages([event("late", 10, at=PAST), event("new", 100)])
    worker.consume(late)
    unfolded = points(hours=48, granularity="hour")
    fold()
    worker.consume(late)
    fold()
    folded = points(hours=48, granularity="hour")

    assert [p["sum"] for p in unfolded] == [11.0, 101.0]
    assert [p["sum"] for p in folded] == [11.0, 101.0]


def test_a_folder_killed_before_its_period_is_stored_leaves_it_to_the_next(
    killed_at, worker, messages, points, fold, database, tenant
):
    worker.consume(messages([event("a", 1)]))
    killed_at(b"analytics_hours", "analytics.app.folder", [])
    unfolded = list(database["analytics_buckets"].find({"tenant": tenant, "unfolded": {"$gt": ""}}))
    fold()
    left = list(database["analytics_buckets"].find({"tenant": tenant, "unfolded": {"$gt": ""}}))

    assert (len(unfolded), left) == (1, [])
    assert [p["count"] for p in points(granularity="hour")] == [1]
