"""The functions as JSON: environments, counts and times of each, and what one of them is."""

import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from local.console import secrets
from local.console.answers import Page, Refused, as_json
from local.console.pages import Console, Parameters
from local.console.parts import Parts
from local.lambda_service.metrics import DURATION_BUCKETS_S
from local.runtime import import_failures
from local.runtime.environment import function_arn
from local.template import Authorizer, Function, Template


def add(console: Console, parts: Parts) -> None:
    """Serve the functions, and whether each that should has an environment."""
    template, pools = parts.template, parts.pools

    async def functions_view(parameters: Parameters) -> Page:
        failing = await asyncio.to_thread(import_failures.noted, parts.state)
        bounds_ms = [round(bound_s * 1000) for bound_s in DURATION_BUCKETS_S]
        listed = [row(parts, name, failing.get(name)) for name in template.functions]
        return as_json({"bounds_ms": bounds_ms, "functions": listed})

    async def function_view(parameters: Parameters) -> Page:
        name = named(parts, parameters)
        failing = await asyncio.to_thread(import_failures.noted, parts.state)
        return as_json(
            {**row(parts, name, failing.get(name)), **described(template, template.functions[name])}
        )

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
    console.add_view("/api/functions/{name}", function_view)
    console.add_view("/api/ready", ready_view)
    console.add_view("/api/environments", environments_view)


def named(parts: Parts, parameters: Parameters) -> str:
    """Return the logical id of the function that a path names. Raises Refused."""
    name = parameters["name"]
    if name not in parts.template.functions:
        raise Refused(404, f"there is no function {name[:80]}")
    return name


def row(parts: Parts, name: str, failing: str | None) -> dict[str, Any]:
    """Return what a function's environments do and have done, those of workers among them.

    `latency` counts the requests of its routes by `bounds_ms`, `durations` its invocations, `waits`
    the times until an environment took the event; those over the last bound stand at the end. A
    reader makes percentiles of any time of the difference between two readings. `worked_s` is the
    time in which environments had an event in hand.
    """
    pool, meter, tally = parts.pools[name], parts.metrics.function(name), parts.tally(name)
    statuses, latency = parts.metrics.of_function(name)
    environments, busy = parts.environments(name)
    of_workers = parts.workers.of(name)
    return {
        "name": name,
        "environments": environments,
        "busy": busy,
        "queued": pool.waiting,
        "throttled": meter.throttles,
        "timed_out": max(meter.timeouts, tally["timeouts"]),
        "requests": statuses.total(),
        "errors": sum(count for status, count in statuses.items() if status >= 500),
        "latency": latency,
        "import_error": failing,
        "waits": meter.waits.counts,
        "waited_s": round(meter.waits.sum_s, 6),
        "invocations": tally["invocations"],
        "worked_s": round(meter.worked_s + (of_workers["worked_s"] if of_workers else 0.0), 6),
        "durations": tally["durations"],
        "failed": tally["errors"],
        "cold_starts": max(meter.cold_starts, tally["cold_starts"]),
        "memory_mb": pool.function.memory_mb,
        "memory_used_mb": tally["memory_mb"],
        "concurrency": _concurrency(parts, name),
        "invoked_by": invoked_by(parts.template, name),
    }


def invoked_by(template: Template, name: str) -> str:
    """Return what invokes a function: routes of the API, workers, streams, or callers alone."""
    if name in template.hosted:
        return "gateway"
    of_workers = {
        *(mapping.function for mapping in template.mappings),
        *(schedule.function for schedule in template.schedules),
    }
    if name in of_workers:
        return "workers"
    return "streams" if any(each.function == name for each in template.streams) else "callers"


def _concurrency(parts: Parts, name: str) -> int:
    """Return how many events a function may have in flight at most."""
    mappings = [each for each in parts.template.mappings if each.function == name]
    most = [each.maximum_concurrency for each in mappings]
    limit = parts.pools[name].concurrency
    return min(limit, sum(filter(None, most))) if mappings and all(most) else limit


def described(template: Template, function: Function) -> dict[str, Any]:
    """Return what the template says of a function, with the secrets hidden."""
    names = {*function.environment, *template.provides}
    variables = {
        name: os.environ.get(name, function.environment.get(name, "")) for name in sorted(names)
    }
    file, _, attribute = function.handler.rpartition(".")
    return {
        "function_name": function.name,
        "arn": function_arn(function.name),
        "runtime": function.runtime,
        "handler": function.handler,
        "code": f"{_near(template, function.code_uri)}/{file.replace('.', '/')}.py",
        "code_folder": str(function.code_uri),
        "entry": attribute,
        "layers": [_near(template, each) for each in function.layers],
        "timeout_s": function.timeout_s,
        "reserved_concurrency": function.reserved_concurrency,
        "variables": secrets.variables_without(variables),
        "triggers": triggers(template, function),
    }


def triggers(template: Template, function: Function) -> list[dict[str, str]]:
    """Return what has the function invoked: kind and name of each."""
    name = function.logical_id
    listed = []
    for api in template.apis:
        listed += [("route", each.key) for each in api.routes if each.function == name]
        listed += [
            ("authorizer", each.name)
            for each in api.authorizers.values()
            if isinstance(each, Authorizer) and each.function == name
        ]
    for mapping in template.mappings:
        if mapping.function == name:
            queue = template.queues[mapping.queue].name
            listed.append(("queue", f"{queue}, {mapping.batch_size} messages at most"))
    for schedule in template.schedules:
        if schedule.function == name:
            every_s = function.every_s or schedule.every_s
            when = f"every {every_s} s" if every_s else f"by {schedule.arn.rpartition('/')[2]}"
            listed.append(("schedule", when))
    listed += [("stream", each.stream) for each in template.streams if each.function == name]
    listed += _of_resources(template, function)
    # A route of any method is several.
    return [{"kind": kind, "name": text} for kind, text in dict.fromkeys(listed)]


def _of_resources(template: Template, function: Function) -> list[tuple[str, str]]:
    """Return the resources of other services whose properties name the function."""
    arn = function_arn(function.name)
    return [
        (str(resource.get("Type", "")).removeprefix("AWS::"), name)
        for name, resource in template.made.items()
        if arn in orjson.dumps(resource, default=str).decode()
    ]


def _near(template: Template, path: Path) -> str:
    """Return a path below the template's folder from there, any other one whole."""
    folder = template.path.parent
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
