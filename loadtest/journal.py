"""The client's journal: what happened to every arrival, in flat arrays, written on the hot path."""

from array import array
from collections import Counter

UNSENT, OK, SKIPPED = range(3)
NO_TIME = -1.0  # not sent, or not answered yet


class Journal:
    """Times are seconds from the run's start, on the same clock as the schedule."""

    def __init__(self, size: int):
        self.sent_s = array("d", [NO_TIME]) * size
        self.done_s = array("d", [NO_TIME]) * size
        self.status = array("H", [0]) * size
        self.outcome = bytearray(size)
        self.bytes = array("L", [0]) * size  # of each response's body
        self.ids: list[str | None] = [None] * size
        self.bytes_received = 0
        self._names = ["unsent", "ok", "skipped"]
        self._codes = {name: code for code, name in enumerate(self._names)}

    def __len__(self) -> int:
        return len(self.outcome)

    def failed(self, index: int, error: str) -> None:
        """Note an arrival's error class (`ETIMEDOUT`, `http_503`, `bad_body` …)."""
        code = self._codes.get(error)
        if code is None:
            code = self._codes[error] = len(self._names)
            self._names.append(error)
        self.outcome[index] = code

    def outcome_of(self, index: int) -> str:
        return self._names[self.outcome[index]]

    def errors(self) -> dict[str, int]:
        """How many arrivals failed, by error class, most frequent first."""
        counts = Counter(self.outcome)
        failures = [(self._names[code], n) for code, n in counts.most_common() if code > SKIPPED]
        return dict(failures)
