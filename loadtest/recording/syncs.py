"""The documents server's waits for its disk, as it counts them for Prometheus."""

import re
from dataclasses import dataclass
from typing import Any

from loadtest.witnesses.api import Api

PROCESS = "documents"
NAME = "documents_log_sync_seconds"
_SAMPLE = re.compile(rf'{NAME}_(?:(count|sum)|bucket{{le="([^"]+)"}}) (\S+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Syncs:
    """All waits since the server's start."""

    count: int
    total_ms: float
    up_to: tuple[tuple[float, int], ...]  # a bound in ms, and how many took no longer


def address_of(listed: list[dict[str, Any]]) -> str:
    """Return where these processes' documents server shows its measures, or ""."""
    words = (word for each in listed if each["name"] == PROCESS for word in _addresses(each))
    return next((word for word in words if word.endswith("/metrics")), "")


def read(server: Api) -> Syncs:
    """Return the waits that the server counts. KeyError where it counts none."""
    single: dict[str, float] = {}
    up_to = []
    for kind, bound, value in _SAMPLE.findall(server.text("")):
        if kind:
            single[kind] = float(value)
        else:
            up_to.append((float(bound) * 1000, int(float(value))))
    return Syncs(
        count=int(single["count"]), total_ms=single["sum"] * 1000, up_to=tuple(sorted(up_to))
    )


def longest_ms(early: Syncs, late: Syncs) -> float:
    """Return how long the longest wait between two looks may have been; 0 without a wait.

    It is as coarse as the bounds; a wait beyond the last of them is as long as all together.
    """
    before = dict(early.up_to)
    total_ms = late.total_ms - early.total_ms
    for bound_ms, count in late.up_to:
        if count - before.get(bound_ms, 0) == late.count - early.count:
            return min(bound_ms, total_ms)
    return total_ms


def _addresses(process: dict[str, Any]) -> list[str]:
    return str(process.get("address", "")).split()
