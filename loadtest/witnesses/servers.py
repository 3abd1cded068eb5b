"""The system's own processes, with the CPU that each used between two looks at them."""

from dataclasses import dataclass
from typing import Any

from loadtest.witnesses import records
from loadtest.witnesses.api import Api, ApiError


@dataclass(frozen=True, slots=True)
class ServerUsage:
    """One row per process, or why there are none."""

    rows: list[dict[str, Any]]
    trouble: str = ""


def look(console: Api | None) -> ServerUsage:
    """Return what every process has used since its start."""
    if console is None:
        return ServerUsage([], "CONSOLE is empty")
    try:
        return ServerUsage(records.processes(console))
    except (ApiError, KeyError, TypeError) as error:
        return ServerUsage([], str(error))


def between(before: ServerUsage, after: ServerUsage, arrivals: int) -> ServerUsage:
    """Return what was used from one look to the other, also per arrival."""
    trouble = before.trouble or after.trouble
    return ServerUsage([] if trouble else used(before.rows, after.rows, arrivals), trouble)


def used(
    before: list[dict[str, Any]], after: list[dict[str, Any]], arrivals: int
) -> list[dict[str, Any]]:
    """Return what each process used; one that is new is counted from its start."""
    cpu_before = {process["pid"]: process["cpu_s"] for process in before}
    restarts = {process["name"]: process["restarts"] for process in before}
    rows = []
    for process in after:
        cpu_s = process["cpu_s"] - cpu_before.get(process["pid"], 0.0)
        rows.append(
            {
                "process": process["name"],
                "cpu_s": round(cpu_s, 3),
                "cpu_us_per_arrival": round(cpu_s * 1e6 / max(1, arrivals), 1),
                "rss_mb": process["rss_mb"],
                "restarts": process["restarts"] - restarts.get(process["name"], 0),
            }
        )
    return rows
