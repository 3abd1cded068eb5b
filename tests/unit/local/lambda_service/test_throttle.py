"""Token buckets: what they let pass, and what the load profile asks of them."""

import pytest

from loadtest.generator.profile import ONE_K, schedule
from local.lambda_service.throttle import TokenBucket
from local.template.api_keys import BURST_DEFAULT, RATE_DEFAULT_PER_S


@pytest.mark.row("1.60")
def test_a_bucket_lets_its_burst_pass_at_once_and_then_its_rate():
    bucket = TokenBucket(10, 5, 0.0)

    assert [bucket.take(0.0) for _ in range(6)] == [True] * 5 + [False]
    assert [bucket.take(0.1), bucket.take(0.1)] == [True, False]
    assert [bucket.take(60.0) for _ in range(6)] == [True] * 5 + [False]


@pytest.mark.row("1.61")
def test_the_load_profile_never_meets_the_throttle_of_an_account():
    bucket = TokenBucket(RATE_DEFAULT_PER_S, BURST_DEFAULT, 0.0)

    assert all(bucket.take(due_s) for due_s in schedule(ONE_K).due_s)
