"""A journal of two files: the older one goes with its lines, the numbers go on."""

import asyncio
import os
from pathlib import Path

import pytest

from local.simulators.journal import Journal, JournalError, Retention

SHORT = Retention(file_bytes=100, least_s=0)  # four lines of 25 bytes


def line(number: int) -> bytes:
    return b'{"sequence":%d,"id":"%04d"}' % (number, number)


def write(path: Path, count: int, retention: Retention = SHORT) -> tuple[int, int]:
    """Append so many lines, one a loop turn; returns the numbers of the first and last kept."""

    async def run() -> tuple[int, int]:
        journal = Journal(path, retention, sync=False)
        assert [each.rstrip() for each in journal.replay()] == pages(journal)
        for _ in range(count):
            written = asyncio.Event()
            journal.append(line(journal.next_number), written.set)
            await written.wait()
        assert pages(journal) == [line(n) for n in range(journal.first, len(journal) + 1)]
        journal.close()
        return journal.first, len(journal)

    return asyncio.run(run())


def pages(journal: Journal) -> list[bytes]:
    """Read all pages, as a client does."""
    lines: list[bytes] = []
    after = 0
    while after < len(journal):
        page, after = journal.page(after, 3)
        lines += page
    return lines


def test_a_long_file_becomes_the_one_before_and_that_one_is_dropped(tmp_path: Path):
    path = tmp_path / "a.jsonl"

    assert [write(path, count) for count in (3, 1, 3, 1, 5)] == [
        (1, 3),
        (1, 4),
        (1, 7),
        (5, 8),
        (9, 13),
    ]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.jsonl", "a.jsonl.1"]


def test_a_file_is_kept_as_long_as_its_lines_are_young(tmp_path: Path):
    path, young = tmp_path / "a.jsonl", Retention(file_bytes=100, least_s=3600)
    assert write(path, 30, young) == (1, 30)
    os.utime(tmp_path / "a.jsonl.1", (0, 0))

    assert write(path, 1, young) == (5, 31)


def test_a_kill_between_the_two_files_loses_nothing(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    write(path, 3)
    path.rename(tmp_path / "a.jsonl.1")

    assert write(path, 2) == (1, 5)


def test_a_line_that_was_dropped_is_none(tmp_path: Path):
    write(tmp_path / "a.jsonl", 13)
    journal = Journal(tmp_path / "a.jsonl", SHORT, sync=False)
    list(journal.replay())

    assert journal.line(13) == line(13)
    for number in (0, journal.first - 1, 14):
        with pytest.raises(IndexError):
            journal.line(number)
    journal.close()


def test_a_file_before_that_has_no_numbers_is_refused(tmp_path: Path):
    (tmp_path / "a.jsonl.1").write_text("{}\n")

    with pytest.raises(JournalError, match="move it away"):
        Journal(tmp_path / "a.jsonl", SHORT, sync=False)
