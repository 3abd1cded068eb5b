"""The machine's own counters: CPU, run queue, disk and processes, as Linux shows them in /proc.

All of them count from the boot; two samples make a rate. What this kernel does not show is None.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
SLICE = 16  # processes that are read before others may run: 0.2 ms
# Devices that stand on others, or on none: their work is counted below, or is no disk's.
NO_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "fd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """Seconds of all processors together."""

    busy_s: float  # without what was stolen
    stolen_s: float
    disk_wait_s: float  # idle, while a task waited for a disk
    total_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The work of all disks together."""

    operations: int  # completed: reads, writes, discards and flushes
    in_flight: int  # at this moment
    writes: int
    write_ms: float
    flushes: int
    flush_ms: float
    written_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """One look at the machine."""

    at_s: float  # of the monotonic clock
    cpu: Cpu | None
    runnable: int | None  # tasks that run or wait for a processor
    disk: Disk | None
    cpu_pressure_s: float | None  # time in which some task waited for a processor
    disk_pressure_s: float | None  # time in which some task waited for a disk
    disk_stop_s: float | None  # time in which no task did anything else


def counters(at_s: float, proc: Path = PROC) -> Counters:
    """Read everything that concerns the machine as a whole."""
    stat = _read(proc / "stat")
    return Counters(
        at_s=at_s,
        cpu=_cpu(stat),
        runnable=_number(stat, "procs_running"),
        disk=_disk(_read(proc / "diskstats")),
        cpu_pressure_s=_pressure_s(_read(proc / "pressure" / "cpu"), "some"),
        disk_pressure_s=_pressure_s(_read(proc / "pressure" / "io"), "some"),
        disk_stop_s=_pressure_s(_read(proc / "pressure" / "io"), "full"),
    )


class Processes:
    """Named processes with all that descends from them.

    Another's process is looked at once, and not again: on a machine with hundreds of them that is
    most of the work.
    """

    def __init__(self, names: Mapping[int, str], proc: Path = PROC) -> None:
        self.names = names  # by pid
        self._proc = proc
        self._others: set[int] = set()

    def cpu_s(self, pause: Callable[[], Any] = lambda: None) -> dict[str, float]:
        """Return the CPU seconds by name; one that has ended is left out.

        `pause` is called between slices of the work.
        """
        parents: dict[int, int] = {}
        used_s: dict[int, float] = {}
        for position, pid in enumerate(self._pids()):
            stat = _stat(self._proc, pid)
            if stat:
                parents[pid], used_s[pid] = stat
            if position % SLICE == SLICE - 1:
                pause()
        totals = {name: 0.0 for pid, name in self.names.items() if pid in parents}
        for pid, cpu_s in used_s.items():
            name = self._name_of(pid, parents)
            if name is None:
                self._others.add(pid)
            elif name in totals:
                totals[name] += cpu_s
        return totals

    def _pids(self) -> list[int]:
        pids = {int(name) for name in os.listdir(self._proc) if name.isdigit()}
        self._others &= pids
        return sorted(pids - self._others)

    def _name_of(self, pid: int, parents: Mapping[int, int]) -> str | None:
        for _ in range(len(parents) + 1):  # pids that were taken anew may form a circle
            if pid in self.names or pid not in parents:
                break
            pid = parents[pid]
        return self.names.get(pid)


def _stat(proc: Path, pid: int) -> tuple[int, float] | None:
    """Return the parent and the CPU seconds, those of ended children included."""
    try:
        file = os.open(f"{proc}/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None  # it has ended since
    try:
        stat = os.read(file, 1024)
    except OSError:
        return None
    finally:
        os.close(file)
    fields = stat[stat.rfind(b")") + 2 :].split()
    return int(fields[1]), sum(map(int, fields[11:15])) / TICKS_PER_S


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _cpu(stat: str) -> Cpu | None:
    first = stat.partition("\n")[0].split()
    if len(first) < 9 or first[0] != "cpu":
        return None
    user, nice, system, idle, wait, hard, soft, stolen = (
        int(each) / TICKS_PER_S for each in first[1:9]
    )
    busy_s = user + nice + system + hard + soft
    return Cpu(
        busy_s=busy_s,
        stolen_s=stolen,
        disk_wait_s=wait,
        total_s=busy_s + idle + wait + stolen,
    )


def _number(text: str, name: str) -> int | None:
    lines = (line.split() for line in text.splitlines() if line.startswith(f"{name} "))
    return next((int(words[1]) for words in lines), None)


def _disk(diskstats: str) -> Disk | None:
    rows = list(_disk_rows(diskstats.splitlines()))
    if not rows:
        return None
    reads, _, _, _, writes, _, sectors, write_ms, in_flight = map(
        sum, zip(*(row[:9] for row in rows), strict=True)
    )
    discards = sum(row[11] for row in rows)
    flushes, flush_ms = sum(row[15] for row in rows), sum(row[16] for row in rows)
    return Disk(
        operations=reads + writes + discards + flushes,
        in_flight=in_flight,
        writes=writes,
        write_ms=write_ms,
        flushes=flushes,
        flush_ms=flush_ms,
        written_bytes=sectors * 512,
    )


def _disk_rows(lines: Iterable[str]) -> Iterator[list[int]]:
    """Yield the counters of each disk; its partitions, whose work is the disk's, are left out."""
    disks: list[str] = []
    for words in map(str.split, lines):
        name = words[2]
        is_part = any(re.fullmatch(rf"{disk}p?\d+", name) for disk in disks)
        if is_part or name.startswith(NO_DISKS):
            continue
        disks.append(name)
        row = [int(word) for word in words[3:]]
        yield row + [0] * (17 - len(row))  # kernels before 5.5 count no flushes


def _pressure_s(text: str, kind: str) -> float | None:
    for line in text.splitlines():
        words = line.split()
        if words[0] == kind:
            return int(words[-1].removeprefix("total=")) / 1e6
    return None
