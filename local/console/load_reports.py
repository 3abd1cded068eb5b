"""The kept reports of a project's load runs: a line each, the seconds of one, and its page."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from local.console.answers import REPORT_POLICY, Page, Refused

LISTED_MAX = 200  # the newest
REPORT_BYTES_MAX = 32 * 1024 * 1024  # a run of 127,800 arrivals writes a third of a megabyte
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
NO_REPORT = "it is not the report of a run, or was cut off"
Parameters = Mapping[str, str]
Report = dict[str, Any]


class LoadReports:
    """The reports in one folder; each is read once, until it changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: dict[tuple[str, int], Report] = {}

    def all(self) -> list[Report]:
        """Return a line for each of the newest reports, the newest first."""
        if not self._folder.is_dir():
            return []
        names = sorted(each.name for each in self._folder.iterdir() if _is_run(each))
        lines = {}
        for name in reversed(names[-LISTED_MAX:]):
            key = (name, (self._folder / name / "report.json").stat().st_mtime_ns)
            lines[key] = self._lines.get(key) or self._line(name)
        self._lines = lines
        return list(lines.values())

    def one(self, parameters: Parameters) -> Report:
        """Return the figures of a report by second and by scenario. Raises Refused."""
        report = self._read(parameters["name"])
        try:
            return {
                **_figures(report),
                "reasons": report["reasons"],
                "seconds": report["seconds"],
                "scenarios": report["scenarios"],
                "queues": report["queues"],
            }
        except (KeyError, TypeError, StopIteration) as error:
            raise Refused(409, f"{parameters['name']}: {NO_REPORT}") from error

    def page(self, parameters: Parameters) -> Page:
        """Return the page of a report, which may run nothing. Raises Refused."""
        path = self._file(parameters["name"], "report.html")
        return Page(path.read_bytes(), "text/html; charset=utf-8", policy=REPORT_POLICY)

    def check(self, name: str) -> str:
        """Return the name of a report that there is. Raises Refused."""
        self._file(name, "report.json")
        return name

    def _line(self, name: str) -> Report:
        try:
            figures = _figures(self._read(name))
        except (Refused, KeyError, TypeError, StopIteration):
            return {"name": name, "trouble": NO_REPORT}
        return {
            "name": name,
            "has_page": (self._folder / name / "report.html").is_file(),
            **figures,
        }

    def _read(self, name: str) -> Report:
        path = self._file(name, "report.json")
        if path.stat().st_size > REPORT_BYTES_MAX:
            raise Refused(409, f"{name}: its report.json is larger than a report's")
        try:
            report = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError as error:
            raise Refused(409, f"{name}: {NO_REPORT}") from error
        if not isinstance(report, dict):
            raise Refused(409, f"{name}: {NO_REPORT}")
        return report

    def _file(self, name: str, file: str) -> Path:
        """Return a file of a run's folder; nothing outside the reports has a name here."""
        path = self._folder / name / file
        inside = self._folder.resolve() / name / file
        if not NAME.fullmatch(name) or not path.is_file() or path.resolve() != inside:
            raise Refused(404, f"there is no {file} of a run {name[:120]!r}")
        return path


def _is_run(folder: Path) -> bool:
    return bool(NAME.fullmatch(folder.name)) and (folder / "report.json").is_file()


def _figures(report: Report) -> Report:
    totals, audit = report["totals"], report.get("audit") or {}
    judged = next(each for each in report["phases"] if each["name"] == report["judged_phase"])
    return {
        "verdict": report["verdict"],
        "profile": report["profile"],
        "started_at": report["started_at"],
        "duration_s": report["duration_s"],
        "scheduled": totals["scheduled"],
        "ok": totals["ok"],
        "failed": totals["failed"],
        "p50_ms": judged["latency_ms"]["p50"],
        "p99_ms": judged["latency_ms"]["p99"],
        "lost": audit.get("lost"),
        "doubled": audit.get("doubled"),
        "oldest_s": max((each["age_max_s"] for each in report["queues"]), default=None),
    }
