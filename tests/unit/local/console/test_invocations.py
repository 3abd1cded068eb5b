"""A function's log, cut into its invocations."""

from pathlib import Path

from local.console import invocations
from local.console.invocations import READ_MAX_BYTES

TEXT = """half of one that was cut off
START RequestId: one Version: $LATEST
[ERROR]\t2026-11-30T10:00:00Z\tone\tall is well <b>here</b>
END RequestId: one
REPORT RequestId: one\tDuration: 12.50 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\
\tMax Memory Used: 61 MB\tInit Duration: 80.10 ms\t
START RequestId: two Version: $LATEST
{"level":"WARNING","timestamp":"2026-11-30T10:00:01Z","message":"slow"}
[ERROR] ValueError: no
Traceback (most recent call last):
END RequestId: two
REPORT RequestId: two\tDuration: 3.00 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\
\tMax Memory Used: 61 MB\t
{"level": "ERROR", "requestId": "two", "error": "a malformed answer"}
"""
TIMED_OUT = "2026-11-30T10:00:02Z RequestId: late Error: Task timed out after 1.00 seconds\n"
JSON = """{"time":"2026-11-30T10:00:03.000Z","type":"platform.start",\
"record":{"requestId":"three","version":"$LATEST"}}
{"level":"INFO","message":"hello"}
{"time":"t","type":"platform.report","record":{"requestId":"three","metrics":{"durationMs":7.5,\
"memorySizeMB":256,"maxMemoryUsedMB":70},"status":"timeout"}}
"""


def listed(text: str, level: str = "", words: str = "", request_id: str = "") -> list[str]:
    pieces = invocations.invocations(text)
    matching = invocations.matching(pieces, level=level, text=words, request_id=request_id)
    return [each["request_id"] for each in matching]


def test_each_invocation_has_its_lines_its_report_and_its_end():
    _, one, two, between = [each.as_dict() for each in invocations.invocations(TEXT)]

    assert (one["request_id"], one["status"], one["duration_ms"], one["init_ms"]) == (
        *("one", "success"),
        *(12.5, 80.1),
    )
    assert one["at"] == "2026-11-30T10:00:00Z"
    assert one["lines"][0]["text"].endswith("all is well <b>here</b>")
    assert (two["status"], two["at"], two["memory_used_mb"]) == (
        *("error", "2026-11-30T10:00:01Z"),
        61.0,
    )
    assert [line["level"] for line in two["lines"]] == ["WARNING", "ERROR", ""]
    assert between["request_id"] == ""


def test_a_time_out_is_told_from_an_error():
    text = f"START RequestId: late Version: $LATEST\n{TIMED_OUT}END RequestId: late\n"

    (late,) = [each.as_dict() for each in invocations.invocations(text)]

    assert (late["status"], late["at"]) == ("timeout", "2026-11-30T10:00:02Z")


def test_a_log_in_json_is_cut_the_same_way():
    (three,) = [each.as_dict() for each in invocations.invocations(JSON)]

    assert (three["request_id"], three["status"], three["duration_ms"]) == ("three", "timeout", 7.5)
    assert three["at"] == "2026-11-30T10:00:03.000Z"
    assert [line["text"] for line in three["lines"]] == ['{"level":"INFO","message":"hello"}']


def test_filters_are_by_level_text_and_request():
    assert listed(TEXT, level="ERROR") == ["one", "two", ""]
    assert listed(TEXT, words="all is well") == ["one"]
    assert listed(TEXT, request_id="two") == ["two"]
    assert listed(JSON, level="ERROR") == ["three"]


def test_reading_goes_on_where_it_ended_and_begins_anew_where_the_file_is_another(tmp_path: Path):
    path = tmp_path / "Pages.log"
    path.write_text(TEXT)
    text, end = invocations.read(path)
    path.write_text(TEXT + JSON)
    more, further = invocations.read(path, end)
    path.write_text(JSON)

    assert (text, more) == (TEXT, JSON)
    assert invocations.read(path, further) == (JSON, len(JSON))
    assert invocations.read(tmp_path / "none.log", 7) == ("", 0)


def test_a_long_log_is_read_from_its_last_part_at_a_lines_beginning(tmp_path: Path):
    path = tmp_path / "Pages.log"
    path.write_text("x" * 99 + "\n" + "y\n" * (READ_MAX_BYTES // 2 - 20))
    with path.open("a") as file:
        file.write(JSON)

    text, _ = invocations.read(path)

    assert text.startswith("y\n")
    assert len(text) <= READ_MAX_BYTES


def test_lines_without_end_are_cut_and_counted():
    many = "START RequestId: four Version: $LATEST\n" + "z\n" * 1_000

    (four,) = [each.as_dict() for each in invocations.invocations(many)]

    assert (len(four["lines"]), four["left_out"]) == (500, 500)
