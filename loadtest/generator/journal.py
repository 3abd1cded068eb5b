"""The client's journal: the fate of every arrival, in flat arrays, written on the hot path."""

from array import array
from collections import Counter
from collections.abc import Iterable, MutableSequence
from typing import Any

UNSENT, OK, SKIPPED = range(3)
NO_TIME = -1.0  # not sent, or not answered yet
COLUMNS = ("sent_s", "done_s", "status", "bytes", "ids")


Part = dict[str, list[Any]]  # some arrivals of a journal, a list for each of its columns


class Journal:
    """Arrivals; their times are seconds from the run's start, on the clock of the schedule."""

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
        self.outcome[index] = self._code(error)

    def outcome_of(self, index: int) -> str:
        return self._names[self.outcome[index]]

    def errors(self) -> dict[str, int]:
        """Return the number of failed arrivals by error class, most frequent first."""
        counts = Counter(self.outcome)
        failures = [(self._names[code], n) for code, n in counts.most_common() if code > SKIPPED]
        return dict(failures)

    def part(self, indexes: Iterable[int]) -> Part:
        """Return what is known of these arrivals, for the journal of another process."""
        indexes = list(indexes)
        columns = self._columns()
        part: Part = {
            name: [column[index] for index in indexes]
            for name, column in zip(COLUMNS, columns, strict=True)
        }
        return part | {"index": indexes, "outcome": [self.outcome_of(each) for each in indexes]}

    def add(self, part: Part) -> None:
        """Take over what another process's journal knows of some arrivals."""
        columns = self._columns()
        for row, index in enumerate(part["index"]):
            self.outcome[index] = self._code(part["outcome"][row])
            for name, column in zip(COLUMNS, columns, strict=True):
                column[index] = part[name][row]
        self.bytes_received += sum(part["bytes"])

    def _columns(self) -> tuple[MutableSequence[Any], ...]:
        return self.sent_s, self.done_s, self.status, self.bytes, self.ids

    def _code(self, name: str) -> int:
        if name not in self._codes:
            self._codes[name] = len(self._names)
            self._names.append(name)
        return self._codes[name]
