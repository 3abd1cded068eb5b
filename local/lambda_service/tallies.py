"""The count of one function's events by their ends, whoever invoked it: the gateway or a worker."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from local.lambda_service.metrics import DURATION_BUCKETS_S

# Names of errors are those of classes, but a function may make up as many as it likes.
ERROR_KINDS_MAX = 50
ERROR_KIND_MAX_CHARS = 100
OTHER = "other"


class Tally:
    """Events by their end, with their durations and the most memory that was used."""

    __slots__ = (
        *("cold_starts", "durations", "errors", "invocations", "memory_mb", "timeouts"),
        "worked_s",
    )

    def __init__(self) -> None:
        self.invocations = 0
        self.worked_s = 0.0
        self.errors: dict[str, int] = {}  # by the error's type
        self.timeouts = 0
        self.cold_starts = 0
        self.memory_mb = 0  # the most that one environment has used
        self.durations = [0] * (len(DURATION_BUCKETS_S) + 1)  # those over the last bound at the end

    def add(
        self, duration_ms: float, *, memory_mb: int, is_cold: bool, error_type: str | None
    ) -> None:
        """Count one event."""
        self.invocations += 1
        self.worked_s += duration_ms / 1000
        self.durations[bisect_left(DURATION_BUCKETS_S, duration_ms / 1000)] += 1
        self.cold_starts += is_cold
        self.memory_mb = max(self.memory_mb, memory_mb)
        if error_type is not None:
            self._add_errors(error_type, 1)

    def merge(self, counts: Mapping[str, Any]) -> None:
        """Add what another tally counted, as `as_dict` says it."""
        self.invocations += counts["invocations"]
        self.worked_s += counts["worked_s"]
        self.timeouts += counts["timeouts"]
        self.cold_starts += counts["cold_starts"]
        self.memory_mb = max(self.memory_mb, counts["memory_mb"])
        for index, count in enumerate(counts["durations"][: len(self.durations)]):
            self.durations[index] += count
        for error_type, count in counts["errors"].items():
            self._add_errors(error_type, count)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as JSON can hold them."""
        return {
            "invocations": self.invocations,
            "worked_s": round(self.worked_s, 6),
            "errors": dict(self.errors),
            "timeouts": self.timeouts,
            "cold_starts": self.cold_starts,
            "memory_mb": self.memory_mb,
            "durations": list(self.durations),
        }

    def _add_errors(self, error_type: str, count: int) -> None:
        error_type = error_type[:ERROR_KIND_MAX_CHARS]
        is_new = error_type not in self.errors
        name = OTHER if is_new and len(self.errors) >= ERROR_KINDS_MAX else error_type
        self.errors[name] = self.errors.get(name, 0) + count
