"""The causes: from the seconds of a run to sentences that say what bounded it. Pure.

A slow second is explained by what waited in it: for a disk, for Valkey, for an environment, for a
processor. A wait far below the slowest answers explains nothing and is left out. How busy the
processors were is always said, because it also says what was not the cause.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from loadtest.recording.measure import Second, Window
from loadtest.recording.timeline import Moment
from loadtest.wording import counted

EXPLAINS = 0.25  # of a second's p99: from here on a wait counts as its cause
MIN_WAIT_MS = 10.0
WAITS_NAMED = 2
CPU_FULL = 0.9  # of all processors
MAX_STOLEN = 0.1  # of all processors, by neighbours on the same host
MAX_OTHERS = 0.25  # of all processors, by programs that are neither system nor generator
WORTH_A_NOTE = 0.02  # of all processors, stolen on average
PROCESSES_NAMED = 3
NOTHING = "nothing that was recorded explains it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The seconds of a run: of its arrivals, and of all beside them."""

    seconds: Sequence[Second]
    moments: Sequence[Moment]
    judged: range  # the seconds of the phase whose p99 is judged
    worst_window: Window
    slo_p99_ms: float
    processors: int


def causes(evidence: Evidence) -> dict[str, str]:
    """Return the cause of each kind of fault, at the second where it was worst."""
    seconds = evidence.seconds
    judged = [second for second in seconds if second.at_s in evidence.judged]
    window = range(evidence.worst_window.start_s, evidence.worst_window.start_s + 5)
    worst = {
        "p99": max(judged, key=lambda each: each.p99_ms or 0.0, default=None),
        "failed": max(seconds, key=lambda each: each.failed, default=None),
        "skipped": max(seconds, key=_unsent, default=None),
        "reached": max((s for s in seconds if s.at_s in window), key=_unsent, default=None),
    }
    sentences = {kind: _cause_at(evidence, second.at_s) for kind, second in worst.items() if second}
    sentences["undrained"] = _oldest(evidence)
    return {kind: sentence for kind, sentence in sentences.items() if sentence}


def disturbance(evidence: Evidence) -> str:
    """Return how the machine itself, not the system, made most slow seconds slow; "" if it did not.

    A run without a slow second is looked at as a whole.
    """
    slow = [
        second.at_s
        for second in evidence.seconds
        if second.at_s in evidence.judged
        and ((second.p99_ms or 0.0) > evidence.slo_p99_ms or second.failed)
    ]
    spans = [_span(evidence, at_s) for at_s in slow] or [[each] for each in evidence.moments]
    spans = [span for span in spans if span]
    disturbed = [span for span in spans if any(_disturbances(span))]
    if len(disturbed) * 2 <= len(spans):
        return ""
    whole = [moment for span in disturbed for moment in span]
    kinds = " and ".join(_disturbances(whole))
    named = "slow seconds" if slow else "seconds"
    return f"the machine was disturbed in {len(disturbed):,} of {len(spans):,} {named}: {kinds}"


def condition(evidence: Evidence) -> list[str]:
    """Return what the machine went through in the run, whatever the verdict."""
    stolen = [(moment.stolen, moment.at_s) for moment in evidence.moments if moment.stolen]
    sentences = []
    if stolen:
        most, at_s = max(stolen)
        mean = sum(share for share, _ in stolen) / len(evidence.moments)
        if most >= MAX_STOLEN or mean >= WORTH_A_NOTE:
            sentences.append(
                f"neighbours took {_percent(mean)} of the processors on average, "
                f"{_percent(most)} at {at_s} s"
            )
    others = [moment.others(evidence.processors) or 0.0 for moment in evidence.moments]
    mean = sum(others) / max(1, len(others))
    if mean >= MAX_STOLEN:
        sentences.append(f"other programs took {_percent(mean)} of the processors on average")
    stood = [str(moment.at_s) for moment in evidence.moments if moment.disk_stood]
    if stood:
        sentences.append(f"the disk stood still for {len(stood):,} s, at {', '.join(stood[:5])} s")
    return sentences


def _cause_at(evidence: Evidence, at_s: int) -> str:
    span = _span(evidence, at_s)
    if not span:
        return ""
    least_ms = max(MIN_WAIT_MS, EXPLAINS * _p99_ms(evidence, at_s))
    waits = sorted((wait for wait in _waits(span) if wait[0] >= least_ms), reverse=True)
    events = [*_ends(span), *_shortages(span, evidence.processors)]
    clauses = [*events, *(text for _, text in waits[:WAITS_NAMED])] or [NOTHING]
    return f"at {at_s} s {' and '.join(clauses)}; {_load(span)}"


def _oldest(evidence: Evidence) -> str:
    aged = [
        (queue["age_s"], moment.at_s, name)
        for moment in evidence.moments
        for name, queue in moment.queues.items()
    ]
    if not aged:
        return ""
    age_s, at_s, name = max(aged)
    span = [moment for moment in evidence.moments if moment.at_s == at_s]
    events = _shortages(span, evidence.processors)
    clauses = "".join(f" and {event}" for event in events)
    return f"at {at_s} s the oldest message of {name} was {age_s:.0f} s old{clauses}; {_load(span)}"


def _unsent(second: Second) -> int:
    return second.offered - second.sent


def _p99_ms(evidence: Evidence, at_s: int) -> float:
    is_known = at_s < len(evidence.seconds)
    return (evidence.seconds[at_s].p99_ms or 0.0) if is_known else 0.0


def _span(evidence: Evidence, at_s: int) -> list[Moment]:
    """Return the moments in which the arrivals of this second may have waited."""
    last_s = at_s + ceil(_p99_ms(evidence, at_s) / 1000)
    return [moment for moment in evidence.moments if at_s <= moment.at_s <= last_s]


def _shortages(span: Sequence[Moment], processors: int) -> list[str]:
    # Processors that others fill are full of them, not of what is named beside them.
    return [*_disturbances(span), *(_others(span, processors) or _full(span))]


def _ends(span: Iterable[Moment]) -> list[str]:
    ended = dict.fromkeys(name for moment in span for name in moment.ended)
    return [f"{name} ended" for name in ended]


def _disturbances(span: Sequence[Moment]) -> list[str]:
    stolen = max((moment.stolen or 0.0 for moment in span), default=0.0)
    sentences = []
    if stolen >= MAX_STOLEN:
        sentences.append(f"neighbours took {_percent(stolen)} of the processors")
    if any(moment.disk_stood for moment in span):
        sentences.append("the disk stood still")
    return sentences


def _others(span: Iterable[Moment], processors: int) -> list[str]:
    most = max((moment.others(processors) or 0.0 for moment in span), default=0.0)
    return [f"other programs took {_percent(most)} of the processors"] * (most >= MAX_OTHERS)


def _full(span: Sequence[Moment]) -> list[str]:
    busiest = max(span, key=lambda moment: moment.cpu or 0.0)
    if (busiest.cpu or 0.0) + (busiest.stolen or 0.0) < CPU_FULL:
        return []
    largest = sorted(busiest.processes.items(), key=lambda each: -each[1])[:PROCESSES_NAMED]
    named = ", ".join(f"{name} {_percent(cores)} of one" for name, cores in largest)
    return ["all processors were busy" + (f" ({named})" if named else "")]


def _waits(span: Sequence[Moment]) -> Iterator[tuple[float, str]]:
    """Yield each wait, the longest of its kind, with its sentence."""
    synced = max(span, key=lambda moment: moment.longest_sync_ms or 0.0)
    if synced.syncs:
        name = f"{synced.syncs_of} waited" if synced.syncs_of else "the disk took"
        syncs = counted(synced.syncs, "sync")
        what = f"for the disk, in {syncs}" if synced.syncs_of else f"for {syncs}"
        wait_ms = synced.longest_sync_ms or 0.0
        yield wait_ms, f"{name} {synced.sync_ms or 0:.0f} ms {what}"
    else:
        stopped_ms = max(moment.disk_stop_ms or 0.0 for moment in span)
        yield stopped_ms, f"whatever wanted to run waited {stopped_ms:.0f} ms for the disk"
    slow = [(each["ms"], each["command"]) for moment in span for each in moment.slow_commands]
    if slow:
        ms, command = max(slow)
        yield ms, f"Valkey took {ms:.0f} ms for {command}"
    pools = [
        (pool.longest_wait_ms, name, pool.environments)
        for moment in span
        for name, pool in moment.pools.items()
    ]
    if pools:
        ms, name, environments = max(pools)
        one = f"one of {environments}" if environments > 1 else "the only one of the"
        yield ms, f"events waited up to {ms:.0f} ms for {one} {name} environments"


def _load(span: Iterable[Moment]) -> str:
    moments = [moment for moment in span if moment.cpu is not None]
    if not moments:
        return "how busy the CPU was is not known"
    busiest = max(moments, key=lambda moment: (moment.cpu or 0.0) + (moment.stolen or 0.0))
    stolen = f", {_percent(busiest.stolen)} stolen" if (busiest.stolen or 0.0) >= 0.01 else ""
    return f"CPU was {_percent(busiest.cpu or 0.0)} busy{stolen}"


def _percent(share: float | None) -> str:
    return f"{100 * (share or 0.0):.0f} %"
