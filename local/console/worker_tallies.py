"""The sums of what workers say of their functions; those that have ended are not forgotten."""

import time
from pathlib import Path
from typing import Any

from local.lambda_service.tallies import Tally
from local.machine import worker_functions

KINDS = ("environments", "busy")


class WorkerTallies:
    """The invocations of all workers together since this process began."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._began_s = time.time()
        self._last: dict[str, dict[str, Any]] = {}  # what each worker said, by its file
        self._ended: dict[str, Tally] = {}  # of workers whose place another one has

    def read(self) -> None:
        """Read what the workers say now; blocks for the reading of their files."""
        for name, statement in worker_functions.read(self._state).items():
            before = self._last.get(name)
            if statement["at_s"] < self._began_s and before is None:
                continue  # it was said to another gateway
            if before is not None and before["pid"] != statement["pid"]:
                for function, counts in before["functions"].items():
                    self._ended.setdefault(function, Tally()).merge(counts)
            self._last[name] = statement

    def of(self, function: str) -> dict[str, Any] | None:
        """Return environments, busy ones and counts of a function; None where no worker has it."""
        now_s = time.time()
        statements = [
            (each["functions"][function], now_s - each["at_s"] < worker_functions.FRESH_S)
            for each in tuple(self._last.values())
            if function in each["functions"]
        ]
        if not statements:
            return None
        tally = Tally()
        if function in self._ended:
            tally.merge(self._ended[function].as_dict())
        for counts, _ in statements:
            tally.merge(counts)
        living = [counts for counts, is_fresh in statements if is_fresh]
        return {kind: sum(each[kind] for each in living) for kind in KINDS} | tally.as_dict()
