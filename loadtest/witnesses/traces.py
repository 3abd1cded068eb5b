"""The traces of the slowest arrivals that asked for one, as the target's console shows them."""

from typing import Any

from loadtest.generator.journal import NO_TIME, Journal
from loadtest.generator.scenarios import SCENARIOS, Workload
from loadtest.generator.tracing import EVERY, trace_id
from loadtest.witnesses.api import Api, ApiError

SHOWN = 5  # arrivals
SPANS_MAX = 60  # of one arrival
TEXT_MAX = 100  # of a name, which is the system's


def slowest(console: Api | None, work: Workload, journal: Journal, *, run: str) -> dict[str, Any]:
    """Return the slowest traced arrivals with their spans, and a note where there are none."""
    latency_s = {
        index: journal.done_s[index] - work.schedule.due_s[index]
        for index in range(0, len(work), EVERY)
        if journal.done_s[index] != NO_TIME and work.origin[index] == index
    }
    ranked = sorted(latency_s, key=lambda index: -latency_s[index])[:SHOWN]
    shown: list[dict[str, Any]] = []
    note = "" if ranked else "no traced arrival was answered"
    for index in ranked:
        spans, trouble = _spans(console, trace_id(run, index))
        note = trouble or note
        if spans is None:
            break
        shown.append(
            {
                "scenario": SCENARIOS[work.scenario[index]].name,
                "due_s": round(work.schedule.due_s[index], 3),
                "latency_ms": round(latency_s[index] * 1000, 1),
                "trace": trace_id(run, index),
                "spans": spans,
            }
        )
    return {"traced": len(latency_s), "note": note, "slowest": shown}


def _spans(console: Api | None, trace: str) -> tuple[list[list[Any]] | None, str]:
    """Return the spans of a trace, and a note; None where no other trace can be expected either.

    A span is its depth, name, service, start and duration (ms), and whether it is an error.
    """
    if console is None:
        return None, "there is no console to show traces"
    try:
        answer = console.find(f"/api/traces/{trace}")
        if answer is None:
            return [], "the console has no trace of some of them"
        spans = [
            [
                int(each["depth"]),
                str(each["name"])[:TEXT_MAX],
                str(each["service"])[:TEXT_MAX],
                round(float(each["start_ms"]), 2),
                round(float(each["duration_ms"]), 2),
                bool(each["error"]),
            ]
            for each in answer["trace_spans"][:SPANS_MAX]
        ]
    except (ApiError, KeyError, TypeError, ValueError) as error:
        return None, f"the console shows no traces: {error or type(error).__name__}"
    return spans, ""
