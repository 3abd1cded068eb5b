"""The drills' one table: a row for each, written one by one, and the command's words."""

import subprocess
from pathlib import Path

import psutil
import pytest
import redis

from tests.drills import __main__ as drills
from tests.drills import surroundings, table
from tests.drills.outcome import Conditions, Drill, Missing, Outcome
from tests.drills.payments import Surroundings

IDS = [f"F{number:02}" for number in range(1, 26)]
DRILLS = {"F01": Drill("one fault", None), "F02": Drill("another", None)}  # type: ignore[arg-type]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "drills.md"
    path.write_text(f"# Drills\n\nWords of a person.\n\n{table.HEAD}")
    monkeypatch.setattr(table, "PAGE", path)
    return path


def test_the_table_has_a_row_for_each_fault():
    rows = [each[1] for each in table.ROW.finditer(table.PAGE.read_text())]

    assert [each for each in rows if each in IDS] == IDS
    assert drills.OF_THE_TABLE == IDS


def test_a_drill_writes_its_row_and_section_anew_and_leaves_the_others(page: Path):
    def write(name: str, acked: int, *details: str) -> None:
        outcome = Outcome(fault="it was", acked=acked, details=details)
        table.write(name, DRILLS, outcome, Conditions(seed=7))

    write("F02", 5, "a curve")
    write("F01", 6)
    write("F02", 7, "another curve")
    text = page.read_text()

    assert text.startswith("# Drills\n\nWords of a person.\n")
    assert [each[0].split(" | ")[3] for each in table.ROW.finditer(text)][1:] == ["6", "7"]
    assert "another curve" in text
    assert "a curve" not in text.replace("another curve", "")


def test_a_typo_is_answered_with_the_drills_there_are(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["drills", "F4"])

    with pytest.raises(SystemExit) as ended:
        drills.main()

    assert ended.value.code == 2
    assert "no drill F4; there are F01, F02" in capsys.readouterr().err


@pytest.mark.parametrize("rate", ["0", "-1", "many"])
def test_a_rate_that_is_none_is_refused(monkeypatch, capsys, rate):
    monkeypatch.setattr("sys.argv", ["drills", "F04", f"--rate={rate}"])

    with pytest.raises(SystemExit) as ended:
        drills.main()

    assert ended.value.code == 2
    assert f"{rate!r} is no whole number from 1 on" in capsys.readouterr().err


def test_a_drill_without_its_tool_names_the_package_and_leaves_its_row(page, monkeypatch, capsys):
    def lacking(conditions: Conditions) -> Outcome:
        raise Missing("libfaketime is missing: `apt-get install libfaketime`")

    monkeypatch.setitem(drills.DRILLS, "F12", Drill("clocks are wrong", lacking))
    before = page.read_text()

    assert drills.run_one("F12", Conditions()) == 1
    assert "`apt-get install libfaketime`" in capsys.readouterr().out
    assert page.read_text() == before


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AssertionError("the gateway does not run\nand more"), "the gateway does not run"),
        (psutil.NoSuchProcess(7), "process no longer exists (pid=7)"),
        (redis.TimeoutError("Valkey does not answer"), "Valkey does not answer"),
        (subprocess.TimeoutExpired("load", 9), "Command 'load' timed out after 9 seconds"),
    ],
)
def test_a_drill_that_breaks_off_fails_and_says_so_in_its_row(page, monkeypatch, error, reason):
    def broken(conditions: Conditions) -> Outcome:
        raise error

    monkeypatch.setitem(drills.DRILLS, "F02", Drill("the gateway is killed", broken))

    assert drills.run_one("F02", Conditions()) == 1
    assert f"| it broke off: {reason} |" in page.read_text()


def test_a_full_disk_without_mount_names_the_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Missing, match="`apt-get install mount`"):
        surroundings.tmpfs(Surroundings())
