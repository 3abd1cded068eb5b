"""Counting again from raw events: it finds every difference, and none where there is none."""

import json

import pytest

from tests.integration.analytics.events import NOW, event
from tests.written_template import TEMPLATE

ALARM = TEMPLATE["Resources"]["EventCountAlarm"]["Properties"]


@pytest.fixture
def recount(function, tenant):
    """Count every minute again; returns the differences of this test's tenant."""

    def run():
        report = function("analytics.app.recounter").invoke({"all": True})
        assert report["events"] > 0
        mine = [each for each in report["differences"] if each["id"].startswith(f"{tenant}:")]
        return [each["kind"] for each in mine]

    return run


@pytest.fixture
def counted(worker, messages):
    """Count ten events in two minutes."""
    minutes = [NOW.replace(second=0, microsecond=0, minute=minute) for minute in (3, 4)]
    properties = {"currency": "EUR"}
    batch = messages(
        *([event(f"{i}", i, at=minutes[i % 2], properties=properties)] for i in range(10))
    )
    worker.consume(batch)
    return batch


def test_what_was_counted_right_has_no_difference(counted, worker, recount, fold):
    worker.consume(counted)
    assert recount() == []
    fold()
    assert recount() == []


@pytest.mark.parametrize(
    "change",
    [{"$inc": {"count": 1}}, {"$inc": {"sum": -0.5}}, {"$inc": {"by.currency.=EUR.count": 1}}],
)
def test_a_bucket_that_says_something_else_is_a_difference(
    counted, recount, database, tenant, change
):
    database["analytics_buckets"].update_one({"tenant": tenant}, change)

    assert recount() == ["it is not what its events say"]


def test_events_that_are_gone_are_a_difference(counted, recount, database, tenant):
    gone = database["analytics_events"].find_one({"tenant": tenant})
    database["analytics_events"].delete_one({"_id": gone["_id"]})

    assert recount() == ["it is not what its events say"]


def test_an_hour_that_says_something_else_is_a_difference(counted, recount, fold, database, tenant):
    fold()
    database["analytics_hours"].update_one({"tenant": tenant}, {"$inc": {"parts.3.count": 1}})

    assert recount() == ["its hour says otherwise"]


def test_an_event_whose_message_is_still_to_come_is_pending_and_then_a_difference(
    killed_at, messages, recount, database, tenant
):
    killed_at(b"analytics_buckets", "analytics.app.worker", messages([event("a", 1)]))
    just_now = recount()
    database["analytics_events"].update_one(
        {"tenant": tenant}, {"$inc": {"stored_at_ms": -300_001}}
    )

    assert just_now == []
    assert recount() == ["it lacks events"]


def test_a_scheduled_run_counts_one_minute_again(counted, function):
    report = function("analytics.app.recounter").invoke({})

    assert report["minutes"] == 1
    assert report["events"] > 0


def test_a_difference_is_the_metric_that_the_alarm_watches(counted, start, database, tenant, capfd):
    database["analytics_buckets"].update_one({"tenant": tenant}, {"$inc": {"count": 1}})
    start("analytics.app.recounter").invoke({"all": True})
    errors = capfd.readouterr().err.splitlines()
    lines = [json.loads(each) for each in errors if each.startswith('{"_aws"')]
    [emitted] = [line for line in lines if ALARM["MetricName"] in line]

    assert sum(emitted[ALARM["MetricName"]]) >= 1
    assert emitted["_aws"]["CloudWatchMetrics"][0]["Namespace"] == ALARM["Namespace"]
    [dimension] = ALARM["Dimensions"]
    assert emitted[dimension["Name"]] == dimension["Value"]


def test_a_process_counts_its_cold_start_once_and_writes_nothing_else_of_empty_events(start, capfd):
    function = start("analytics.app.worker")
    for _ in range(3):
        function.invoke({"Records": []})
    errors = capfd.readouterr().err.splitlines()

    assert [json.loads(each)["ColdStart"] for each in errors] == [[1.0]]
