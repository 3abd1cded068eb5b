"""Metrics as they are asked for: groups, names, bounds, and answers that need not be sent again."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

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
        answer = metric(group_by="currency", granularity=granularity)
        assert answer["group_by"] == "currency"
        assert answer["group_limit_reached"] is False
        assert [(p["group"], p["count"], p["sum"], p["max"]) for p in answer["points"]] == [
            ("EUR", 2, 12.0, 7.0),
            ("USD", 1, 9.0, 9.0),
            ("(none)", 4, 10.0, None),
        ]
    assert {p["group"] for p in metric(group_by="plan")["points"]} == {"7", "$a.b%", "", "(none)"}


def test_values_beyond_the_limit_are_one_group_and_the_answer_says_so(worker, messages, metric):
    many = [event(f"e{i}", 1, properties={"country": f"c{i:03}"}) for i in range(130)]
    worker.consume(messages(many[:60], many[60:]))
    worker.consume(messages(many[:60], [event("later", 1, properties={"country": "c500"})]))

    answer = metric(group_by="country")
    counts = {point["group"]: point["count"] for point in answer["points"]}
    assert answer["group_limit_reached"] is True
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
    kind = {"name": "page.viewed", "group_by": "plan"}
    query = around(NOW, 1, **kind)
    by_minute = api("GET", METRICS, query=query)
    by_day = api("GET", METRICS, query=around(NOW, 1, **kind, granularity="day"))

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


def test_groups_add_up_to_the_metric_itself(worker, messages, metric, fold):
    worker.consume(
        messages(
            [
                event("a", 5, properties={"currency": "EUR"}),
                event("b", 2),
                event("c", 0.25, properties={"plan": "pro"}),
                event("d"),
            ]
        )
    )
    for granularity in ("minute", "hour", "day"):
        (whole,) = metric(granularity=granularity)["points"]
        groups = metric(group_by="currency", granularity=granularity)["points"]
        assert [each["group"] for each in groups] == ["EUR", "(none)"]
        assert sum(each["count"] for each in groups) == whole["count"] == 4
        assert sum(each["sum"] for each in groups) == whole["sum"] == 7.25
        assert (groups[1]["min"], groups[1]["max"]) == (0.25, None)
        fold()


def test_a_group_of_all_events_leaves_none_without(worker, messages, metric):
    worker.consume(messages([event("a", properties={"currency": "EUR"})]))

    assert [each["group"] for each in metric(group_by="currency")["points"]] == ["EUR"]


@pytest.mark.parametrize(
    ("granularity", "zone", "start", "end", "param", "aligned"),
    [
        ("hour", None, "23:45:00Z", "23:59:00Z", "from", ("23:00:00.000Z", "00:00:00.000Z")),
        ("hour", None, "22:00:00Z", "23:15:00Z", "to", ("22:00:00.000Z", "00:00:00.000Z")),
        ("hour", None, "22:00:00.001Z", "23:00:00Z", "from", ("22:00:00.000Z", "23:00:00.000Z")),
        ("day", None, "12:00:00Z", "13:00:00Z", "from", ("00:00:00.000Z", "00:00:00.000Z")),
        ("day", "Asia/Tokyo", "00:00:00Z", "15:00:00Z", "from", ("15:00:00.000Z",) * 2),
        (
            "hour",
            "Asia/Kolkata",
            "10:00:00Z",
            "11:30:00Z",
            "from",
            ("09:30:00.000Z", "11:30:00.000Z"),
        ),
    ],
)
def test_bounds_that_cut_a_period_are_refused_with_those_that_do_not(
    api, granularity, zone, start, end, param, aligned
):
    day = NOW.date()
    query = {"name": "p", "from": f"{day}T{start}", "to": f"{day}T{end}"}
    answer = api(
        "GET",
        METRICS,
        query={**query, "granularity": granularity} | ({"timezone": zone} if zone else {}),
    )

    assert (answer.status, answer.body["code"]) == (422, "range_unaligned")
    assert answer.body["param"] == param
    assert all(each in answer.body["detail"] for each in aligned)


def test_a_minute_of_which_a_part_is_asked_for_is_partial(worker, messages, api):
    minute = (NOW - timedelta(hours=2)).replace(second=0, microsecond=0)
    worker.consume(messages([event("a", at=minute + timedelta(seconds=5))]))

    def partial(start, end):
        span = {"from": rfc3339(minute + start), "to": rfc3339(minute + end)}
        answer = api("GET", METRICS, query={"name": "page.viewed", **span})
        return [point["partial"] for point in answer.body["points"]]

    second, whole = timedelta(seconds=1), timedelta(minutes=1)
    assert partial(0 * second, whole) == [False]
    assert partial(30 * second, whole) == partial(0 * second, 30 * second) == [True]


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "Asia/Kolkata", "Asia/Kathmandu"])
@pytest.mark.parametrize("folded", [False, True])
def test_days_and_hours_of_a_time_zone_begin_where_its_clocks_say(
    worker, messages, api, fold, zone, folded
):
    local = datetime.now(ZoneInfo(zone)) - timedelta(days=3)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    moments = {"before": -1, "first": 0, "hour": 59, "next": 60, "last": 24 * 60 - 1, "after": 1440}
    worker.consume(
        messages([event(each, at=midnight + timedelta(minutes=m)) for each, m in moments.items()])
    )
    if folded:
        fold()

    def counts(granularity, hours):
        end = (midnight + timedelta(hours=hours)).astimezone(UTC)
        span = {"from": rfc3339(midnight.astimezone(UTC)), "to": rfc3339(end)}
        query = {"name": "page.viewed", "timezone": zone, "granularity": granularity, **span}
        answer = api("GET", METRICS, query=query)
        assert (answer.status, answer.body.get("timezone")) == (200, zone), answer.text
        return {
            (datetime.fromisoformat(point["at"]) - midnight) / timedelta(hours=1): point["count"]
            for point in answer.body["points"]
        }

    assert counts("day", 24) == {0: 4}
    assert counts("hour", 24) == {0: 2, 1: 1, 23: 1}


def test_what_was_never_a_time_zone_is_refused(api):
    for zone in ("Mars/Olympus", "localtime", "../etc/passwd", ""):
        answer = api("GET", METRICS, query=around(NOW, 1, name="p", timezone=zone))
        assert (answer.status, answer.body["param"]) == (422, "timezone"), zone


def test_hours_that_begin_within_one_of_utc_are_told_as_long_as_minutes_are_kept(api):
    old = NOW - timedelta(days=40)
    day = old.replace(hour=18, minute=30, second=0, microsecond=0)
    span = {"from": rfc3339(day), "to": rfc3339(day + timedelta(days=1))}
    query = {"name": "p", "timezone": "Asia/Kolkata", "granularity": "day", **span}
    answer = api("GET", METRICS, query=query)

    assert (answer.status, answer.body["code"]) == (422, "range_too_old")
