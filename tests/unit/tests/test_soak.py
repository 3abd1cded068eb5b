"""The judgement of a soak: what has grown is named, what has not is not."""

from typing import Any

import pytest
import redis

from tests.drills.soak import TRACES, Sample, Samples, judged, replays_mb

COUNT = 50
CLEAN: dict[str, Any] = {
    "audit": dict.fromkeys(("lost", "doubled", "ledger_imbalance", "unresolved"), 0),
    "recorded": {"seconds": [{"queues": {"payments": {"age_s": 0.2}}}] * 100},
}


def samples(
    *, mb: tuple[float, float] = (100, 100), descriptors: tuple[int, int] = (50, 50), keys: int = 9
) -> Samples:
    """Return samples of one process that goes evenly from the first value to the second."""
    samples_of_run = Samples(keys=[keys])
    for number in range(COUNT):
        share = number / (COUNT - 1)
        samples_of_run.processes.setdefault("gateway", []).append(
            Sample(
                rss_mb=mb[0] + (mb[1] - mb[0]) * share,
                descriptors=round(descriptors[0] + (descriptors[1] - descriptors[0]) * share),
                threads=8,
            )
        )
    return samples_of_run


@pytest.mark.parametrize(
    ("samples_of_run", "wrong"),
    [
        (samples(), []),
        (samples(mb=(1000, 1040)), []),
        (samples(mb=(20, 26)), []),  # a third more, and still no leak: an allocator's arena
        (samples(mb=(100, 150)), ["gateway grew from 109 to 146 MB"]),
        (samples(descriptors=(50, 52)), []),
        (samples(descriptors=(50, 100)), ["gateway has 96 descriptors, and had 59"]),
        (samples(keys=200_000), ["Valkey had 200,000 keys"]),
    ],
)
def test_what_has_grown_in_a_soak_is_named(samples_of_run: Samples, wrong: list[str]):
    assert list(judged(samples_of_run, CLEAN)) == wrong


def test_a_soak_that_lost_something_or_fell_behind_does_not_pass():
    seconds = [{"queues": {"payments": {"age_s": 9.0}}}] * 100
    report = {"audit": CLEAN["audit"] | {"lost": 1}, "recorded": {"seconds": seconds}}

    assert list(judged(samples(), report)) == [
        "the p99 of the oldest message's age was 9.0 s",
        "lost 1",
    ]


def test_what_has_a_bound_of_its_own_is_known(valkey: str):
    page = "traces_kept 122.0\ntraces_kept_bytes 1.473358e+06\n"
    with redis.Redis.from_url(valkey) as server:
        server.mset({f"idempotency:{number}": "x" * 1000 for number in range(1000)})
        server.set("queue", "x" * 10_000_000)
        replays = replays_mb(server)
    traces = TRACES.search(page)

    assert traces is not None
    assert float(traces[1]) == 1_473_358
    assert 1.0 < replays < 1.5
