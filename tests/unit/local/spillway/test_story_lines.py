"""The lines of logs that name an object, in their order of time."""

import json
from pathlib import Path

import pytest

from local.spillway.story.lines import of_logs

REQUEST = "11111111-2222-3333-4444-555555555555"
ACCEPTED = {
    "level": "INFO",
    "message": "payment accepted",
    "timestamp": "2026-11-30T10:41:29.616Z",
    "request_id": REQUEST,
    "payment_id": "pay_1",
}
LOG = f"""\
START RequestId: {REQUEST} Version: $LATEST
{json.dumps(ACCEPTED)}
REPORT RequestId: {REQUEST} Duration: 2 ms
a print of the handler about pay_1
a print about pay_2
2026-11-30 10:42:00,000 WARNING local.console.pages: /api/story/pay_1 was not ready within 10 s
"""


def test_lines_about_an_object_are_told_with_those_of_its_request(tmp_path: Path):
    folder = tmp_path / "logs"
    (folder / "functions").mkdir(parents=True)
    (folder / "functions" / "Payments.log").write_text(LOG)

    moments = of_logs(folder, {"pay_1"}).moments

    assert {(each.place, each.text) for each in moments} == {
        ("Payments", "INFO payment accepted: payment_id pay_1"),
        ("Payments", f"REPORT RequestId: {REQUEST} Duration: 2 ms"),
        ("Payments", "a print of the handler about pay_1 (its time is not known)"),
    }
    assert [each.at_ms for each in moments if "print" not in each.text] == [1796035289616.0] * 2


OLD, NEW = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
FAILED = {
    "level": "ERROR",
    "message": "message failed",
    "timestamp": "2026-11-30T10:41:30.000Z",
    "message_id": OLD,
    "object_id": "pay_1",
    "trace_id": "1-67891233-abcdef012345678912345678",
}
MOVED = (
    "2026-11-30 10:42:00,000 INFO queue_workers.poller: queue payments:"
    f" message {NEW} was moved from a dead-letter queue, where it was {OLD}"
)
SETTLED = {
    "level": "INFO",
    "message": "payment settled",
    "timestamp": "2026-11-30T10:42:00.100Z",
    "message_id": NEW,
    "payment_id": "pay_1",
}


@pytest.fixture
def redriven(tmp_path: Path) -> Path:
    """Logs of a message that failed, was moved back under another id, and was handled then."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "PaymentsWorker.log").write_text(f"{json.dumps(FAILED)}\n{json.dumps(SETTLED)}\n")
    (folder / "worker-1.log").write_text(f"{MOVED}\n")
    return folder


def test_a_line_without_a_request_takes_the_time_of_none(redriven: Path):
    (redriven / "PaymentsFunction.log").write_text(f"a print about {OLD}\n")

    texts = [each.text for each in of_logs(redriven, {OLD}).moments]
    assert f"a print about {OLD} (its time is not known)" in texts


@pytest.mark.parametrize("looked_for", [OLD, NEW, "pay_1"])
def test_a_message_is_followed_through_its_redrive_from_either_id(redriven: Path, looked_for: str):
    logs = of_logs(redriven, {looked_for})

    assert {OLD, NEW} <= logs.ids
    assert [each.at_ms for each in logs.moments] == [
        1796035290000.0,
        1796035320100.0,
        1796035320000.0,
    ]


def test_the_trace_is_that_of_the_first_line_which_names_one(redriven: Path):
    assert of_logs(redriven, {"pay_1"}).trace == "67891233abcdef012345678912345678"
    assert of_logs(redriven, {"pay_2"}).trace is None


def test_requests_stand_at_their_millisecond(tmp_path: Path):
    folder = tmp_path / "logs"
    folder.mkdir()
    request = {
        "requestId": REQUEST,
        "xrayTraceId": "Root=1-67891233-abcdef012345678912345678",
        "requestTime": "30/Nov/2026:10:41:29 +0000",
        "requestTimeEpoch": 1796035289612,
        "httpMethod": "GET",
        "path": "/v1/payments/pay_1",
        "status": 200,
        "responseLatency": 3,
    }
    (folder / "access.log").write_text(f"{json.dumps(request)}\n")
    logs = of_logs(folder, {"pay_1"})

    assert [(each.at_ms, each.source) for each in logs.moments] == [(1796035289612, "request")]
    assert logs.trace == "67891233abcdef012345678912345678"
