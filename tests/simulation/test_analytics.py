"""Counting survives every history, and every rule that keeps it exact is needed."""

import os
from collections import Counter

import pytest

from tests.simulation.analytics.history import History
from tests.simulation.analytics.mutants import MUTANTS

SEEDS = int(os.environ.get("SEEDS", "60"))
MUTANT_SEEDS = 200


@pytest.mark.timeout(600)
def test_no_history_loses_or_doubles_an_event_or_leaves_one_unfolded():
    happened: Counter[str] = Counter()
    for seed in range(SEEDS):
        history = History(seed)
        again = f"again: make simulation DOMAIN=analytics SEED={seed} SEEDS=1"

        assert history.run() == [], again

        happened += history.happened

    for fault in ("crash", "refused", "lost", "frozen", "duplicated", "redelivered", "redriven"):
        assert happened[fault], f"no {fault} happened, so nothing is proven about it"
    assert happened["redis lost"]
    assert happened["events"] > 10 * SEEDS


@pytest.mark.parametrize("name", MUTANTS)
def test_counting_with_a_rule_broken_is_found_out(name):
    with MUTANTS[name]():
        failing_seed = next((seed for seed in range(MUTANT_SEEDS) if History(seed).run()), None)

    assert failing_seed is not None


def test_the_same_seed_is_the_same_history_of_events():
    first, second = History(7), History(7)

    assert (first.run(), first.stored()) == (second.run(), second.stored())
