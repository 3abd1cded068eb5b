"""The arrivals as Locust's request event, so that its table, CSV, HTML and web page, and
whoever listens to that event, see latency from the scheduled start.

Events are fired a few times a second, off the hot path; one costs about 3 us
(tests/bench/generator.py).
"""

from collections.abc import Iterable

from locust.event import EventHook

from loadtest.generator.journal import OK, Journal
from loadtest.generator.scenarios import SCENARIOS, Workload


def tell(request: EventHook, work: Workload, journal: Journal, completed: Iterable[int]) -> None:
    """Fire Locust's request event for each of these arrivals."""
    due_s, done_s, outcome = work.schedule.due_s, journal.done_s, journal.outcome
    for index in completed:
        scenario = SCENARIOS[work.scenario[index]]
        request.fire(  # type: ignore[no-untyped-call]
            request_type=scenario.method,
            name=scenario.path,
            response_time=(done_s[index] - due_s[index]) * 1000,
            response_length=journal.bytes[index],
            exception=None if outcome[index] == OK else journal.outcome_of(index),
            context={},
        )
