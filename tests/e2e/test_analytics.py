"""Events from the request to the metric that counts them."""

import uuid
from datetime import UTC, datetime, timedelta

from tests.conftest import wait_until

COUNTED_WITHIN_S = 15


def _name():
    return f"e2e_{uuid.uuid4().hex}"


def _points(client, name):
    now = datetime.now(UTC)
    start, end = (f"{now + timedelta(hours=h):%Y-%m-%dT%H:00:00Z}" for h in (-1, 2))
    path = f"/v1/analytics/metrics?name={name}&from={start}&to={end}&granularity=hour"
    answer = client.call("GET", path)
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
