"""The command `clean`: old files are named, freed where that is said, and nothing live is."""

import argparse
import os
import re
import time
from pathlib import Path, PurePosixPath

import psutil
import pytest

from local.commands import clean
from local.machine import status
from local.machine.plan import BadInput
from local.machine.status import ProcessStatus, Status
from local.template import load

ROOT = Path(__file__).parents[4]
DAY_S = 86_400
NEVER = {
    *("data/documents.sqlite", "data/provider.jsonl", "data/appendonlydir/appendonly.aof.manifest"),
    *("keys/token.pem", "logs/gateway.log", "run/services.json", "shared/waiting"),
}
DOWN = {
    *("data/temp-77.rdb", "data/appendonlydir/temp-rewriteaof-77.aof", "status.new"),
    *("keys/clients.new", "shared/workers/vm-0.new", "data/stream-checkpoints.new"),
    *(".loading.new", "saved/.monday.new", "saved/.tuesday.old", "packages/Orders.new"),
    *("logs/functions/Gone.log", "data/mailbox.jsonl.1", "run/gateway.sock", "tmp/Orders"),
}
WITH_INLINE_CODE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Pages:
    Type: AWS::Serverless::Function
    Properties: {Runtime: python3.13, Handler: index.handler, InlineCode: "handler = print"}
"""
ALWAYS = {"logs/gateway.log.1", "logs/functions/Orders.log.1"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of unpacked code, which is one for all projects of a person."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "spillway" / "code"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with something of each kind, of a system that is down."""
    folder = tmp_path / ".local"
    for name in NEVER | DOWN | ALWAYS:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * 1000)
    (folder / "tmp" / "Orders").unlink()
    (folder / "tmp" / "Orders" / "0").mkdir(parents=True)
    (folder / "tmp" / "Orders" / "0" / "left").write_text("x" * 1000)
    (folder / "data" / "provider.jsonl.1").write_text("an hour ago")
    for name in ("logs/functions/Gone.log", "data/mailbox.jsonl.1"):
        os.utime(folder / name, (0, time.time() - 15 * DAY_S))
    return folder


def run(state: Path, *, yes: bool = False, reports: Path | None = None) -> int:
    return clean.run(
        argparse.Namespace(
            state=state, yes=yes, reports=reports, template=state.parent / "template.yaml"
        )
    )


def listed(text: str, state: Path) -> set[str]:
    return set(re.findall(rf"  {re.escape(str(state))}/(\S+)", text))


def test_it_says_what_it_would_free_and_frees_nothing(
    state: Path, capsys: pytest.CaptureFixture[str]
):
    before = sorted(state.rglob("*"))

    run(state)

    output = capsys.readouterr().out
    assert listed(output, state) == DOWN | ALWAYS
    assert "16 files and folders would be freed, 16.0 kB; `--yes` frees them" in output
    assert [path for path in before if not path.exists()] == []


def test_with_yes_it_frees_that_and_no_more(state: Path, capsys: pytest.CaptureFixture[str]):
    run(state, yes=True)
    run(state)

    output = capsys.readouterr().out
    assert "16 files and folders freed, 16.0 kB" in output
    assert output.endswith("nothing to free\n")
    assert {name for name in NEVER if not (state / name).exists()} == set()
    assert (state / "data" / "provider.jsonl.1").exists()


def test_of_a_running_system_only_older_halves_of_logs_are_freed(
    state: Path, capsys: pytest.CaptureFixture[str]
):
    with status.lock(state):
        run(state, yes=True)

    output = capsys.readouterr().out
    assert listed(output, state) == ALWAYS
    assert output.endswith("the system runs: with it down there may be more\n")
    assert {name for name in DOWN if not (state / name).exists()} == set()


def test_processes_that_a_killed_supervisor_left_still_count_as_running(
    state: Path, capsys: pytest.CaptureFixture[str]
):
    own = ProcessStatus(
        name="gateway",
        pid=os.getpid(),
        created_at=psutil.Process().create_time(),
        state="running",
        restarts=0,
        address="",
        started_at="",
    )
    status.write(state, Status(phase="ready", processes=(own,)))

    run(state, yes=True)

    assert listed(capsys.readouterr().out, state) == ALWAYS


def test_a_link_is_deleted_and_not_what_it_leads_to(state: Path, tmp_path: Path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("mine")
    (state / "tmp" / "link").symlink_to(precious)

    run(state, yes=True)

    assert not (state / "tmp" / "link").is_symlink()
    assert (precious / "file").read_text() == "mine"


def test_the_newest_twenty_reports_of_each_profile_are_left(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    reports = tmp_path / "reports"
    for number in range(22):
        for profile in ("1k", "100-per-s"):
            folder = reports / f"202611{number + 1:02}T101500Z-{profile}"
            folder.mkdir(parents=True)
            (folder / "report.json").write_text("{}")
    (reports / "mine").mkdir()

    run(state, yes=True, reports=reports)

    assert "older than the last 20 reports of 100-per-s" in capsys.readouterr().out
    assert len([*reports.glob("*-1k")]) == len([*reports.glob("*-100-per-s")]) == 20
    assert not (reports / "20261101T101500Z-1k").exists()
    assert (reports / "mine").exists()


def test_a_folder_of_reports_that_is_not_there_is_refused(state: Path):
    with pytest.raises(BadInput, match="no folder of load reports"):
        run(state, reports=state / "nowhere")


def test_unpacked_code_is_freed_that_no_template_has_had_for_a_month(
    state: Path, cache: Path, capsys: pytest.CaptureFixture[str]
):
    template = state.parent / "template.yaml"
    template.write_text(WITH_INLINE_CODE)
    (inline,) = (each.code_uri for each in load(template, {}).functions.values())
    (cache / "another").mkdir()
    for path in (inline, cache / "another"):
        os.utime(path, (0, time.time() - 31 * DAY_S))
    load(template, {})
    run(state, yes=True)

    assert list(cache.iterdir()) == [inline]
    assert "code that no template has had for 30 days" in capsys.readouterr().out


def test_nothing_was_ever_started_is_nothing_to_free(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert run(tmp_path / "never") == 0
    assert capsys.readouterr().out == "nothing to free\n"
    assert not (tmp_path / "never").exists()


def test_the_table_of_files_names_every_rule():
    text = (ROOT / "docs" / "retention.md").read_text()
    patterns = re.findall(r"`([^` ]+)`", text[text.index("| in `.local/`") :])

    for rule in clean.RULES:
        name = PurePosixPath(rule.pattern.replace("**/", ""))
        assert any(name.match(pattern.replace("**/", "")) for pattern in patterns), rule.pattern
