"""The processes of the machine as JSON, each with the CPU and memory of its descendants.

They are read from /proc, a tenth of what psutil costs: the console reads them every two seconds.
"""

import os
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from local.console.answers import in_thread
from local.console.pages import Console
from local.console.parts import Parts
from local.machine import status

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STAT_MAX_BYTES = 2048  # 52 numbers and a name of 64 bytes at most
PAGES_PER_MB = 2**20 / os.sysconf("SC_PAGE_SIZE")


class _Usage(NamedTuple):
    """A process and what it has used."""

    pid: int
    parent: int
    cpu_s: float  # with that of children that have ended
    rss_mb: float


def add(console: Console, parts: Parts) -> None:
    """Serve the list of processes; it is read in a thread."""
    console.add_view("/api/processes", in_thread(lambda _: processes(parts.state)))


def processes(state: Path) -> list[dict[str, Any]]:
    """Return every supervised process with the CPU and memory of all that descends from it."""
    running = status.read(state)
    if running is None:
        return []
    children, by_pid = defaultdict(list), {}
    for usage in _usages():
        children[usage.parent].append(usage)
        by_pid[usage.pid] = usage
    listed = []
    for each in running.processes:
        family = [by_pid[each.pid]] if each.pid in by_pid else []
        for usage in family:  # grows while it is walked: children, their children, …
            family.extend(children[usage.pid])
        listed.append(
            {
                "name": each.name,
                "pid": each.pid,
                "address": each.address,
                "state": each.state,
                "restarts": each.restarts,
                "cpu_s": round(sum(usage.cpu_s for usage in family), 2),
                "rss_mb": round(sum(usage.rss_mb for usage in family), 1),
            }
        )
    return listed


def _usages() -> list[_Usage]:
    listed = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb", buffering=0) as file:
                line = file.read(STAT_MAX_BYTES)
        except OSError:
            continue  # it has ended
        # The name of the program stands in parentheses, and may hold any characters.
        fields = line[line.rindex(b")") + 2 :].split()
        ticks = sum(map(int, fields[11:15]))
        rss_mb = int(fields[21]) / PAGES_PER_MB
        listed.append(_Usage(int(name), int(fields[1]), ticks / TICKS_PER_S, rss_mb))
    return listed
