"""Metrics as they are asked for: groups, names, bounds, and answers that need not be sent again."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.analytics.events import NOW, SCOPES, around, event, rfc3339

METRICS = "/v1/analytics/metrics"


def test_a_period_that_is_not_over_is_marked_as_partial(worker, messages, points):
    now = datetime.now(UTC)
    earlier = now - timedelta(minutes=30)
    worker.consume(messages([event("a", at=now), event("b", at=earlier)]))

    assert [point["partial"] for point in points()] == [False, True]
    assert all(point["partial"] for point in points(granularity="day")[-1:])


def test_a_metric_is_grouped_by_an_allowed_property(worker, messages, metric):
    def sold(number, value, **properties):
        return event(f"e{number}", value, properties=properties)

    worker.consume(
        messages(
            [sold(1, 5, currency="EUR"), sold(2, 7, currency="EUR"), sold(3, 9, currency="USD")],
            [sold(4, 1, plan=7), sold(5, 2, plan="$a.b%"), sold(6, 3, plan=""), sold(7, 4)],
        )
    )
    for granularity in ("minute", "day"):
        found = metric(group_by="currency", granularity=granularity)
        assert found["group_by"] == "currency"
        assert found["group_limit_reached"] is False
        assert [(p["group"], p["count"], p["sum"], p["max"]) for p in found["points"]] == [
            ("EUR", 2, 12.0, 7.0),
            ("USD", 1, 9.0, 9.0),
        ]
    assert {p["group"] for p in metric(group_by="plan")["points"]} == {"7", "$a.b%", ""}


def test_values_beyond_the_limit_are_one_group_and_the_answer_says_so(worker, messages, metric):
    many = [event(f"e{i}", 1, properties={"country": f"c{i:03}"}) for i in range(130)]
    worker.consume(messages(many[:60], many[60:]))
    worker.consume(messages(many[:60], [event("later", 1, properties={"country": "c500"})]))

    found = metric(group_by="country")
    counts = {point["group"]: point["count"] for point in found["points"]}
    assert found["group_limit_reached"] is True
    assert len(counts) == 101
    assert counts["(other)"] == 31
    assert sum(counts.values()) == 131


def test_what_cannot_be_grouped_by_is_refused_with_what_can(api):
    answer = api("GET", METRICS, query=around(NOW, 1, name="p", group_by="colour"))

    assert (answer.status, answer.body["param"]) == (422, "group_by")
    assert "currency" in answer.body["detail"]


def test_more_groups_than_points_allowed_are_refused(worker, messages, api):
    minutes = [NOW - timedelta(minutes=i) for i in range(40)]
    worker.consume(
        messages(
            *(
                [event(f"{m}.{i}", at=at, properties={"plan": f"p{i}"}) for i in range(40)]
                for m, at in enumerate(minutes)
            )
        )
    )
    query = around(NOW, 1, name="page.viewed", group_by="plan")
    by_minute = api("GET", METRICS, query=query)
    by_day = api("GET", METRICS, query={**query, "granularity": "day"})

    assert (by_minute.status, by_minute.body["code"]) == (422, "range_too_long")
    assert by_day.status == 200


def test_an_answer_about_the_past_is_not_sent_again_while_it_is_the_same(worker, messages, api):
    past = NOW - timedelta(days=2)
    worker.consume(messages([event("a", at=past)]))
    query = around(past, 3, name="page.viewed")
    first = api("GET", METRICS, query=query)
    tag = {"If-None-Match": first.headers["etag"]}
    again = api("GET", METRICS, query=query, headers=tag)
    worker.consume(messages([event("late", at=past)]))
    changed = api("GET", METRICS, query=query, headers=tag)

    assert (again.status, again.text, again.headers["etag"]) == (304, "", first.headers["etag"])
    assert changed.status == 200
    assert changed.body["points"][0]["count"] == 2


def test_an_answer_about_the_present_has_no_tag(api):
    assert "etag" not in api("GET", METRICS, query=around(NOW, 1, name="p")).headers


@pytest.mark.parametrize(
    ("granularity", "length"),
    [
        ("minute", timedelta(minutes=1)),
        ("hour", timedelta(hours=1)),
        ("day", timedelta(days=1)),
    ],
)
def test_there_may_be_as_many_periods_as_points(api, granularity, length):
    def ask(periods):
        start = NOW.replace(hour=0, minute=0, second=0, microsecond=0) - 1500 * length
        span = {"from": rfc3339(start), "to": rfc3339(start + periods * length)}
        query = {"name": "p", "granularity": granularity, **span}
        return api("GET", METRICS, query=query).status

    assert (ask(1500), ask(1501)) == (200, 422)


def test_names_are_listed_in_alphabetical_order_page_by_page(worker, messages, api, start):
    worker.consume(messages([event(f"e{name}", name=name) for name in ("b.c", "a", "d_1", "a.b")]))

    def page(**query):
        return api("GET", "/v1/analytics/names", query=query).body

    assert page(limit="3") == {
        "data": [{"name": "a"}, {"name": "a.b"}, {"name": "b.c"}],
        "has_more": True,
    }
    assert page(starting_after="b.c") == {"data": [{"name": "d_1"}], "has_more": False}


def test_another_tenant_has_no_names(worker, messages, function):
    worker.consume(messages([event("a")]))
    answer = function("analytics.app.app").request(
        "GET", "/v1/analytics/names", tenant="somebody-else", scope=SCOPES
    )

    assert answer.body == {"data": [], "has_more": False}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"name": "p", "from": rfc3339(NOW)}, "invalid_request"),
        ({"name": "p", "from": rfc3339(NOW), "to": rfc3339(NOW)}, "invalid_request"),
        ({"name": "p", "from": "now", "to": rfc3339(NOW)}, "invalid_request"),
        (
            {"name": "p", "from": "0001-01-01T00:00:00+14:00", "to": "0001-01-01T00:00:00Z"},
            "invalid_request",
        ),
        (
            {
                "name": "p",
                "from": "9999-12-31T00:00:00Z",
                "to": "9999-12-31T12:00:00Z",
                "granularity": "day",
            },
            "invalid_request",
        ),
        (
            {
                "name": "p",
                "from": rfc3339(NOW - timedelta(minutes=1502)),
                "to": rfc3339(NOW),
            },
            "range_too_long",
        ),
        (
            {
                "name": "p",
                "from": rfc3339(NOW - timedelta(minutes=1)),
                "to": rfc3339(NOW),
                "granularity": "second",
            },
            "invalid_request",
        ),
    ],
)
def test_a_wrong_query_is_refused(api, query, code):
    answer = api("GET", "/v1/analytics/metrics", query=query)

    assert (answer.status, answer.body["code"]) == (422, code), answer.text
