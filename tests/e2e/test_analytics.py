"""Events from the request to the metric that counts them."""

import gzip
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import key

COUNTED_WITHIN_S = 15


def _name():
    return f"e2e_{uuid.uuid4().hex}"


def _path(name, hours=(-1, 2), group_by=None):
    now = datetime.now(UTC)
    start, end = (f"{now + timedelta(hours=h):%Y-%m-%dT%H:00:00Z}" for h in hours)
    path = f"/v1/analytics/metrics?name={name}&from={start}&to={end}&granularity=hour"
    return path if group_by is None else f"{path}&group_by={group_by}"


def _points(client, name, **query):
    answer = client.call("GET", _path(name, **query))
    assert answer.status == 200, answer
    return answer.body["points"]


def test_events_become_a_metric(demo):
    name = _name()
    for value in (2, 5):
        answer = demo.call("POST", "/v1/analytics/events", {"name": name, "value": value})
        assert (answer.status, answer.body) == (202, {"accepted": 1, "rejected": []})

    def total():
        points = _points(demo, name)
        sums = (sum(each["count"] for each in points), sum(each["sum"] for each in points))
        return sums == (2, 7)

    wait_until(total, COUNTED_WITHIN_S)


def test_an_event_sent_again_is_counted_once(demo):
    name, witness = _name(), _name()
    event = {"name": name, "event_id": uuid.uuid4().hex}
    for body in (event, event, {"name": witness}):
        assert demo.call("POST", "/v1/analytics/events", body).status == 202

    wait_until(lambda: _points(demo, witness) and _points(demo, name), COUNTED_WITHIN_S)

    assert sum(each["count"] for each in _points(demo, name)) == 1


def test_a_metric_shows_the_tenants_own_events_only(demo, other):
    name = _name()
    demo.call("POST", "/v1/analytics/events", {"name": name})
    wait_until(lambda: _points(demo, name), COUNTED_WITHIN_S)

    assert _points(other, name) == []


@pytest.mark.parametrize("packed", [False, True])
def test_the_good_events_of_a_batch_are_counted(demo, packed):
    name = _name()
    events = [{"name": name}, {"name": "No"}, {"name": name, "value": 5}]
    body: bytes | dict[str, Any]
    if packed:
        body = gzip.compress("\n".join(map(json.dumps, events)).encode())
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    else:
        body, headers = {"events": events}, {}
    answer = demo.call("POST", "/v1/analytics/events/batch", body, headers)

    assert (answer.status, answer.body["accepted"]) == (202, 2), answer
    [rejected] = answer.body["rejected"]
    assert (rejected["index"], rejected["param"]) == (1, "name")
    wait_until(lambda: [p["count"] for p in _points(demo, name)] == [2], COUNTED_WITHIN_S)


def test_payments_report_revenue_and_declines_by_themselves(demo):
    def groups(event, group_by):
        return {p["group"]: p["count"] for p in _points(demo, event, group_by=group_by)}

    def both():
        return groups("payment.succeeded", "currency"), groups("payment.failed", "decline_code")

    revenue, declines = both()
    for method in ("pm_card_visa", "pm_card_expiredCard"):
        payment = {"amount": 700, "currency": "CHF", "payment_method": method}
        assert demo.call("POST", "/v1/payments", payment, key()).status == 201

    def grown():
        more_revenue, more_declines = both()
        return more_revenue.get("CHF", 0) > revenue.get("CHF", 0) and more_declines.get(
            "expired_card", 0
        ) > declines.get("expired_card", 0)

    wait_until(grown, COUNTED_WITHIN_S)


def test_names_that_were_counted_are_listed(demo):
    name = _name()
    demo.call("POST", "/v1/analytics/events", {"name": name})

    def listed():
        page = demo.call("GET", f"/v1/analytics/names?limit=1&starting_after={name[:-1]}").body
        return page["data"] == [{"name": name}]

    wait_until(listed, COUNTED_WITHIN_S)


def test_what_has_not_changed_is_not_sent_again(demo):
    path = _path("payment.succeeded", hours=(-48, -24))
    first = demo.call("GET", path)
    again = demo.call("GET", path, headers={"If-None-Match": first.headers["etag"]})

    assert (first.status, again.status, again.body) == (200, 304, b"")


def test_all_events_counted_again_give_the_same(demo, system):
    name = _name()
    demo.call("POST", "/v1/analytics/events", {"name": name})
    wait_until(lambda: _points(demo, name), COUNTED_WITHIN_S)

    done = system.local("recount")

    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 differences" in done.stdout
