"""Log files of the gateway: written together, bounded, never in the way."""

from pathlib import Path

import pytest

from local.console.requests import requests
from local.lambda_service import buffered_log
from local.lambda_service.buffered_log import BufferedLog


def test_lines_are_written_at_the_flush(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = BufferedLog(path)
    log.append(b"one\n")
    assert not path.exists()
    log.flush()
    log.append(b"two\n")
    log.flush()

    assert path.read_bytes() == b"one\ntwo\n"


def test_a_full_file_becomes_the_older_generation(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = BufferedLog(path, max_bytes=5)
    for line in (b"first\n", b"second\n", b"last\n"):
        log.append(line)
        log.flush()

    assert sorted(each.name for each in tmp_path.iterdir()) == ["access.log", "access.log.1"]
    assert path.read_bytes() == b"last\n"
    assert (tmp_path / "access.log.1").read_bytes() == b"second\n"


def test_lines_beyond_the_bound_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffered_log, "PENDING_MAX_BYTES", 5)
    log = BufferedLog(tmp_path / "access.log")
    for _ in range(5):
        log.append(b"x\n")
    log.flush()

    assert (tmp_path / "access.log").read_bytes() == b"x\nx\n"
    assert log.dropped == 3


def test_a_folder_that_is_gone_costs_lines_not_the_gateway(tmp_path: Path) -> None:
    log = BufferedLog(tmp_path / "gone" / "access.log")
    log.append(b"x\n")
    log.flush()

    assert log.dropped == 1


def test_lines_of_the_access_log_are_shown_in_whatever_form_the_template_chose(
    tmp_path: Path,
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "access.log").write_text('{"status":200}\n200\nnull\na [b] "c"\n')

    assert requests(tmp_path) == ['a [b] "c"', "null", "200", {"status": 200}]
