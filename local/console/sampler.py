"""The sampling of the machine for the last hour: requests, functions, queues, processes.

What the gateway's process knows itself is read on its loop; the rest is read in a thread.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from local.console.history import EVERY_S, History
from local.console.parts import Parts
from local.console.processes import processes
from local.console.queues import queues

log = logging.getLogger(__name__)

STATUSES = (429, 500, 502, 503, 504)  # that have a column each


class Sampler:
    """Fills a history from the parts of the gateway's process."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.history = History()
        self._counts: Mapping[str, float] = {}  # that only grow, at the last sample
        self._cpu_s: dict[str, float] = {}
        self._restarts: dict[str, int] = {}

    async def run(self) -> None:
        """Sample until the task is cancelled."""
        began_s, began = time.time(), time.monotonic()
        last = began
        while True:
            await asyncio.sleep(EVERY_S)
            now = time.monotonic()
            try:
                outside = await asyncio.to_thread(self._outside, now - last)
            except OSError as error:
                log.warning("this machine cannot be sampled: %s", error)
                outside = {}
            values = {**self._inside(now - last), **outside}
            # By the monotonic clock: a moment goes on when somebody sets the time of day.
            self.history.add(began_s + now - began, values)
            last = now

    def _inside(self, seconds: float) -> dict[str, float]:
        pools, metrics = self._parts.pools, self._parts.metrics
        counts = _counted(metrics.statuses())
        meters = [metrics.function(name) for name in pools]
        counts["throttles"] = sum(meter.throttles for meter in meters)
        counts["sheds"] = sum(meter.sheds for meter in meters)
        counts["invocations"] = counts["failed"] = counts["cold_starts"] = counts["timeouts"] = 0
        for tally in self._parts.tallies().values():
            counts["invocations"] += tally["invocations"]
            counts["failed"] += sum(tally["errors"].values())
            counts["cold_starts"] += tally["cold_starts"]
            counts["timeouts"] += tally["timeouts"]
        rates = {
            name: max(0.0, count - self._counts.get(name, count)) / seconds
            for name, count in counts.items()
        }
        self._counts = counts
        return {
            **rates,
            **_percentiles(metrics.take_recent()),
            "environments": sum(len(pool.environments) for pool in pools.values()),
            "busy": sum(pool.busy for pool in pools.values()),
            "waiting": sum(pool.waiting for pool in pools.values()),
            **self._parts.worker_totals(),
        }

    def _outside(self, seconds: float) -> dict[str, float]:
        self._parts.workers.read()
        return {**self._of_queues(), **self._of_processes(seconds)}

    def _of_queues(self) -> dict[str, float]:
        if not self._parts.has_queues:
            return {}
        try:
            listed = queues(self._parts.template)["queues"]
        except OSError:
            return {}  # the view of the queues says so
        values: dict[str, float] = {}
        for queue in listed:
            waiting = queue["visible"] + queue["delayed"] + queue["in_flight"] + queue["retrying"]
            values[f"depth:{queue['name']}"] = waiting
            values[f"age_s:{queue['name']}"] = queue["oldest_age_s"]
            values[f"dead:{queue['name']}"] = queue["dlq"]
        return values

    def _of_processes(self, seconds: float) -> dict[str, float]:
        values: dict[str, float] = {}
        listed = processes(self._parts.state)
        for each in listed:
            name, used_s = each["name"], each["cpu_s"]
            before_s = self._cpu_s.get(name, used_s)
            values[f"cpu:{name}"] = max(0.0, used_s - before_s) / seconds * 100
            values[f"rss_mb:{name}"] = each["rss_mb"]
            if each["restarts"] > self._restarts.get(name, each["restarts"]):
                self.history.mark(f"{name} was restarted")
        self._cpu_s = {each["name"]: each["cpu_s"] for each in listed}
        self._restarts = {each["name"]: each["restarts"] for each in listed}
        if listed:
            values["restarts"] = sum(self._restarts.values())
        return values


def _counted(statuses: Counter[int]) -> dict[str, float]:
    """Return the requests in all, and those that were refused or failed by kind."""
    counts: dict[str, float] = {"requests": statuses.total()}
    for status in STATUSES:
        counts[f"status:{status}"] = statuses[status]
    other_4xx = (count for status, count in statuses.items() if 400 <= status < 500)
    counts["status:4xx"] = sum(other_4xx) - statuses[429]
    return counts


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50 and p99 in ms; nothing where nobody has asked anything."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return {"p50_ms": ordered[last // 2] * 1000, "p99_ms": ordered[round(last * 0.99)] * 1000}
