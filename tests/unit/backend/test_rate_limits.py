"""The bucket of a tenant in one process: what it gives out by itself, and its bounds."""

import pytest

from backend import rate_limits
from backend.rate_limits import RateLimits, group_of
from tests.conftest import free_port


@pytest.fixture
def limits():
    """Return limits that no Redis knows of."""
    return RateLimits(f"redis://127.0.0.1:{free_port()}/0", {"payments": 10})


def served(limits, tenant, times, now_s):
    return sum(not limits.take(tenant, "payments", now_s=now_s).wait_s for _ in range(times))


def test_a_bucket_holds_a_second_and_fills_with_time(limits):
    assert served(limits, "a", 15, now_s=100.0) == 10
    assert served(limits, "a", 15, now_s=100.5) == 5
    assert served(limits, "a", 15, now_s=200.0) == 10


def test_the_bucket_of_one_tenant_is_not_that_of_another(limits):
    served(limits, "a", 15, now_s=100.0)

    assert served(limits, "b", 10, now_s=100.0) == 10


def test_the_buckets_of_a_process_are_bounded(limits, monkeypatch):
    monkeypatch.setattr(rate_limits, "BUCKETS_MAX", 2)
    for tenant in "abcd":
        served(limits, tenant, 10, now_s=100.0)

    assert served(limits, "d", 1, now_s=100.0) == 0
    assert served(limits, "a", 1, now_s=100.0) == 1


def test_a_domain_without_a_setting_is_limited_too(limits):
    turn = limits.take("a", group_of("orders:write"), now_s=100.0)

    assert turn.fields["RateLimit-Policy"] == '"orders";q=2000;w=1'


def test_two_processes_share_a_limit_and_give_out_little_more(valkey_server):
    pair = [RateLimits(valkey_server, {"payments": 1_000}) for _ in range(2)]
    turns = [
        pair[number % 2].take("shared", "payments", now_s=number * 1e-6) for number in range(1_500)
    ]

    assert 1_000 <= sum(not turn.wait_s for turn in turns) <= 1_300
