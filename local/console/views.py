"""The console's views of the machine as JSON: functions, requests, queues, processes."""

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import psutil

from local.console.pages import Console, Page, View
from local.daemon import logs
from local.lambda_service.dispatch import Pool
from local.lambda_service.metrics import DURATION_BUCKETS_S, Metrics
from local.machine import status
from local.machine.dead_letters import dead_letters
from local.machine.queue_depths import QueuesUnreadable, depths
from local.machine.slow_commands import slow_commands
from local.runtime import import_failures
from local.template import Template

REQUESTS_SHOWN = 50
ATTRIBUTES = ["pid", "ppid", "cpu_times", "memory_info"]


def add_views(
    console: Console, template: Template, state: Path, pools: Mapping[str, Pool], metrics: Metrics
) -> None:
    """Serve everything below `/api/`; what has to be read from elsewhere is read in a thread."""

    async def functions_view(parameters: Mapping[str, str]) -> Page:
        failing = await asyncio.to_thread(import_failures.noted, state)
        return Page(orjson.dumps(functions(template, pools, metrics, failing)))

    async def ready_view(parameters: Mapping[str, str]) -> Page:
        missing = [name for name in template.hosted if not pools[name].environments]
        return Page(orjson.dumps({"without_environment": missing}), status=503 if missing else 200)

    async def environments_view(parameters: Mapping[str, str]) -> Page:
        machines = {
            name: Counter(each.machine for each in pool.environments)
            for name, pool in pools.items()
        }
        return Page(orjson.dumps(machines))

    console.add_view("/api/functions", functions_view)
    console.add_view("/api/ready", ready_view)
    console.add_view("/api/environments", environments_view)
    console.add_view("/api/requests", _in_thread(lambda: requests(state)))
    console.add_view("/api/queues", _in_thread(lambda: queues(template)))
    console.add_view("/api/processes", _in_thread(lambda: processes(state)))
    console.add_view("/api/slow_commands", _in_thread(slow))
    console.add_view("/api/dead_letters", _in_thread(lambda: dead(template)))


def _in_thread(read: Callable[[], object]) -> View:
    async def view(parameters: Mapping[str, str]) -> Page:
        return Page(orjson.dumps(await asyncio.to_thread(read)))

    return view


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


def requests(state: Path) -> list[Any]:
    """Return the last lines of the access log, the newest first.

    Each as it was read; a line whose form the template has chosen may be no JSON.
    """
    lines = logs.tail(logs.path_of(state, "access"), REQUESTS_SHOWN)
    return [_fields(line) for line in reversed(lines)]


def _fields(line: str) -> dict[str, Any] | str:
    try:
        read = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
    return read if isinstance(read, dict) else line


def queues(template: Template) -> dict[str, list[dict[str, Any]]]:
    """Return each queue with the number of its dead letters. Raises OSError where none answers."""
    try:
        depths_by_name = {each.name: each for each in depths(template, os.environ)}
    except QueuesUnreadable as error:
        raise OSError(str(error)) from error
    dead_letters = {queue.name: queue.dead_letter for queue in template.queues.values()}
    listed = []
    for name, depth in depths_by_name.items():
        if name in dead_letters.values():
            continue
        dead_letter = dead_letters[name]
        listed.append(
            {
                "name": name,
                "visible": depth.visible,
                "delayed": depth.delayed,
                "in_flight": depth.in_flight,
                "retrying": depth.retrying,
                "oldest_age_s": depth.oldest_age_s,
                "dlq": depths_by_name[dead_letter].total if dead_letter else 0,
            }
        )
    return {"queues": listed}


def dead(template: Template) -> dict[str, list[dict[str, str]]]:
    """Return the newest dead letters of each queue. Raises OSError where none answers."""
    try:
        return {"dead_letters": dead_letters(template, os.environ)}
    except QueuesUnreadable as error:
        raise OSError(str(error)) from error


def slow() -> dict[str, list[dict[str, Any]]]:
    """Return what Redis took long for, the newest first. Raises OSError without an answer."""
    try:
        return {"commands": slow_commands(os.environ)}
    except QueuesUnreadable as error:
        raise OSError(str(error)) from error


def processes(state: Path) -> list[dict[str, Any]]:
    """Return every supervised process with the CPU and memory of all that descends from it."""
    running = status.read(state)
    if running is None:
        return []
    children = defaultdict(list)
    for process in psutil.process_iter(ATTRIBUTES):
        children[process.info["ppid"]].append(process.info)
    by_pid = {info["pid"]: info for siblings in children.values() for info in siblings}
    listed = []
    for each in running.processes:
        family = [by_pid[each.pid]] if each.pid in by_pid else []
        for info in family:  # grows while it is walked: children, their children, …
            family.extend(children[info["pid"]])
        listed.append(
            {
                "name": each.name,
                "pid": each.pid,
                "address": each.address,
                "state": each.state,
                "restarts": each.restarts,
                "cpu_s": round(sum(_cpu_s(info["cpu_times"]) for info in family), 2),
                "rss_mb": round(sum(info["memory_info"].rss for info in family) / 2**20, 1),
            }
        )
    return listed


def _cpu_s(times: Any) -> float:
    """Return what a process used, and what children used that have ended."""
    used: float = times.user + times.system + times.children_user + times.children_system
    return used
