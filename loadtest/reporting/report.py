"""report.json: everything a run measured, in the contract's shape and in Artillery's."""

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import psutil

from loadtest.generator.scenarios import SCENARIOS
from loadtest.recording.measure import Figures, Group, as_rows, milliseconds
from loadtest.recording.recorder import Record
from loadtest.recording.timeline import as_row
from loadtest.verdict import Facts, Verdict
from loadtest.witnesses.audit import Audit

LIBRARIES = ("locust", "gevent", "hdrhistogram")
ON_ONE_LINE = ("recorded", "traces")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run, and all that was seen of it beside its arrivals."""

    id: str
    profile: str
    target: str
    connections: str
    started_at_s: float  # epoch
    duration_s: float  # first arrival due to last answer
    generator_cpu_s: float
    generator_cpu_mean: float
    in_flight_max: int
    load_before: float  # the machine's one-minute load average: who else wanted its cores
    servers: list[dict[str, Any]]
    servers_note: str  # why there are none, "" if there are
    queues: list[dict[str, Any]]
    generators: int = 1  # processes that sent the arrivals
    client: str = ""  # whose token the arrivals carried
    faults: Sequence[dict[str, Any]] = ()  # that the run was asked for, and how they went
    notes: Sequence[str] = ()  # seen, and not judged
    aws: dict[str, Any] = field(default_factory=dict)  # what the run would be there
    record: Record = field(default_factory=Record)
    traces: dict[str, Any] = field(default_factory=dict)  # of the slowest arrivals


def document(
    run: Run, figures: Figures, audit: Audit | None, facts: Facts, verdict: Verdict
) -> dict[str, Any]:
    """Return the whole report as JSON types."""
    sent = max(1, figures.sent)
    return {
        "verdict": verdict.name,
        "reasons": list(verdict.reasons),
        "profile": run.profile,
        "run": run.id,
        "target": run.target,
        "connections": run.connections,
        "started_at": rfc3339(run.started_at_s),
        "duration_s": round(run.duration_s, 3),
        "slo_p99_ms": facts.slo_p99_ms,
        "machine": machine() | {"load_before": round(run.load_before, 2)},
        "versions": versions(),
        "totals": {
            "scheduled": figures.scheduled,
            "sent": figures.sent,
            "ok": figures.ok,
            "failed": figures.failed,
            "skipped": figures.skipped,
        },
        "errors": figures.errors,
        "judged_phase": facts.judged_phase,
        "phases": [_group(group) for group in figures.phases],
        "scenarios": [_group(group) for group in figures.scenarios],
        "generator": {
            "cpu": round(facts.generator_cpu, 4),
            "cpu_mean": round(run.generator_cpu_mean, 4),
            "cpu_us_per_arrival": round(run.generator_cpu_s * 1e6 / sent, 1),
            "lag_ms": milliseconds(figures.total.times.lag),
            "in_flight_max": run.in_flight_max,
            "processes": run.generators,
            "worst_window": asdict(figures.worst_window),
        },
        "servers": run.servers,
        "servers_note": run.servers_note,
        "queues": run.queues,
        "client": run.client,
        "faults": list(run.faults),
        "notes": list(run.notes),
        "audit": _audit(audit),
        "aws": run.aws,
        "traces": run.traces,
        "seconds": as_rows(figures.seconds),
        "recorded": {
            "notes": run.record.notes,
            "machine": run.record.machine,
            "seconds": [as_row(moment) for moment in run.record.moments],
        },
        "aggregate": aggregate(run, figures),
    }


def judged(report: dict[str, Any]) -> dict[str, Any]:
    """Return the phase whose p99 the verdict looked at."""
    phases: list[dict[str, Any]] = report["phases"]
    return next(phase for phase in phases if phase["name"] == report["judged_phase"])


def write(folder: Path, report: dict[str, Any], html: str) -> Path:
    """Write report.json and report.html into a new folder under `folder`; returns it."""
    moment = report["started_at"].replace(":", "").replace("-", "")[:15] + "Z"
    place = folder / f"{moment}-{report['profile']}"
    place.mkdir(parents=True, exist_ok=True)
    (place / "report.json").write_bytes(as_bytes(report))
    (place / "report.html").write_text(html, encoding="utf-8")
    return place


def as_bytes(report: dict[str, Any]) -> bytes:
    """Return the report as JSON: indented, but for what was recorded and traced, a line each."""
    lines = {name: orjson.Fragment(orjson.dumps(report.get(name))) for name in ON_ONE_LINE}
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(report | lines, option=options)


def aggregate(run: Run, figures: Figures) -> dict[str, Any]:
    """Return the same figures as Artillery 2 writes them, for tools that read its reports."""
    first_ms, last_ms = (round(t * 1000) for t in _span(run))
    answered = figures.ok + sum(n for name, n in figures.errors.items() if _answered(name))
    counters = {
        "vusers.created": figures.scheduled,
        "vusers.completed": figures.ok,
        "vusers.failed": figures.failed,
        "vusers.skipped": figures.skipped,
        "http.requests": figures.sent,
        "http.responses": answered,
        "http.downloaded_bytes": figures.bytes_received,
    }
    for group, scenario in zip(figures.scenarios, SCENARIOS, strict=True):
        counters[f"vusers.created_by_name.{group.name}"] = group.scheduled
        code = f"http.codes.{scenario.status}"
        counters[code] = counters.get(code, 0) + group.ok
    for name, count in figures.errors.items():
        key = name.replace("http_", "http.codes.") if name.startswith("http_") else f"errors.{name}"
        counters[key] = counters.get(key, 0) + count
    rate = round(figures.sent / max(1.0, run.duration_s))
    summaries = {
        "http.response_time": _summary(figures.total.times.service),
        "vusers.session_length": _summary(figures.total.times.latency),
    }
    return {
        "counters": counters,
        "rates": {"http.request_rate": rate},
        "firstCounterAt": first_ms,
        "firstHistogramAt": first_ms,
        "lastCounterAt": last_ms,
        "lastHistogramAt": last_ms,
        "firstMetricAt": first_ms,
        "lastMetricAt": last_ms,
        "period": last_ms,
        "summaries": summaries,
        "histograms": summaries,
    }


def machine() -> dict[str, Any]:
    """Return the machine that made the load, which is usually the one that bore it."""
    with open("/proc/cpuinfo", encoding="utf-8") as cpus:
        models = [line.split(":", 1)[1].strip() for line in cpus if line.startswith("model name")]
    return {
        "cpus": os.cpu_count(),
        "cpu_model": models[0] if models else platform.machine(),
        "memory_mb": psutil.virtual_memory().total >> 20,
        "kernel": platform.release(),
        "system": platform.system(),
    }


def versions() -> dict[str, str]:
    """Return those of Python and of what the generator is made of."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    return {"python": python} | {name: version(name) for name in LIBRARIES}


def rfc3339(epoch_s: float) -> str:
    moment = datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def _group(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "scheduled": group.scheduled,
        "ok": group.ok,
        "failed": group.failed,
        "latency_ms": milliseconds(group.times.latency),
        "service_ms": milliseconds(group.times.service),
        "lag_ms": milliseconds(group.times.lag),
    }


def _audit(audit: Audit | None) -> dict[str, Any]:
    if audit is None:
        return {}
    figures = asdict(audit)
    del figures["differing"]
    return figures | {"differences": list(audit.differences())}


def _summary(histogram: Any) -> dict[str, float]:
    ranks = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9)
    values = histogram.get_percentile_to_value_dict(list(ranks)) or dict.fromkeys(ranks, 0)
    p50, p75, p90, p95, p99, p999 = (round(values[rank] / 1000, 1) for rank in ranks)
    return {
        "min": round(histogram.get_min_value() / 1000, 1),
        "max": round(histogram.get_max_value() / 1000, 1),
        "count": histogram.get_total_count(),
        "mean": round(histogram.get_mean_value() / 1000, 1),
        **{"p50": p50, "median": p50, "p75": p75, "p90": p90},
        **{"p95": p95, "p99": p99, "p999": p999},
    }


def _span(run: Run) -> tuple[float, float]:
    return run.started_at_s, run.started_at_s + run.duration_s


def _answered(error: str) -> bool:
    return error.startswith("http_") or error == "bad_body"
