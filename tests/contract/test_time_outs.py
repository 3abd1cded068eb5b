"""The table of time-outs says what the source does."""

import re
from pathlib import Path

from backend import egress, rate_limits, store
from backend.settings import Settings
from notifications.channels import protocol
from payments.reports import files
from redis_sqs import breaker, redis_scripts, sqs_queue

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
ROW = re.compile(
    r"^\| ([^|]+) \| ([\d.]+) s \| ([\d.]+) s(?: a batch)? \| ([^|]+) \| ([^|]+) \|", re.M
)
PROVIDER_S = Settings.from_env({}).provider_timeout_ms / 1000
TIMES_S = {
    "MongoDB": (store.TIMEOUT_MS / 1000, store.TIMEOUT_MS / 1000),
    "Redis": (redis_scripts.CONNECT_TIMEOUT_S, redis_scripts.ANSWER_TIMEOUT_S),
    "Redis, for limits of tenants": (rate_limits.ANSWER_TIMEOUT_S, rate_limits.ANSWER_TIMEOUT_S),
    "SQS": (sqs_queue.CONNECT_TIMEOUT_S, sqs_queue.ANSWER_TIMEOUT_S),
    "the payment provider": (PROVIDER_S, PROVIDER_S),
    "the mail server": (protocol.BATCH_TIMEOUT_S, protocol.BATCH_TIMEOUT_S),
    "the SMS gateway": (protocol.BATCH_TIMEOUT_S / 2, protocol.BATCH_TIMEOUT_S),
    "the bucket of reports": (files.TIMEOUT_S, files.TIMEOUT_S),
    "a receiver of webhooks": (egress.CONNECT_S, egress.DEADLINE_S),
}
USUAL = f"{breaker.OPEN_FIRST_S:.0f} to {breaker.OPEN_LONGEST_S:.0f} s"


def test_each_dependency_has_its_time_outs_in_the_table():
    rows = ROW.findall(PAGE.read_text())

    assert {row[0]: (float(row[1]), float(row[2])) for row in rows} == TIMES_S


def test_what_opens_a_breaker_and_for_how_long_is_that_of_the_source():
    shared = [row for row in ROW.findall(PAGE.read_text()) if row[3].startswith("half of")]

    assert len(shared) == 4
    assert {row[4] for row in shared} == {USUAL}
    assert all(row[3].startswith(f"half of {breaker.CALLS_MIN} ") for row in shared)
