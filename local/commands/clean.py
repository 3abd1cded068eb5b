"""The command `clean`: what of state directory, load reports and unpacked code nobody needs.

It says what it would free, and frees it with `--yes`. Data, keys and what a running system uses are
never touched. docs/retention.md has the same rules as a table.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from local.daemon.wording import counted
from local.machine import status
from local.machine.plan import BadInput
from local.machine.status import AlreadyRunning
from local.template import code

HOUR_S = 3600
DAY_S = 24 * HOUR_S
CODE_IDLE_S = 30 * DAY_S
REPORTS_KEPT = 20  # the newest: so many runs make the medians of `loadtest history`


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Files and folders that may be freed, by a pattern below the state directory."""

    pattern: str
    reason: str
    idle_s: int = 0  # since the last write to it
    also_running: bool = False  # also while the system runs


RULES = (
    Rule(pattern="logs/**/*.log.1", reason="the older half of a log", also_running=True),
    Rule(pattern="logs/**/*.log", reason="a log without a line for 14 days", idle_s=14 * DAY_S),
    Rule(
        pattern="data/provider.jsonl.1",
        reason="charges that the provider must know for 48 hours only",
        idle_s=48 * HOUR_S,
    ),
    Rule(
        pattern="data/mailbox.jsonl.1", reason="mails of more than 2 hours ago", idle_s=2 * HOUR_S
    ),
    Rule(pattern="data/temp-*", reason="what a killed Valkey had begun to write"),
    Rule(pattern="data/appendonlydir/temp-*", reason="what a killed Valkey had begun to write"),
    Rule(pattern="data/stream-checkpoints.new", reason="a file that was never finished"),
    Rule(pattern="keys/*.new", reason="a key that was never finished"),
    Rule(pattern="shared/**/*.new", reason="a file that was never finished"),
    Rule(pattern="status.new", reason="a status that was never finished"),
    Rule(pattern=".loading.new", reason="a state whose copy was never finished"),
    Rule(pattern="saved/.*.new", reason="a state whose copy was never finished"),
    Rule(pattern="saved/.*.old", reason="a state that was being deleted"),
    Rule(pattern="packages/*.new", reason="packages whose installation was never finished"),
    Rule(pattern="run/*.sock", reason="a socket that nobody listens on"),
    Rule(pattern="tmp/*", reason="files in /tmp of environments that have ended"),
)


@dataclass(frozen=True, slots=True)
class Waste:
    """One file or folder that may be freed."""

    path: Path
    size_bytes: int
    reason: str


def add(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("--yes", action="store_true", help="free it, instead of saying so only")
    parser.add_argument(
        "--reports",
        type=Path,
        help="the folder of load reports (default: loadtest/reports beside the template)",
    )


def run(options: argparse.Namespace) -> int:
    """Say what would be freed, or free it."""
    state: Path = options.state
    reports: Path = options.reports or options.template.parent / "loadtest" / "reports"
    if options.reports and not reports.is_dir():
        raise BadInput(f"{reports} is no folder of load reports")
    with ExitStack() as stack:
        is_running = not _hold(state, stack)
        wastes = [
            *_of_state(state, is_running=is_running),
            *_of_reports(reports),
            *_of_code(code.cache()),
        ]
        for waste in wastes:
            sys.stdout.write(f"{_size(waste.size_bytes):>10}  {waste.path}  ({waste.reason})\n")
        if options.yes:
            for waste in wastes:
                _free(waste.path)
    total = _size(sum(waste.size_bytes for waste in wastes))
    things = counted(len(wastes), "file or folder", "files and folders")
    if not wastes:
        sys.stdout.write("nothing to free\n")
    elif options.yes:
        sys.stdout.write(f"{things} freed, {total}\n")
    else:
        sys.stdout.write(f"{things} would be freed, {total}; `--yes` frees them\n")
    if is_running:
        sys.stdout.write("the system runs: with it down there may be more\n")
    return 0


def _hold(state: Path, stack: ExitStack) -> bool:
    """Keep a system from being started in `state`; return false where one runs there."""
    if not state.is_dir():
        return True
    try:
        stack.enter_context(status.lock(state))
    except AlreadyRunning:
        return False
    last = status.read(state)
    return last is None or not any(status.living(each) for each in last.processes)


def _of_state(state: Path, *, is_running: bool) -> Iterator[Waste]:
    now_s = time.time()
    for rule in RULES:
        if is_running and not rule.also_running:
            continue
        for path in sorted(state.glob(rule.pattern)):
            if now_s - path.lstat().st_mtime >= rule.idle_s:
                yield Waste(path, _bytes_of(path), rule.reason)


def _of_reports(folder: Path) -> Iterator[Waste]:
    """Yield all but the newest reports of each profile; their folders are named by their time."""
    by_profile: dict[str, list[Path]] = {}
    for report in sorted(folder.glob("*/report.json"), reverse=True):
        profile = report.parent.name.partition("-")[2]
        by_profile.setdefault(profile, []).append(report.parent)
    for profile, newest_first in by_profile.items():
        for path in newest_first[REPORTS_KEPT:]:
            reason = f"older than the last {REPORTS_KEPT} reports of {profile}"
            yield Waste(path, _bytes_of(path), reason)


def _of_code(folder: Path) -> Iterator[Waste]:
    """Yield the unpacked code that no template had for long; it is unpacked again by need."""
    now_s = time.time()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if now_s - path.lstat().st_mtime >= CODE_IDLE_S:
            yield Waste(path, _bytes_of(path), "code that no template has had for 30 days")


def _bytes_of(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(each.lstat().st_size for each in path.rglob("*") if not each.is_dir())


def _free(path: Path) -> None:
    """Delete a file, or a folder with all in it; a link is deleted, not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
