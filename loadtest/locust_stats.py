"""Feeds Locust's statistics, so that its table, CSV, HTML and web page show corrected latency.

In batches, once a second, by the door that Locust has for reports of its workers: firing the
request event for each arrival costs several times as much (tests/bench/generator.py).
"""

from collections import defaultdict
from collections.abc import Iterable

from locust.stats import RequestStats, StatsEntry, bucket_response_time

from loadtest.journal import OK, Journal
from loadtest.scenarios import SCENARIOS, Workload


def feed(
    stats: RequestStats,
    work: Workload,
    journal: Journal,
    completed: Iterable[int],
    *,
    started_at_s: float,
) -> None:
    """Add these arrivals; `started_at_s` is the epoch time of the schedule's second 0."""
    batches: dict[int, list[int]] = defaultdict(list)
    for index in completed:
        batches[work.scenario[index]].append(index)
    for which, indices in batches.items():
        scenario = SCENARIOS[which]
        entry = _entry(scenario.path, scenario.method, work, journal, indices, started_at_s)
        stats.entries[(scenario.path, scenario.method)].extend(entry)
        stats.total.extend(entry)
        for index in indices:
            if journal.outcome[index] != OK:
                error = journal.outcome_of(index)
                stats.log_error(scenario.method, scenario.path, error)


def _entry(
    name: str,
    method: str,
    work: Workload,
    journal: Journal,
    indices: list[int],
    started_at_s: float,
) -> StatsEntry:
    entry = StatsEntry(RequestStats(use_response_times_cache=False), name, method)
    due_s, done_s = work.schedule.due_s, journal.done_s
    for index in indices:
        entry.response_times[bucket_response_time((done_s[index] - due_s[index]) * 1000)] += 1
        entry.num_reqs_per_sec[int(started_at_s + done_s[index])] += 1
    milliseconds = [(done_s[index] - due_s[index]) * 1000 for index in indices]
    entry.num_requests = len(indices)
    entry.total_response_time = round(sum(milliseconds))
    entry.min_response_time = round(min(milliseconds))
    entry.max_response_time = round(max(milliseconds))
    entry.last_request_timestamp = started_at_s + max(done_s[index] for index in indices)
    return entry
