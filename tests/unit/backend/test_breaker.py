"""The breaker opens on a share of failures, probes with one call, and waits longer each time."""

import pytest

from backend.breaker import breaker_of
from backend.errors import CircuitOpen
from redis_sqs import breaker as circuits
from redis_sqs.breaker import CALLS_MIN, OPEN_FIRST_S, OPEN_LONGEST_S, WINDOW_S, Breaker


def _opened():
    breaker = breaker_of("it")
    breaker.learn(succeeded=0, failed=CALLS_MIN, now_s=0)
    return breaker


def _is_open(breaker, now_s):
    try:
        breaker.admit(1, now_s=now_s)
    except CircuitOpen:
        return True
    return False


@pytest.mark.parametrize(
    ("succeeded", "failed", "is_open"),
    [(0, CALLS_MIN - 1, False), (0, CALLS_MIN, True), (6, 5, False), (5, 5, True), (100, 0, False)],
)
def test_it_opens_when_enough_calls_were_made_and_half_of_them_failed(succeeded, failed, is_open):
    breaker = breaker_of("it")
    breaker.learn(succeeded=succeeded, failed=failed, now_s=0)

    assert _is_open(breaker, 0.1) == is_open


def test_failures_of_long_ago_do_not_count():
    breaker = breaker_of("it")
    breaker.learn(succeeded=0, failed=CALLS_MIN - 1, now_s=0)
    breaker.learn(succeeded=0, failed=1, now_s=WINDOW_S + 1)

    assert breaker.admit(10, now_s=WINDOW_S + 1) == 10


def test_after_its_time_one_probe_is_admitted_and_a_success_closes_it():
    breaker = _opened()

    assert breaker.admit(10, now_s=OPEN_FIRST_S) == 1
    breaker.learn(succeeded=1, failed=0, now_s=OPEN_FIRST_S)
    assert breaker.admit(10, now_s=OPEN_FIRST_S) == 10


def test_a_probe_that_fails_keeps_it_open_for_longer_up_to_a_limit():
    breaker, now_s = _opened(), 0.0
    for _ in range(10):
        now_s += OPEN_LONGEST_S
        assert breaker.admit(1, now_s=now_s) == 1
        breaker.learn(succeeded=0, failed=1, now_s=now_s)

    assert _is_open(breaker, now_s + OPEN_LONGEST_S * 0.49)
    assert not _is_open(breaker, now_s + OPEN_LONGEST_S)


def test_a_probe_without_an_answer_to_learn_from_changes_nothing():
    breaker = _opened()
    breaker.learn(succeeded=0, failed=0, now_s=OPEN_FIRST_S)

    assert breaker.admit(10, now_s=OPEN_FIRST_S) == 1


def test_where_one_failure_says_enough_one_opens_it():
    breaker = Breaker("it", CircuitOpen, calls_min=1, open_first_s=1.0, open_longest_s=1.0)
    breaker.learn(succeeded=0, failed=1, now_s=0)

    assert 0.4 <= breaker.probe_in_s(now_s=0.1) <= 0.9
    assert breaker.probe_in_s(now_s=1.0) == 0


def test_who_listens_hears_when_one_opens_and_closes():
    openings = []
    circuits.listeners.append(lambda breaker, open_s: openings.append((breaker.name, open_s)))
    _opened().learn(succeeded=1, failed=0, now_s=OPEN_FIRST_S)
    circuits.listeners.pop()

    assert openings == [("it", OPEN_FIRST_S), ("it", 0.0)]
