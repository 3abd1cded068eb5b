"""The time that a fault explains, and what of a run's figures lies outside of it. Pure.

A failure is explained where the arrival was under way while the fault lasted or soon after its end.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from loadtest.faults.grammar import Fault
from loadtest.generator.journal import NO_TIME, OK, SKIPPED, UNSENT, Journal
from loadtest.generator.scenarios import Workload
from loadtest.recording.measure import Second, Window, exact, windows

AFTER_S = 10.0  # the client's time-out: a request that a fault swallowed fails so much later


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One fault as it went. Times are seconds from the first arrival."""

    fault: Fault
    happened: bool
    sentence: str  # what was done, or why nothing was
    began_s: float
    ended_s: float  # when the process served again, or was seen to run again

    @property
    def explains_until_s(self) -> float:
        return self.ended_s + AFTER_S

    def explains(self, from_s: float, to_s: float) -> bool:
        """Return whether what was under way in this span may be the fault's work."""
        return self.happened and from_s <= self.explains_until_s and to_s >= self.began_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The figures of a run that no fault explains."""

    failed: int
    skipped: int
    errors: dict[str, int]
    p99_ms: float  # of the judged phase
    worst_window: Window
    skipped_by_faults: int


def rest(work: Workload, journal: Journal, happenings: Sequence[Happening]) -> Rest:
    """Return what is left to judge."""
    errors: Counter[str] = Counter()
    skipped = skipped_by_faults = 0
    latencies: list[float] = []
    judged = work.schedule.profile.seconds_of(work.schedule.profile.judged_phase)
    for index, outcome in enumerate(journal.outcome):
        due_s, done_s = work.schedule.due_s[index], journal.done_s[index]
        if _is_explained(happenings, due_s, max(due_s, done_s)):
            skipped_by_faults += outcome == SKIPPED
            continue
        skipped += outcome == SKIPPED
        if outcome > SKIPPED:
            errors[journal.outcome_of(index)] += 1
        if done_s != NO_TIME and judged.start <= due_s < judged.stop:
            latencies.append((done_s - due_s) * 1000)
    return Rest(
        failed=errors.total(),
        skipped=skipped,
        errors=dict(errors.most_common()),
        p99_ms=exact(latencies, 0.99) or 0.0,
        worst_window=_worst_window(work, journal, happenings),
        skipped_by_faults=skipped_by_faults,
    )


def without_explained(seconds: Iterable[Second], happenings: Sequence[Happening]) -> list[Second]:
    """Return the seconds, those that a fault explains as if nothing had failed or been slow."""
    return [
        replace(each, failed=0, p50_ms=None, p99_ms=None, sent=each.offered)
        if _is_explained(happenings, each.at_s, each.at_s + 1)
        else each
        for each in seconds
    ]


def undone(happenings: Iterable[Happening]) -> tuple[str, ...]:
    """Return a sentence for each fault that did not happen."""
    return tuple(
        f"the fault {str(each.fault)!r} did not happen: {each.sentence}"
        for each in happenings
        if not each.happened
    )


def as_rows(
    happenings: Iterable[Happening], work: Workload, journal: Journal
) -> list[dict[str, object]]:
    """Return the faults as JSON types, each with the arrivals that failed and that it explains."""
    return [
        {
            "fault": str(each.fault),
            "happened": each.happened,
            "sentence": each.sentence,
            "began_s": round(each.began_s, 2),
            "ended_s": round(each.ended_s, 2),
            "explains_until_s": ceil(each.explains_until_s) if each.happened else None,
            "failed": _failed_of(each, work, journal),
        }
        for each in happenings
    ]


def _failed_of(happening: Happening, work: Workload, journal: Journal) -> int:
    return sum(
        outcome not in (OK, UNSENT) and happening.explains(due_s, max(due_s, done_s))
        for outcome, due_s, done_s in zip(
            journal.outcome, work.schedule.due_s, journal.done_s, strict=True
        )
    )


def _is_explained(happenings: Sequence[Happening], from_s: float, to_s: float) -> bool:
    return any(each.explains(from_s, to_s) for each in happenings)


def _worst_window(work: Workload, journal: Journal, happenings: Sequence[Happening]) -> Window:
    judged = (
        each
        for each in windows(work, journal)
        if not _is_explained(happenings, each.start_s, each.start_s + 5)
    )
    nothing = Window(start_s=0, scheduled=0, reached=1.0)
    return min(judged, key=lambda window: window.reached, default=nothing)
