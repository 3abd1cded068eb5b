"""The watch over a run: the generator's own CPU, the queues, and the progress line."""

import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import Any

import gevent

from loadtest.generator.driver import Drive
from loadtest.generator.journal import NO_TIME, OK, SKIPPED
from loadtest.generator.scenarios import Workload
from loadtest.recording.measure import exact
from loadtest.witnesses import records
from loadtest.witnesses.api import Api, ApiError
from loadtest.wording import counted

TICK_S = 1.0
CPU_WINDOW_S = 10  # as Locust's own CPU warning looks
QUEUE_SAMPLE_S = 1.0  # 2.5 ms of the gateway's CPU each time
RECENT = 1_000  # arrivals that the progress line's p99 looks at: a second of the peak
QUIET_EVERY_S = 10  # a progress line per so many seconds where nobody watches a terminal
DRAIN_S = 60.0  # the contract's bound
DRAIN_POLL_S = 0.25
SETTLE_S = 60.0  # what was asked before the run may take so long until it is counted
STATES = ("visible", "delayed", "in_flight", "retrying")
STILL_S = 3.0  # in flight and unchanged for so long is a retry of somebody, not work that ends

Say = Callable[[str], None]
# Each sample of a queue: when (perf_counter), its name, its depth, the age of its oldest message.
History = list[tuple[float, str, int, float]]


def say(text: str) -> None:
    """Print a line for the person who watches, in place of an unfinished progress line."""
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    sys.stderr.write(f"{clear}{text}\n")
    sys.stderr.flush()


@dataclass(slots=True)
class CpuMeter:
    """CPU seconds of this process at each tick since the start."""

    samples: list[tuple[float, float]] = field(default_factory=list)  # (wall s, cpu s)

    def sample(self) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        self.samples.append((monotonic(), used.ru_utime + used.ru_stime))

    @property
    def total_s(self) -> float:
        return self.samples[-1][1] - self.samples[0][1]

    @property
    def mean(self) -> float:
        return self.total_s / max(1e-9, self.samples[-1][0] - self.samples[0][0])

    @property
    def busiest(self) -> float:
        """Return the largest share of a core in ten seconds, or in the whole of a shorter run."""
        shares = [
            (late[1] - early[1]) / (late[0] - early[0])
            for early, late in zip(self.samples, self.samples[CPU_WINDOW_S:], strict=False)
        ]
        return max(shares, default=self.mean)


@dataclass(slots=True)
class Stillness:
    """The time since the queues' counts last changed."""

    counts: dict[str, int] = field(default_factory=dict)
    since: float = 0.0

    def lasts(self, counts: dict[str, int]) -> bool:
        """Take the counts of now; return whether they have not changed for `STILL_S`."""
        if counts != self.counts:
            self.counts, self.since = dict(counts), monotonic()
        return monotonic() - self.since > STILL_S


@dataclass(slots=True)
class QueueWatch:
    """Depth and age maxima of every queue, and how long each took to empty at the end.

    What waited or was dead when the run began is not the run's: it is noted, never judged.
    """

    console: Api | None
    depth_max: dict[str, int] = field(default_factory=dict)
    age_max_s: dict[str, float] = field(default_factory=dict)
    drained_after_s: dict[str, float] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    visible: dict[str, int] = field(default_factory=dict)  # of those left: due, and not received
    delayed: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    left_before: dict[str, int] = field(default_factory=dict)
    dead_before: dict[str, int] = field(default_factory=dict)
    history: History = field(default_factory=list)
    trouble: str = ""  # why the queues could not be seen, "" if they could

    def watch(self) -> None:
        """Sample for ever; runs in a greenlet that the run kills."""
        while True:
            self.sample()
            gevent.sleep(QUEUE_SAMPLE_S)

    def sample(self) -> None:
        if self.console is None:
            self.trouble = "CONSOLE is empty"
            return
        try:
            self._note(records.queues(self.console))
            self.trouble = ""
        except (ApiError, KeyError, TypeError) as error:
            self.trouble = str(error)

    def begin(self, bound_s: float = SETTLE_S) -> None:
        """Wait until what is due is done, at most `bound_s`; what is left then is not the run's."""
        start = monotonic()
        stillness = Stillness()
        while True:
            self.sample()
            due = {name: left - self.delayed[name] for name, left in self.left.items()}
            is_still = stillness.lasts(due) and not any(self.visible.values())
            if self.trouble or not any(due.values()) or is_still or monotonic() - start > bound_s:
                break
            gevent.sleep(DRAIN_POLL_S)
        self.left_before, self.dead_before = dict(self.left), dict(self.dead)

    def drain(self, tell: Say, bound_s: float = DRAIN_S) -> float:
        """Wait until every queue is empty, at most `bound_s`; returns how long it took.

        Where no more is left than at the beginning, nothing may have changed for `STILL_S` either:
        what waited then may be done by now, and what is left may be the run's.
        """
        start = monotonic()
        last_line_s = 0.0
        stillness = Stillness()
        while True:
            self.sample()
            waited = monotonic() - start
            surplus = self._surplus()
            for name, count in surplus.items():
                if count:
                    self.drained_after_s.pop(name, None)
                else:
                    self.drained_after_s.setdefault(name, round(waited, 2))
            is_still = stillness.lasts(self.left) and not any(surplus.values())
            if self.trouble or not any(self.left.values()) or is_still or waited > bound_s:
                return waited
            if waited - last_line_s >= 1:
                last_line_s = waited
                names = ", ".join(f"{name} {count:,}" for name, count in self.left.items() if count)
                tell(f"draining {waited:3.0f} s: {names}")
            gevent.sleep(DRAIN_POLL_S)

    def undrained(self, *, accounted: bool = False) -> tuple[str, ...]:
        """Return a sentence per queue that was not empty in time.

        `accounted` says that everything the run sent is done. What is then delayed or in flight is
        a retry of somebody else's.
        """
        if self.trouble:
            return ()
        return tuple(
            f"queue {name} still had {counted(count, 'message')}"
            f" {DRAIN_S:.0f} s after the last arrival"
            for name, count in self._surplus().items()
            if count and not (accounted and self.visible[name] == 0)
        )

    def died(self, of_others: Mapping[str, int]) -> tuple[str, ...]:
        """Return a sentence per queue with new dead letters; those of others are not counted."""
        if self.trouble:
            return (f"queues could not be seen: {self.trouble}",) if self.console else ()
        return tuple(
            counted(count, f"message of {name} is", f"messages of {name} are")
            + " in its dead-letter queue"
            for name, count in self._new_dead(of_others).items()
            if count > 0
        )

    def _new_dead(self, of_others: Mapping[str, int]) -> dict[str, int]:
        return {
            name: count - self.dead_before.get(name, 0) - of_others.get(name, 0)
            for name, count in self.dead.items()
        }

    def leftovers(self, of_others: Mapping[str, int]) -> list[str]:
        """Return a sentence per queue with messages that are not the run's."""
        waiting = [
            f"queue {name} held {counted(count, 'message')} before the run; this is not judged"
            for name, count in self.left_before.items()
            if count
        ]
        dead = [
            counted(count, f"message of {name} was", f"messages of {name} were")
            + " in its dead-letter queue before the run"
            for name, count in self.dead_before.items()
            if count
        ]
        new = [
            f"{counted(count, 'message')} of {name} that somebody else sent died meanwhile"
            for name, count in of_others.items()
        ]
        late = [
            f"queue {name} has {count:,} delayed or in flight that somebody else sent"
            for name, count in self._surplus().items()
            if count and self.visible[name] == 0
        ]
        return [*waiting, *dead, *new, *late]

    def _surplus(self) -> dict[str, int]:
        """Return how many messages each queue holds beyond those it held at the beginning."""
        before = self.left_before
        return {name: max(0, left - before.get(name, 0)) for name, left in self.left.items()}

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "depth_max": self.depth_max[name],
                "age_max_s": round(self.age_max_s[name], 3),
                "drained_after_s": self.drained_after_s.get(name),
                "dlq": self.dead[name],
            }
            for name in self.depth_max
        ]

    def _note(self, queues: list[dict[str, Any]]) -> None:
        now_s = perf_counter()
        for queue in queues:
            name = str(queue["name"])
            depth = sum(int(queue.get(state, 0)) for state in STATES)
            self.left[name] = depth
            self.visible[name] = int(queue["visible"])
            self.delayed[name] = int(queue["delayed"])
            self.dead[name] = int(queue["dlq"] or 0)
            self.depth_max[name] = max(depth, self.depth_max.get(name, 0))
            age_s = float(queue["oldest_age_s"] or 0)
            self.age_max_s[name] = max(age_s, self.age_max_s.get(name, 0.0))
            self.history.append((now_s, name, depth, age_s))


class Progress:
    """One line a second on a terminal, one in ten seconds elsewhere."""

    def __init__(self, driver: Drive, work: Workload):
        self._driver = driver
        self._work = work
        self._offered_before = 0

    def show(self) -> None:
        """Show the line of this second; "now" is the last thousand arrivals or fewer."""
        driver, journal = self._driver, self._driver.journal
        offered = driver.next_index - self._offered_before
        self._offered_before = driver.next_index
        p99 = exact(self._recent_ms(), 0.99)
        at = min(driver.next_index, len(self._work) - 1)
        phase = self._work.schedule.profile.phases[self._work.schedule.phase[at]].name
        ok = journal.outcome.count(OK)
        failed = driver.next_index - ok - driver.in_flight - journal.outcome.count(SKIPPED)
        line = (
            f"{driver.elapsed_s:4.0f} s  {phase:<8}  {offered:5,}/s  ok {ok:,}  "
            f"failed {failed:,}  in flight {driver.in_flight:,}  "
            f"p99 now {'-' if p99 is None else f'{p99:.1f} ms'}"
        )
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        elif round(driver.elapsed_s) % QUIET_EVERY_S == 0:
            say(line)

    def _recent_ms(self) -> list[float]:
        last = self._driver.next_index
        due_s, done_s = self._work.schedule.due_s, self._driver.journal.done_s
        recent = range(max(0, last - RECENT), last)
        return [(done_s[i] - due_s[i]) * 1000 for i in recent if done_s[i] != NO_TIME]
