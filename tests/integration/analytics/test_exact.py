"""Answers from the events themselves: lists, metrics of some of them, funnels."""

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.analytics.events import NOW, around, event, rfc3339

EVENTS, FUNNEL, METRICS = (f"/v1/analytics/{name}" for name in ("events", "funnel", "metrics"))


@pytest.fixture
def count(worker, messages):
    """Have events counted."""
    return lambda *events: worker.consume(messages([*events]))


def test_a_metric_of_events_with_these_properties_counts_no_others(count, points):
    count(
        event("a", 5, user_id="u1", properties={"plan": "pro", "seats": 1}),
        event("b", 7, user_id="u1", properties={"plan": "pro", "seats": 1.0}),
        event("c", 9, user_id="u2", properties={"plan": "pro", "seats": True}),
        event("d", 1, user_id="u3", properties={"plan": "free", "seats": 1}),
        event("e", 2, properties={"plan": "pro", "seats": 1}, at=NOW - timedelta(minutes=30)),
    )

    chosen = points(where='{"plan":"pro","seats":1}')
    assert [(each["count"], each["sum"], each["uniques"]) for each in chosen] == [
        (1, 2.0, 0),
        (2, 12.0, 1),
    ]
    by_day = points(where='{"plan":"pro"}', granularity="day")
    assert sum(each["count"] for each in by_day) == 4
    assert [each["count"] for each in points(where='{"absent":null,"plan":"free"}')] == [1]
    assert points(where='{"plan":"none"}') == []


def test_some_events_are_grouped_as_all_are(count, metric):
    count(
        event("a", 1, properties={"plan": "pro", "country": "NL"}),
        event("b", 1, properties={"plan": "pro", "country": "DE"}),
        event("c", 1, properties={"plan": "free", "country": "NL"}),
    )

    answer = metric(where='{"plan":"pro"}', group_by="country")
    assert {each["group"]: each["count"] for each in answer["points"]} == {"DE": 1, "NL": 1}


@pytest.mark.parametrize(
    "where",
    [
        *("plan:pro", "[]", "{}", '{"pl.an":1}', '{"plan":{"$gt":1}}', '{"plan":["pro"]}'),
        *("[" * 1_990, '{"plan":"pro","plan":"free"}', '{"plan":NaN}'),
    ],
)
def test_conditions_that_are_none_are_refused(api, where):
    answer = api("GET", METRICS, query=around(NOW, 1, name="page.viewed", where=where))

    assert answer.status == 422, answer.text
    assert answer.body["param"].startswith("where")


def test_events_are_listed_by_page_until_all_were_shown(api, count):
    events = [event(f"e{n:02}", n, at=NOW - timedelta(minutes=n % 3)) for n in range(7)]
    count(*events, event("other", 1, name="page.left"))

    shown: list[dict[str, Any]] = []
    while True:
        more = {"starting_after": shown[-1]["event_id"]} if shown else {}
        query = around(NOW, 1, name="page.viewed", limit="3", **more)
        body = api("GET", EVENTS, query=query).body
        shown += body["data"]
        if not body["has_more"]:
            break
    assert len(shown) == 7
    assert {each["event_id"] for each in shown} == {f"e{n:02}" for n in range(7)}
    minutes = [each["occurred_at"][:16] for each in shown]
    assert minutes == sorted(minutes, reverse=True)
    assert shown[0]["value"] in (0, 3, 6)
    back = around(NOW, 1, name="page.viewed", limit="2", ending_before=shown[4]["event_id"])
    assert api("GET", EVENTS, query=back).body == {"data": shown[2:4], "has_more": True}


def test_events_of_another_tenant_are_not_listed(function, api, count):
    count(event("mine", 1))
    other = function("analytics.app.app")
    query = around(NOW, 1, name="page.viewed")

    listed = other.request("GET", EVENTS, tenant="somebody", scope="analytics:read", query=query)
    assert (listed.status, listed.body["data"]) == (200, [])
    after = {**query, "starting_after": "mine"}
    answer = other.request("GET", EVENTS, tenant="somebody", scope="analytics:read", query=after)
    assert (answer.status, answer.body["param"]) == (422, "starting_after")


def funnel(api, steps, **query):
    answer = api("GET", FUNNEL, query=around(NOW, 1, steps=steps, **query))
    assert answer.status == 200, answer.text
    return [each["users"] for each in answer.body["steps"]]


def test_a_funnel_counts_users_who_took_the_steps_in_their_order_and_in_time(api, count):
    def step(number, name, user, after_s):
        at = NOW - timedelta(minutes=40) + timedelta(seconds=after_s)
        return event(f"{user}-{number}", None, name=name, at=at, user_id=user)

    count(
        *(step(0, "seen", "all", 0), step(1, "tried", "all", 10), step(2, "paid", "all", 20)),
        *(step(0, "tried", "backwards", 0), step(1, "seen", "backwards", 10)),
        *(step(0, "seen", "late", 0), step(1, "tried", "late", 700)),
        # A second beginning counts where the first was too long ago.
        *(
            step(0, "seen", "again", 0),
            step(1, "seen", "again", 650),
            step(2, "tried", "again", 700),
        ),
        *(step(0, "tried", "unseen", 0), step(1, "paid", "unseen", 5)),
        event("nobody", None, name="seen"),
    )

    assert funnel(api, "seen,tried,paid", within_s="600") == [4, 2, 1]
    assert funnel(api, "seen, tried", within_s="3600") == [4, 3]
    assert funnel(api, "seen,seen", within_s="3600") == [4, 1]
    assert funnel(api, "never,paid") == [0, 0]


def test_a_funnel_without_users_has_no_shares_and_one_that_goes_on_is_partial(api, tenant):
    body = api("GET", FUNNEL, query=around(NOW, 1, steps="a,b")).body
    long_ago = around(NOW - timedelta(days=3), 1, steps="a,b")

    assert [each["share"] for each in body["steps"]] == [None, None]
    assert body["partial"] is True
    assert api("GET", FUNNEL, query=long_ago).body["partial"] is False


@pytest.mark.parametrize("steps", ["seen", "Seen,paid", ",".join("abcdefghi"), "a,,b"])
def test_steps_that_are_none_are_refused(api, steps):
    answer = api("GET", FUNNEL, query=around(NOW, 1, steps=steps))

    assert (answer.status, answer.body["param"]) == (422, "steps")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (EVENTS, {"name": "page.viewed"}),
        (FUNNEL, {"steps": "a,b"}),
        (METRICS, {"name": "page.viewed", "where": '{"plan":"pro"}'}),
    ],
)
def test_what_is_older_than_events_are_kept_is_refused_and_so_is_a_range_backwards(
    api, path, query
):
    old = api("GET", path, query=around(NOW - timedelta(days=22), 1, **query))
    backwards = {"from": rfc3339(NOW), "to": rfc3339(NOW - timedelta(hours=1)), **query}

    assert (old.status, old.body["code"]) == (422, "range_too_old")
    assert api("GET", path, query=backwards).body["param"] == "to"


def test_more_events_than_one_answer_may_read_are_refused_and_many_have_to_wait_their_turn(
    api, count, database, tenant
):
    count(event("first", 1, properties={"plan": "pro"}))
    stored = database.analytics_events.find_one({"tenant": tenant})
    assert stored
    copies = [{**stored, "_id": f"{tenant}:copy{number}"} for number in range(20_000)]
    database.analytics_events.insert_many(copies, ordered=False)

    query = around(NOW, 1, name="page.viewed", where='{"plan":"pro"}')
    refused = api("GET", METRICS, query=query)
    assert (refused.status, refused.body["code"]) == (422, "too_many_events")
    database.analytics_events.delete_one({"_id": copies[0]["_id"]})
    assert api("GET", METRICS, query=query).body["points"][0]["count"] == 20_000

    database.analytics_events.delete_many(
        {"_id": {"$in": [each["_id"] for each in copies[1_500:]]}}
    )
    answers = (api("GET", METRICS, query=query) for _ in range(40))
    throttled = next(each for each in answers if each.status == 429)
    assert (throttled.body["code"], throttled.headers["retry-after"]) == ("throttled", "1")
