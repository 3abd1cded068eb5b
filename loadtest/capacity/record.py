"""The record of a search on disk: written after every trial, read by the search that goes on."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from loadtest.capacity.search import Result, Trial
from loadtest.reporting.report import machine, rfc3339, versions

NAME = "capacity.json"
RESUMED_S = 3_600.0  # an older search says little about the system of now


@dataclass(slots=True)
class Record:
    """One search: what it asks (`terms`), its trials, and its result when it has one."""

    folder: Path
    terms: Mapping[str, Any]
    started_at: str
    trials: list[Trial]

    def write(self, result: Result, notes: list[str], *, is_over: bool) -> dict[str, Any]:
        """Write the record and return it; a search that is not over can go on."""
        document = {
            "terms": dict(self.terms),
            "started_at": self.started_at,
            "machine": machine(),
            "versions": versions(),
            "is_over": is_over,
            "result": _result(result),
            "notes": notes,
            "trials": [asdict(trial) for trial in self.trials],
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self.folder / f"{NAME}.new"
        fresh.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        fresh.replace(self.folder / NAME)
        return document


def begin(reports: Path, terms: Mapping[str, Any]) -> Record:
    """Return the record of a search that begins now."""
    started_at = rfc3339(time.time())
    moment = started_at.replace(":", "").replace("-", "")[:15] + "Z"
    return Record(reports / f"{moment}-capacity", terms, started_at, [])


def unfinished(reports: Path, terms: Mapping[str, Any]) -> Record | None:
    """Return the newest search on the same terms if it is not over, and recent."""
    for path in sorted(reports.glob(f"*-capacity/{NAME}"), reverse=True):
        if time.time() - path.stat().st_mtime > RESUMED_S:
            return None
        record = _read(path)
        if record and record["terms"] == dict(terms):
            trials = [_trial(each) for each in record["trials"]]
            log = Record(path.parent, terms, record["started_at"], trials)
            return None if record["is_over"] or not trials else log
    return None


def _read(path: Path) -> dict[str, Any] | None:
    """Return the record, or None for a file that no search of this version wrote."""
    try:
        record: dict[str, Any] = orjson.loads(path.read_bytes())
        [_trial(each) for each in record["trials"]]
        return record if {"terms", "started_at", "is_over"} <= record.keys() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _trial(fields: dict[str, Any]) -> Trial:
    return Trial(**fields | {"reasons": tuple(fields["reasons"])})


def _result(result: Result) -> dict[str, Any]:
    stopped_by = result.stopped_by
    return {
        "rate_per_s": result.rate_per_s,
        "is_confirmed": result.is_confirmed,
        "by_generator": result.by_generator,
        "stopped_at_per_s": stopped_by and stopped_by.rate_per_s,
        "stopped_by": list(stopped_by.reasons) if stopped_by else [],
    }
