"""The verdict: one change at a time away from a run that passes."""

from dataclasses import replace

import pytest

from loadtest.verdict import Exit, Facts, judge

GOOD = Facts(
    scheduled=127_800,
    sent=127_800,
    failed=0,
    skipped=0,
    errors={},
    worst_window_s=95,
    reached=1.0,
    judged_phase="peak",
    p99_ms=149.9,
    slo_p99_ms=150.0,
    lag_p99_ms=10.0,
    generator_cpu=0.80,
    differences=(),
    undrained=(),
)


def test_a_run_inside_every_bound_passes_without_a_reason():
    verdict = judge(GOOD)

    assert (verdict.name, verdict.reasons, verdict.exit_code) == ("passed", (), 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"failed": 3, "errors": {"ETIMEDOUT": 2, "http_503": 1}},
            "3 of 127,800 failed: ETIMEDOUT 2, http_503 1",
        ),
        ({"skipped": 1, "sent": 127_799}, "1 arrival skipped: too many were in flight"),
        (
            {"sent": 27_800},
            "stopped early: 100,000 of 127,800 arrivals were never sent",
        ),
        (
            {"reached": 0.9989},
            "99.89% of the scheduled rate in the 5 s from second 95, 99.9% is required",
        ),
        ({"p99_ms": 150.1}, "p99 in the peak 150.1 ms, at most 150 ms is required"),
        ({"differences": ("lost: 1, such as pay_1",)}, "audit: lost: 1, such as pay_1"),
        ({"undone": ("the fault did not happen",)}, "the fault did not happen"),
        (
            {"has_faults": True, "failed": 1, "errors": {"http_503": 1}},
            "1 of 127,800 failed outside of what the faults explain: http_503 1",
        ),
        ({"undrained": ("queue payments was not empty",)}, "queue payments was not empty"),
    ],
)
def test_one_fault_fails_the_run_and_is_its_one_reason(change: dict[str, object], reason: str):
    verdict = judge(replace(GOOD, **change))  # type: ignore[arg-type]

    assert verdict.exit_code is Exit.FAILED
    assert (verdict.name, verdict.reasons) == ("failed", (reason,))


def test_an_arrival_that_a_fault_kept_from_being_sent_is_not_taken_for_an_early_stop():
    verdict = judge(replace(GOOD, sent=127_700, has_faults=True, skipped_by_faults=100))

    assert verdict.name == "passed"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"lag_p99_ms": 10.1},
            "the generator was late: p99 of its lag 10.1 ms, at most 10 ms is trusted",
        ),
        (
            {"generator_cpu": 0.81},
            "the generator was busy: 81% of a core, at most 80% is trusted",
        ),
    ],
)
def test_a_generator_that_was_the_bottleneck_makes_the_run_invalid(
    change: dict[str, object], reason: str
):
    verdict = judge(replace(GOOD, **change))  # type: ignore[arg-type]

    assert verdict.exit_code is Exit.INVALID
    assert (verdict.name, verdict.reasons) == ("invalid", (reason,))


@pytest.mark.parametrize(
    "fault",
    [
        {"p99_ms": 231.0},
        {"failed": 3, "errors": {"ETIMEDOUT": 2, "http_503": 1}},
        {"reached": 0.9},
        {"skipped": 1, "sent": 127_799},
        {"undrained": ("queue payments was not empty",)},
    ],
)
def test_a_run_that_its_machine_made_slow_is_invalid_and_says_so_first(fault: dict[str, object]):
    disturbed = replace(GOOD, disturbance="neighbours took 31 % of the processors", **fault)  # type: ignore[arg-type]
    verdict = judge(disturbed)

    assert (verdict.name, len(verdict.reasons)) == ("invalid", 2)
    assert verdict.reasons[0] == "neighbours took 31 % of the processors"


@pytest.mark.parametrize(
    "fault",
    [
        {"differences": ("lost: 1, such as pay_1",)},
        {"died": ("1 message of payments is in its dead-letter queue",)},
        {"failed": 3, "errors": {"ETIMEDOUT": 2, "http_500": 1}},
        {"sent": 27_800},
    ],
)
def test_no_machine_excuses_what_is_lost_wrong_or_left_out(fault: dict[str, object]):
    disturbed = replace(GOOD, disturbance="the disk stood still", p99_ms=231.0, **fault)  # type: ignore[arg-type]

    assert judge(disturbed).name == "failed"
    assert not any("disk" in reason for reason in judge(disturbed).reasons)


def test_a_disturbed_machine_alone_is_no_reason():
    assert judge(replace(GOOD, disturbance="the disk stood still")).name == "passed"


def test_a_reason_names_its_cause():
    named = {"p99": "at 160 s documents waited 234 ms for the disk", "failed": "at 3 s x ended"}
    slow = judge(replace(GOOD, p99_ms=231.0, causes=named))
    wrong = judge(replace(GOOD, failed=1, errors={"http_500": 1}, causes=named))

    assert slow.reasons == (
        "p99 in the peak 231.0 ms, at most 150 ms is required: "
        "at 160 s documents waited 234 ms for the disk",
    )
    assert wrong.reasons == ("1 of 127,800 failed: http_500 1: at 3 s x ended",)


def test_a_generator_that_vanished_makes_the_run_invalid():
    verdict = judge(replace(GOOD, doubts=("worker 2 of 2 vanished at 41 s",), sent=100_000))

    assert (verdict.name, verdict.exit_code) == ("invalid", 3)
    assert verdict.reasons[0] == "worker 2 of 2 vanished at 41 s"


def test_an_invalid_run_still_lists_what_failed():
    verdict = judge(replace(GOOD, lag_p99_ms=300.0, differences=("lost: 1, such as pay_1",)))

    assert (verdict.name, int(verdict.exit_code)) == ("invalid", 3)
    assert verdict.reasons[1] == "audit: lost: 1, such as pay_1"
