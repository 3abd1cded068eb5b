"""The verdict: from what was measured to passed, failed or invalid, with every reason. Pure.

Invalid stands before failed: a late generator says nothing about the system, and neither does a
machine whose neighbours or whose disk made it slow. Its faults are still among the reasons. No
machine excuses what is lost or doubled, or what was answered wrongly.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from loadtest.wording import counted

MIN_REACHED = 0.999  # of the scheduled rate, in every 5 s
MAX_LAG_P99_MS = 10.0
MAX_GENERATOR_CPU = 0.80  # of a core; k6's and Artillery's own limit for trusting a run
# What a slow machine alone can bring about.
OF_SPEED = frozenset({"p99", "reached", "skipped", "undrained", "late"})
LATE_ERRORS = frozenset({"ETIMEDOUT", "http_429", "http_503", "http_504"})


class Exit(IntEnum):
    PASSED = 0
    FAILED = 1
    USAGE = 2
    INVALID = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    scheduled: int
    sent: int
    failed: int
    skipped: int
    errors: dict[str, int]
    worst_window_s: int  # where the five seconds start that reached the least
    reached: float  # of what was due in them, sent in time
    judged_phase: str
    p99_ms: float
    slo_p99_ms: float
    lag_p99_ms: float
    generator_cpu: float  # of one core, in the busiest ten seconds
    differences: tuple[str, ...]  # what the audit found, or why it could not look
    undrained: tuple[str, ...]  # queues that were not empty in time, and what was left
    died: tuple[str, ...] = ()  # queues with new dead letters, or why none could be seen
    doubts: tuple[str, ...] = ()  # sentences of the generators against the run
    causes: Mapping[str, str] = field(default_factory=dict)  # by the kind of fault
    undone: tuple[str, ...] = ()  # faults of the run that did not happen
    has_faults: bool = False  # `failed`, `skipped`, `reached` and p99 are what they do not explain
    skipped_by_faults: int = 0
    disturbance: str = ""  # how the machine made the run slow, "" if it did not


@dataclass(frozen=True, slots=True)
class Verdict:
    name: str
    reasons: tuple[str, ...]
    exit_code: Exit


def judge(facts: Facts) -> Verdict:
    """Return the verdict over one run; the reasons are empty only if it passed."""
    doubts, faults = _doubts(facts), list(_faults(facts))
    if faults and facts.disturbance and all(fault.kind in OF_SPEED for fault in faults):
        doubts.append(facts.disturbance)
    reasons = (*doubts, *(fault.reason(facts.causes) for fault in faults))
    if doubts:
        return Verdict("invalid", reasons, Exit.INVALID)
    if faults:
        return Verdict("failed", reasons, Exit.FAILED)
    return Verdict("passed", (), Exit.PASSED)


def _doubts(facts: Facts) -> list[str]:
    doubts = list(facts.doubts)
    if facts.lag_p99_ms > MAX_LAG_P99_MS:
        doubts.append(
            f"the generator was late: p99 of its lag {facts.lag_p99_ms:.1f} ms, "
            f"at most {MAX_LAG_P99_MS:.0f} ms is trusted"
        )
    if facts.generator_cpu > MAX_GENERATOR_CPU:
        doubts.append(
            f"the generator was busy: {facts.generator_cpu:.0%} of a core, "
            f"at most {MAX_GENERATOR_CPU:.0%} is trusted"
        )
    return doubts


@dataclass(frozen=True, slots=True)
class _Fault:
    kind: str
    text: str

    def reason(self, causes: Mapping[str, str]) -> str:
        cause = causes.get("failed" if self.kind == "late" else self.kind)
        return f"{self.text}: {cause}" if cause else self.text


def _faults(facts: Facts) -> Iterator[_Fault]:
    if facts.failed:
        kinds = ", ".join(f"{name} {count:,}" for name, count in facts.errors.items())
        kind = "late" if facts.errors.keys() <= LATE_ERRORS else "failed"
        where = " outside of what the faults explain" if facts.has_faults else ""
        yield _Fault(kind, f"{facts.failed:,} of {facts.sent:,} failed{where}: {kinds}")
    if facts.skipped:
        yield _Fault(
            "skipped", f"{counted(facts.skipped, 'arrival')} skipped: too many were in flight"
        )
    unsent = facts.scheduled - facts.sent - facts.skipped - facts.skipped_by_faults
    if unsent:
        yield _Fault(
            "stopped",
            f"stopped early: {unsent:,} of {facts.scheduled:,} arrivals were never sent",
        )
    if facts.reached < MIN_REACHED:
        yield _Fault(
            "reached",
            f"{facts.reached:.2%} of the scheduled rate in the 5 s from second "
            f"{facts.worst_window_s}, {MIN_REACHED:.1%} is required",
        )
    if facts.p99_ms > facts.slo_p99_ms:
        yield _Fault(
            "p99",
            f"p99 in the {facts.judged_phase} {facts.p99_ms:.1f} ms, "
            f"at most {facts.slo_p99_ms:.0f} ms is required",
        )
    yield from (_Fault("audit", f"audit: {difference}") for difference in facts.differences)
    yield from (_Fault("undrained", sentence) for sentence in facts.undrained)
    yield from (_Fault("undone", sentence) for sentence in facts.undone)
    yield from (_Fault("died", sentence) for sentence in facts.died)
