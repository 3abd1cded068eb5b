"""From the seconds of a run to what bounded it: each kind of wait, one at a time."""

from dataclasses import replace
from typing import Any

import pytest

from loadtest.recording import causes
from loadtest.recording.causes import Evidence
from loadtest.recording.measure import Second, Window
from loadtest.recording.timeline import Moment, PoolSecond

SLOW_S = 4  # the second in which the answers of these runs are slow
POOL = PoolSecond(
    busy=8,
    environments=8,
    queued=3,
    wait_ms=60.0,
    longest_wait_ms=250.0,
    throttled=0,
    invocations=100,
    worked_s=7.9,
)


def a_moment(at_s: int, **changes: Any) -> Moment:
    quiet = Moment(
        at_s=at_s,
        cpu=0.61,
        stolen=0.0,
        syncs=6,
        sync_ms=6.0,
        longest_sync_ms=1.0,
        disk_stop_ms=0.0,
        processes={"gateway": 0.6, "documents": 0.5, "generator": 0.1},
    )
    return replace(quiet, **changes)


def evidence(p99_ms: float = 300.0, **slow: Any) -> Evidence:
    """Return ten seconds of which the fifth is slow, with these changes to what was recorded."""
    seconds = [Second(at_s, 100, 100, 100, 0, 2.0, 5.0) for at_s in range(10)]
    seconds[SLOW_S] = replace(seconds[SLOW_S], p99_ms=p99_ms)
    moments = [a_moment(at_s) for at_s in range(10)]
    moments[SLOW_S] = a_moment(SLOW_S, **slow)
    return Evidence(
        seconds=seconds,
        moments=moments,
        judged=range(2, 8),
        worst_window=Window(0, 500, 1.0),
        slo_p99_ms=150.0,
        processors=2,
    )


@pytest.mark.parametrize(
    ("slow", "sentence"),
    [
        (
            {"syncs_of": "documents", "syncs": 6, "sync_ms": 234.0, "longest_sync_ms": 150.0},
            "at 4 s documents waited 234 ms for the disk, in 6 syncs; CPU was 61 % busy",
        ),
        (
            {"syncs": 1, "sync_ms": 234.0, "longest_sync_ms": 234.0},
            "at 4 s the disk took 234 ms for 1 sync; CPU was 61 % busy",
        ),
        (
            {"syncs": 0, "disk_stop_ms": 400.0},
            "at 4 s whatever wanted to run waited 400 ms for the disk; CPU was 61 % busy",
        ),
        (
            {"disk_stood": True},
            "at 4 s the disk stood still; CPU was 61 % busy",
        ),
        (
            {"cpu": 0.5, "stolen": 0.31},
            "at 4 s neighbours took 31 % of the processors; CPU was 50 % busy, 31 % stolen",
        ),
        (
            {"cpu": 0.98, "processes": {"documents": 0.8, "gateway": 0.6, "generator": 0.5}},
            "at 4 s all processors were busy (documents 80 % of one, gateway 60 % of one, "
            "generator 50 % of one); CPU was 98 % busy",
        ),
        (
            {"cpu": 1.0, "processes": {"gateway": 0.4, "generator": 0.1}},
            "at 4 s other programs took 75 % of the processors; CPU was 100 % busy",
        ),
        (
            {"pools": {"PaymentsFunction": POOL}},
            "at 4 s events waited up to 250 ms for one of 8 PaymentsFunction environments; "
            "CPU was 61 % busy",
        ),
        (
            {"slow_commands": [{"ms": 80.4, "command": "EVALSHA"}]},
            "at 4 s Valkey took 80 ms for EVALSHA; CPU was 61 % busy",
        ),
        ({"ended": ["documents"]}, "at 4 s documents ended; CPU was 61 % busy"),
        ({}, "at 4 s nothing that was recorded explains it; CPU was 61 % busy"),
    ],
)
def test_a_slow_second_names_what_waited_in_it(slow: dict[str, Any], sentence: str):
    assert causes.causes(evidence(**slow))["p99"] == sentence


def test_the_two_longest_waits_are_named_and_short_ones_are_not():
    cause = causes.causes(
        evidence(
            p99_ms=400.0,
            syncs_of="documents",
            sync_ms=234.0,
            longest_sync_ms=150.0,
            pools={"PaymentsFunction": POOL},
            slow_commands=[{"ms": 30.0, "command": "EVALSHA"}],
        )
    )["p99"]

    assert cause.index("events waited up to 250 ms") < cause.index("documents waited 234 ms")
    assert "Valkey" not in cause


def test_many_short_syncs_in_one_second_are_no_cause():
    cause = causes.causes(
        evidence(syncs_of="documents", syncs=90, sync_ms=270.0, longest_sync_ms=5.0)
    )["p99"]

    assert cause.startswith("at 4 s nothing that was recorded explains it")


def test_the_wait_that_an_answer_was_due_in_may_be_seconds_before_its_end():
    run = evidence(p99_ms=2500.0)
    run.moments[SLOW_S + 2].disk_stood = True

    assert causes.causes(run)["p99"].startswith("at 4 s the disk stood still")


def test_each_kind_of_fault_is_explained_at_the_second_where_it_was_worst():
    run = evidence()
    seconds = [
        replace(second, failed=9 if second.at_s == 7 else 0, sent=80 if second.at_s == 3 else 100)
        for second in run.seconds
    ]
    run.moments[5].queues["payments"] = {"depth": 900, "age_s": 94.2}
    named = causes.causes(replace(run, seconds=seconds))

    assert {kind: sentence[:6] for kind, sentence in named.items()} == {
        "p99": "at 4 s",
        "failed": "at 7 s",
        "skipped": "at 3 s",
        "reached": "at 3 s",
        "undrained": "at 5 s",
    }
    assert "the oldest message of payments was 94 s old" in named["undrained"]


def test_a_run_of_which_nothing_was_recorded_has_no_causes():
    run = replace(evidence(), moments=[])

    assert (causes.causes(run), causes.disturbance(run), causes.condition(run)) == ({}, "", [])


@pytest.mark.parametrize(
    ("slow", "sentence"),
    [
        (
            {"stolen": 0.3},
            "the machine was disturbed in 1 of 1 slow seconds: "
            "neighbours took 30 % of the processors",
        ),
        ({"disk_stood": True}, "the machine was disturbed in 1 of 1 slow seconds: the disk stood"),
        ({"longest_sync_ms": 234.0, "sync_ms": 234.0}, ""),
        ({"cpu": 1.0, "processes": {"documents": 1.0, "generator": 1.0}}, ""),
    ],
)
def test_a_machine_is_blamed_for_slow_seconds_only_where_it_was_disturbed(
    slow: dict[str, Any], sentence: str
):
    assert causes.disturbance(evidence(**slow)).startswith(sentence)
    assert bool(causes.disturbance(evidence(**slow))) == bool(sentence)


def test_a_disturbance_in_other_seconds_than_the_slow_ones_excuses_nothing_but_is_noted():
    run = evidence()
    run.moments[7].stolen = 0.4
    run.moments[8].disk_stood = True

    assert causes.disturbance(run) == ""
    assert causes.condition(run) == [
        "neighbours took 4 % of the processors on average, 40 % at 7 s",
        "the disk stood still for 1 s, at 8 s",
    ]
