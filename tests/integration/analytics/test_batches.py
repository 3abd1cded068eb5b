"""Batches: taken in parts, as JSON or lines, packed or not, and nothing half stored."""

import gzip
import json
from datetime import UTC, datetime

import pytest

from tests.integration.analytics.events import rfc3339
from tests.integration.function_process import receive_all

BATCH = "/v1/analytics/events/batch"
NDJSON = {"Content-Type": "application/x-ndjson"}
GZIP = {"Content-Type": "application/gzip"}
TWO = [{"name": "page.viewed", "event_id": "a"}, {"name": "page.viewed", "event_id": "b"}]


def lines(*events):
    return "\n".join(json.dumps(each) for each in events).encode()


@pytest.fixture
def post(api, queue):
    """Send a batch; returns the answer and the ids of the events that are on the queue."""

    def send(body, **headers):
        answer = api("POST", BATCH, body=body, headers=headers)
        sent = [json.loads(message.body) for message in receive_all(queue("analytics"))]
        return answer, [event["event_id"] for message in sent for event in message["events"]]

    return send


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"events": TWO}, {}),
        (lines(*TWO) + b"\n\n", NDJSON),
        (gzip.compress(lines(*TWO)), {**NDJSON, "Content-Encoding": "gzip"}),
        (gzip.compress(json.dumps({"events": TWO}).encode()), GZIP),
        (gzip.compress(b"") * 498 + gzip.compress(lines(*TWO)), NDJSON),
        (gzip.compress(lines(TWO[0]) + b"\n") + gzip.compress(lines(TWO[1])), NDJSON),
    ],
    ids=["json", "lines", "packed lines", "packed json", "many empty parts", "two packed parts"],
)
def test_a_batch_is_taken_in_every_form(post, body, headers):
    answer, sent = post(body, **headers)

    assert (answer.status, answer.body) == (202, {"accepted": 2, "rejected": []})
    assert sent == ["a", "b"]


def test_the_good_events_of_a_batch_are_taken_and_the_others_named(post):
    events = [
        {"name": "ok", "event_id": "good"},
        {"event_id": "nameless"},
        {"name": "p", "properties": {"a": {"b": 1}}},
        {"name": "p", "event_id": "old", "occurred_at": "2020-01-01T00:00:00Z"},
        "text",
        {"name": "payment.succeeded"},
        {"name": "p", "event_id": 7},
        {"name": "fine"},
    ]
    answer, sent = post({"events": events})

    assert answer.status == 202
    assert answer.body == {
        "accepted": 2,
        "rejected": [
            {"index": 1, "event_id": "nameless", "code": "invalid_request", "param": "name"},
            {"index": 2, "event_id": None, "code": "invalid_request", "param": "properties"},
            {
                "index": 3,
                "event_id": "old",
                "code": "occurred_at_out_of_range",
                "param": "occurred_at",
            },
            {"index": 4, "event_id": None, "code": "invalid_request", "param": None},
            {"index": 5, "event_id": None, "code": "reserved_name", "param": "name"},
            {"index": 6, "event_id": None, "code": "invalid_request", "param": "event_id"},
        ],
    }
    assert sent[0] == "good"
    assert len(sent) == 2


def test_a_large_batch_goes_in_messages_that_a_worker_can_count_in_time(api, queue):
    events = [{"name": "a", "event_id": f"e{number}"} for number in range(250)]
    answer = api("POST", BATCH, body={"events": events})
    sent = [json.loads(each.body)["events"] for each in receive_all(queue("analytics"))]

    assert answer.body["accepted"] == 250
    assert sorted(len(each) for each in sent) == [50, 100, 100]
    assert {event["event_id"] for each in sent for event in each} == {f"e{n}" for n in range(250)}


def test_a_line_that_is_no_json_is_rejected_alone(post):
    answer, sent = post(b'{"name":"a","event_id":"a"}\n{"name":\n{"name":"b","name":"b"}', **NDJSON)

    assert sent == ["a"]
    assert [(each["index"], each["code"]) for each in answer.body["rejected"]] == [
        (1, "malformed_json"),
        (2, "malformed_json"),
    ]


def test_a_batch_without_a_valid_event_is_refused_with_the_reason_of_each(post):
    answer, sent = post({"events": [{}, {"name": "P"}]})

    assert (answer.status, answer.body["code"], sent) == (400, "no_valid_event", [])
    assert answer.headers["content-type"] == "application/problem+json"
    assert [each["index"] for each in answer.body["rejected"]] == [0, 1]


def test_the_time_at_which_a_batch_was_sent_is_that_of_its_events(api, queue):
    occurred_at = {"occurred_at": "2031-01-01T11:50:00Z"}
    now = datetime.now(UTC)
    events = [{"name": "a", **occurred_at}, {"name": "b", **occurred_at, "sent_at": rfc3339(now)}]
    answer = api("POST", BATCH, body={"events": events, "sent_at": "2031-01-01T12:00:00Z"})
    [message] = receive_all(queue("analytics"))
    [event] = json.loads(message.body)["events"]

    assert [each["index"] for each in answer.body["rejected"]] == [1]
    assert abs(event["occurred_at_ms"] - (now.timestamp() - 600) * 1000) < 60_000


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        ("{", {}, 400, "malformed_json"),
        ({"events": []}, {}, 422, "invalid_request"),
        ({"events": [{"name": "a"}] * 501}, {}, 422, "invalid_request"),
        ({"events": {"name": "a"}}, {}, 422, "invalid_request"),
        ({"name": "a"}, {}, 422, "invalid_request"),
        (b"\n", NDJSON, 422, "invalid_request"),
        (b"{}\n" * 501, NDJSON, 422, "invalid_request"),
        (b" " * 300_000, NDJSON, 413, "request_too_large"),
        (gzip.compress(b"x" * 50_000_000), NDJSON, 413, "request_too_large"),
        (gzip.compress(b"") * 501, NDJSON, 413, "request_too_large"),
        (gzip.compress(b"") * 15_000, NDJSON, 413, "request_too_large"),
        (gzip.compress(b"x" * 50_000)[:-20], NDJSON, 400, "malformed_gzip"),
        (b"\x1f\x8bnothing", GZIP, 400, "malformed_gzip"),
        (b"nothing", GZIP, 415, "unsupported_encoding"),
        (lines(*TWO), {**NDJSON, "Content-Encoding": "br"}, 415, "unsupported_encoding"),
        (
            gzip.compress(lines(*TWO)).decode(errors="replace"),
            {"Content-Encoding": "gzip"},
            415,
            "unsupported_encoding",
        ),
        (b"a,b", {"Content-Type": "text/csv"}, 415, "unsupported_media_type"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
)
def test_a_batch_that_cannot_be_read_is_refused_and_nothing_is_sent(
    post, body, headers, status, code
):
    answer, sent = post(body, **headers)

    assert (answer.status, answer.body["code"], sent) == (status, code, [])
