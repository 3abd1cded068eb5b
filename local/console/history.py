"""The last hour as columns of numbers, and marks in it; kept in memory, and gone with the process.

An hour of a machine with fifteen processes and ten queues is 80 columns of 1,800 numbers: 1.2 MB.
"""

import math
import time
from array import array
from collections import deque
from collections.abc import Mapping
from typing import Any

EVERY_S = 2.0  # between two samples
SAMPLES_MAX = 1_800  # an hour
COLUMNS_MAX = 1_000  # 14 MB; more processes and queues than that are left out
MARKS_MAX = 200
MARK_MAX_CHARS = 200


class History:
    """Samples of named numbers by time."""

    def __init__(self, samples_max: int = SAMPLES_MAX) -> None:
        self._samples_max = samples_max
        self._times = array("d")
        self._columns: dict[str, array[float]] = {}
        self._marks: deque[tuple[float, str]] = deque(maxlen=MARKS_MAX)

    def add(self, at_s: float, values: Mapping[str, float]) -> None:
        """Add a sample; a column that has no value now has a gap."""
        for name in values.keys() - self._columns.keys():
            if len(self._columns) < COLUMNS_MAX:
                self._columns[name] = array("d", [math.nan]) * len(self._times)
        self._times.append(round(at_s, 2))
        for name, column in self._columns.items():
            column.append(round(values.get(name, math.nan), 3))
        if len(self._times) > self._samples_max:
            self._drop_first()

    def mark(self, text: str, at_s: float | None = None) -> None:
        """Note what began or happened at a moment, now by default."""
        self._marks.append((time.time() if at_s is None else at_s, text[:MARK_MAX_CHARS]))

    def last(self, seconds: float) -> dict[str, Any]:
        """Return the samples of the last seconds before the newest one."""
        return self.since(self._times[-1] - seconds if self._times else 0.0)

    def since(self, at_s: float) -> dict[str, Any]:
        """Return what came after a moment: times, columns of as many values, and all marks."""
        first = len(self._times)
        while first and self._times[first - 1] > at_s:
            first -= 1
        return {
            "times": self._times[first:].tolist(),
            "columns": {name: column[first:].tolist() for name, column in self._columns.items()},
            "marks": [{"at": at_s, "text": text} for at_s, text in self._marks],
        }

    def _drop_first(self) -> None:
        del self._times[0]
        for name, column in list(self._columns.items()):
            del column[0]
            if all(map(math.isnan, column)):
                del self._columns[name]  # of a process or queue that has been gone for an hour
