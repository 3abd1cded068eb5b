"""The processes of the machine as JSON, each with the CPU and memory of its descendants."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import psutil

from local.console.answers import in_thread
from local.console.pages import Console
from local.console.parts import Parts
from local.machine import status

ATTRIBUTES = ["pid", "ppid", "cpu_times", "memory_info"]


def add(console: Console, parts: Parts) -> None:
    """Serve the list of processes; it is read in a thread."""
    console.add_view("/api/processes", in_thread(lambda _: processes(parts.state)))


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
