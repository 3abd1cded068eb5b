"""The reports of earlier runs, read from their folders or refused in a sentence."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any

import orjson

from loadtest.options import REPORTS

Report = dict[str, Any]

EACH = "each"  # in a shape: whatever the names are, the values are such
_TIMES = {"p50": float, "p99": float}
_GROUP = {"name": str, "scheduled": int, "ok": int, "failed": int, "latency_ms": _TIMES}
# All that is read of a kept report. Newer fields are optional: an older report lacks them.
SHAPE: dict[str, Any] = {
    "verdict": str,
    "profile": str,
    "target": str,
    "connections": str,
    "started_at": str,
    "duration_s": float,
    "judged_phase": str,
    "machine": {"cpus": int, "cpu_model": str},
    "versions": {"python": str},
    "totals": {"scheduled": int, "sent": int, "ok": int, "failed": int, "skipped": int},
    "errors": {EACH: int},
    "phases": [_GROUP],
    "scenarios": [_GROUP],
    "generator": {"cpu_us_per_arrival": float},
    "servers": [{"process": str, "cpu_us_per_arrival": float}],
    "queues": [{"name": str, "age_max_s": float}],
    "seconds": [{"at_s": int, "offered": int, "p50_ms": float | None, "p99_ms": float | None}],
}
RECORDED = {
    "machine": [str],
    "seconds": [{"at_s": int, "processes": {EACH: float}}],
}  # since 2026-11-30
OF_A_SEARCH = "capacity.json"  # in the folders that a search for the capacity has for itself
NAMES = {dict: "object", list: "list", str: "text", int: "number", float: "number"}


class ReportError(Exception):
    """A report that cannot be read; the text says which, why, and what to do."""


def folder() -> Path:
    """Return the folder that `make load` keeps its reports in."""
    return Path(os.environ.get("REPORTS") or REPORTS)


def load(name: str, reports: Path) -> Report:
    """Return the report in this folder or file, or in the folder of this name in `reports`."""
    path = next((each for each in (Path(name), reports / name) if each.exists()), None)
    if path is None:
        raise ReportError(f"{name}: there is no such report, here or in {reports}")
    if path.is_dir():
        path /= "report.json"
        if not path.exists():
            raise ReportError(f"{path.parent}: it has no report.json, so it is no report's folder")
    return _read(path)


def all_in(reports: Path) -> Iterator[tuple[str, Report | ReportError]]:
    """Yield name and report of every folder in `reports`, the oldest first, or what is wrong."""
    if not reports.is_dir():
        raise ReportError(f"{reports}: there is no such folder; `make load` makes it")
    folders = (each for each in reports.iterdir() if each.is_dir())
    for path in sorted(each for each in folders if not (each / OF_A_SEARCH).exists()):
        try:
            yield path.name, load(str(path), reports)
        except ReportError as error:
            yield path.name, error


def recorded(report: Report) -> Report:
    """Return what was recorded beside the arrivals; older reports have nothing of it."""
    return report.get("recorded") or {"machine": [], "seconds": []}


def _read(path: Path) -> Report:
    try:
        report = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ReportError(f"{path}: it cannot be read ({error.strerror})") from error
    except orjson.JSONDecodeError as error:
        raise ReportError(f"{path}: it is no JSON, or was cut off ({error})") from error
    wrong = next(_faults(SHAPE, report, ""), "")
    if not wrong and report.get("recorded") is not None:
        wrong = next(_faults(RECORDED, report["recorded"], "recorded"), "")
    if wrong:
        raise ReportError(f"{path}: {wrong}, so an older version or another program wrote it")
    names = [phase["name"] for phase in report["phases"]]
    if report["judged_phase"] not in names:
        raise ReportError(f"{path}: its judged_phase is none of its phases, so it was changed")
    whole: Report = report
    return whole


def _faults(shape: Any, value: Any, where: str) -> Iterator[str]:
    """Yield a clause for each field that is missing or of another type."""
    kind = type(shape) if isinstance(shape, dict | list) else shape
    if kind == float | None:
        kind = float if value is not None else NoneType
    if not _is(kind, value):
        yield f"{where or 'the whole'} is no {NAMES[kind]}"
    elif isinstance(shape, dict):
        members = dict.fromkeys(value, shape[EACH]) if EACH in shape else shape
        for name, inner in members.items():
            path = f"{where}.{name}" if where else name
            if name in value:
                yield from _faults(inner, value[name], path)
            else:
                yield f"{path} is missing"
    elif isinstance(shape, list):
        for number, each in enumerate(value):
            yield from _faults(shape[0], each, f"{where}[{number}]")


def _is(kind: type, value: Any) -> bool:
    if kind in (int, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind)
