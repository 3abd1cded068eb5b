"""The parts of the gateway's process that the console's views read, and that its actions use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.console.worker_tallies import KINDS, WorkerTallies
from local.gateway.api import ApiGateway
from local.http.request import Application
from local.lambda_service.dispatch import Pool
from local.lambda_service.metrics import Metrics
from local.lambda_service.output import FunctionOutput
from local.lambda_service.tallies import Tally
from local.template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts that the views have in common."""

    template: Template
    state: Path
    pools: Mapping[str, Pool]
    metrics: Metrics
    output: FunctionOutput
    apis: Sequence[ApiGateway]
    aws: Application  # the Invoke API and SQS's
    has_queues: bool  # with a carrier that is known
    workers: WorkerTallies = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "workers", WorkerTallies(self.state))

    def tallies(self) -> dict[str, dict[str, Any]]:
        """Return the counts of each function's events, by gateway and workers together."""
        return {name: self.tally(name) for name in self.template.functions}

    def tally(self, function: str) -> dict[str, Any]:
        """Return the counts of one function's events, by gateway and workers together."""
        tally = Tally()
        tally.merge(self.output.tallies[function].as_dict())
        if counts := self.workers.of(function):
            tally.merge(counts)
        return tally.as_dict()

    def environments(self, function: str) -> tuple[int, int]:
        """Return how many environments a function has anywhere, and how many are busy."""
        pool, counts = self.pools[function], self.workers.of(function)
        of_workers = (counts["environments"], counts["busy"]) if counts else (0, 0)
        return len(pool.environments) + of_workers[0], pool.busy + of_workers[1]

    def worker_totals(self) -> dict[str, float]:
        """Return how many environments workers have, and how many of them are busy."""
        counts_of_all = [
            counts for name in self.template.functions if (counts := self.workers.of(name))
        ]
        return {f"worker_{kind}": sum(each[kind] for each in counts_of_all) for kind in KINDS}
