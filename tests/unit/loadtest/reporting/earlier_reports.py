"""A kept report as a run writes it, small enough to read, with any of its fields changed."""

import copy
from typing import Any

LATENCY = {"p50": 3.0, "p90": 8.0, "p95": 12.0, "p99": 36.0, "p99_9": 70.0, "max": 200.0}


def a_group(name: str, **latency: float) -> dict[str, Any]:
    return {
        **{"name": name, "scheduled": 30_000, "ok": 30_000, "failed": 0},
        "latency_ms": LATENCY | latency,
    }


def a_report(**changes: Any) -> dict[str, Any]:
    """Return two minutes at a thousand a second, all answered."""
    report = {
        **{"verdict": "passed", "profile": "1k", "target": "http://127.0.0.1:5002"},
        **{"connections": "reuse", "started_at": "2026-11-23T10:15:00.000Z", "duration_s": 120.0},
        "judged_phase": "peak",
        "machine": {"cpus": 2, "cpu_model": "AMD EPYC"},
        "versions": {"python": "3.11.2"},
        "totals": {
            **{"scheduled": 120_000, "sent": 120_000, "ok": 120_000, "failed": 0, "skipped": 0}
        },
        "errors": {},
        "phases": [a_group("peak")],
        "scenarios": [a_group("health", p50=1.0, p99=6.0), a_group("payments", p99=52.0)],
        "generator": {"cpu_us_per_arrival": 100.0},
        "servers": [
            {"process": "gateway", "cpu_us_per_arrival": 220.0},
            {"process": "documents", "cpu_us_per_arrival": 270.0},
        ],
        "queues": [{"name": "payments", "age_max_s": 7.5}],
        "seconds": [
            {"at_s": at_s, "offered": 1000, "p50_ms": 3.0, "p99_ms": 30.0} for at_s in range(120)
        ],
    }
    return copy.deepcopy(report) | changes
