"""The time that a fault explains: what fails in it is forgiven, what fails beside it is not."""

import pytest

from loadtest.faults.grammar import Fault
from loadtest.faults.window import Happening, as_rows, rest, undone, without_explained
from loadtest.generator.journal import OK, SKIPPED, Journal
from loadtest.generator.profile import schedule, steady
from loadtest.generator.scenarios import Workload, workload
from loadtest.recording.measure import figures

RATE_PER_S, DURATION_S = 10, 40
PAUSE = Fault(verb="pause", target="valkey", at_s=10, length_s=5)


def happening(*, happened: bool = True) -> Happening:
    return Happening(
        fault=PAUSE, happened=happened, sentence="valkey stood still", began_s=10.1, ended_s=15.2
    )


def run() -> tuple[Workload, Journal]:
    """Return a run in which every arrival was answered after 10 ms."""
    work = workload(schedule(steady(RATE_PER_S, DURATION_S)))
    journal = Journal(len(work))
    for index, due_s in enumerate(work.schedule.due_s):
        journal.sent_s[index], journal.done_s[index] = due_s, due_s + 0.01
        journal.outcome[index] = OK
    return work, journal


@pytest.mark.parametrize(
    ("due_s", "took_s", "is_explained"),
    [
        (9.0, 0.5, False),  # over before it began
        (9.0, 2.0, True),  # under way when it began
        (12.0, 0.1, True),
        (15.0, 10.0, True),  # swallowed, and failed by the client's time-out
        (25.0, 0.1, True),
        (25.5, 0.1, False),  # more than ten seconds after the end
    ],
)
def test_a_failure_is_explained_while_the_fault_lasts_and_a_time_out_longer(
    due_s: float, took_s: float, is_explained: bool
):
    work, journal = run()
    index = round(due_s * RATE_PER_S)
    journal.done_s[index] = work.schedule.due_s[index] + took_s
    journal.failed(index, "http_503")

    judged = rest(work, journal, [happening()])

    assert (judged.failed, judged.errors) == ((0, {}) if is_explained else (1, {"http_503": 1}))


def test_slow_and_skipped_arrivals_of_a_fault_are_not_judged():
    work, journal = run()
    for index in range(110, 120):
        journal.done_s[index] = work.schedule.due_s[index] + 3
    for index in range(120, 140):
        journal.outcome[index], journal.sent_s[index], journal.done_s[index] = SKIPPED, -1.0, -1.0

    judged = rest(work, journal, [happening()])

    assert (judged.skipped, judged.skipped_by_faults) == (0, 20)
    assert judged.p99_ms == pytest.approx(10)
    assert judged.worst_window.reached == 1.0


def test_a_fault_that_did_not_happen_explains_nothing_and_is_named():
    work, journal = run()
    journal.failed(120, "http_503")

    judged = rest(work, journal, [happening(happened=False)])

    assert judged.failed == 1
    assert undone([happening(happened=False), happening()]) == (
        "the fault 'pause valkey for 5s at 10s' did not happen: valkey stood still",
    )


def test_the_report_counts_the_failures_that_each_fault_explains():
    work, journal = run()
    for index in (5, 120, 121):
        journal.failed(index, "http_503")

    (row,) = as_rows([happening()], work, journal)

    assert (row["failed"], row["explains_until_s"], row["happened"]) == (2, 26, True)


def test_seconds_of_a_fault_are_no_evidence_for_what_bounded_the_run():
    work, journal = run()
    for index in (5, 120):
        journal.failed(index, "http_503")

    seconds = without_explained(figures(work, journal).seconds, [happening()])

    assert [second.at_s for second in seconds if second.failed] == [0]
    assert len(seconds) == len(figures(work, journal).seconds)
