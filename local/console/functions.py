"""The functions as JSON: environments, counts and times of each."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from local.console.answers import Page, as_json
from local.console.pages import Console, Parameters
from local.console.parts import Parts
from local.lambda_service.dispatch import Pool
from local.lambda_service.metrics import DURATION_BUCKETS_S, Metrics
from local.runtime import import_failures
from local.template import Template


def add(console: Console, parts: Parts) -> None:
    """Serve the list of functions, and whether each that should has an environment."""
    template, pools = parts.template, parts.pools

    async def functions_view(parameters: Parameters) -> Page:
        failing = await asyncio.to_thread(import_failures.noted, parts.state)
        return as_json(functions(template, pools, parts.metrics, failing))

    async def ready_view(parameters: Parameters) -> Page:
        missing = [name for name in template.hosted if not pools[name].environments]
        return as_json({"without_environment": missing}, 503 if missing else 200)

    async def environments_view(parameters: Parameters) -> Page:
        return as_json(
            {
                name: Counter(each.machine for each in pool.environments)
                for name, pool in pools.items()
            }
        )

    console.add_view("/api/functions", functions_view)
    console.add_view("/api/ready", ready_view)
    console.add_view("/api/environments", environments_view)


def functions(
    template: Template, pools: Mapping[str, Pool], metrics: Metrics, failing: Mapping[str, str]
) -> dict[str, list[Any]]:
    """Return each function with what its environments do and its requests since the start.

    `latency` and `waits` count durations by `bounds_ms`, those over the last bound at the end; a
    reader makes percentiles of any time of the difference between two readings. `waits` is the time
    until an environment took the event, `worked_s` the time in which environments had one in hand.
    """
    listed = []
    for name in template.functions:
        pool, meter = pools[name], metrics.function(name)
        statuses, latency = metrics.of_function(name)
        listed.append(
            {
                "name": name,
                "environments": len(pool.environments),
                "busy": pool.busy,
                "queued": pool.waiting,
                "throttled": meter.throttles,
                "timed_out": meter.timeouts,
                "requests": statuses.total(),
                "errors": sum(count for status, count in statuses.items() if status >= 500),
                "latency": latency,
                "import_error": failing.get(name),
                "waits": meter.waits.counts,
                "waited_s": round(meter.waits.sum_s, 6),
                "invocations": meter.invocations,
                "worked_s": round(meter.worked_s, 6),
                "memory_mb": pool.function.memory_mb,
                "concurrency": pool.concurrency,
            }
        )
    bounds_ms = [round(bound_s * 1000) for bound_s in DURATION_BUCKETS_S]
    return {"bounds_ms": bounds_ms, "functions": listed}
