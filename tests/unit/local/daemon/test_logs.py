"""The processes' logs: bounded while somebody writes them, and read from their end."""

from pathlib import Path

import pytest

from local.daemon import logs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.log"


def test_a_log_over_the_bound_is_moved_aside_under_its_writer(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(logs, "LOG_MAX_BYTES", 10)
    with path.open("a") as writer:
        writer.write("the first line\n")
        writer.flush()
        logs.bound(path)
        writer.write("second\n")
        writer.flush()
        logs.bound(path)

    assert path.read_text() == "second\n"
    assert path.with_name("gateway.log.1").read_text() == "the first line\n"


def test_the_tail_is_the_last_lines_and_nothing_where_there_is_no_log(path: Path):
    assert logs.tail(path, 3) == []

    path.write_text("".join(f"line {number}\n" for number in range(100_000)))

    assert logs.tail(path, 2) == ["line 99998", "line 99999"]
    assert logs.tail(path, 0) == []


def test_a_line_ends_at_its_line_feed_and_nowhere_else(path: Path):
    path.write_text('{"agent":"a\x85b\u2028c"}\nsecond\n')

    assert logs.tail(path, 2) == ['{"agent":"a\x85b\u2028c"}', "second"]


def test_following_gives_whole_lines_also_after_the_log_was_moved_aside(path: Path):
    path.write_text("before\n")
    following = logs.follow([path])
    with path.open("a") as writer:
        first = _next_after(following, lambda: _write(writer, "one\ntw"))
        second = _next_after(following, lambda: _write(writer, "o\n"))
        path.write_text("")
        third = _next_after(following, lambda: _write(writer, "3\n"))

    assert [first, second, third] == [(path, "one"), (path, "two"), (path, "3")]


def _write(writer, text):
    writer.write(text)
    writer.flush()


def _next_after(following, act):
    act()
    return next(following)
