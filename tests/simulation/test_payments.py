"""The payments service survives every history, and every rule that keeps money right is needed."""

import os
from collections import Counter

import pytest

from tests.simulation import bank_mutants, mutants
from tests.simulation.history import History

SEEDS = int(os.environ.get("SEEDS", "2000"))
BLOCKS = 4  # so that two processes can share them
MUTANT_SEEDS = 500
MUTANTS = mutants.MUTANTS | bank_mutants.MUTANTS


@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_history_loses_or_doubles_money_or_leaves_anything_undone(block):
    happened: Counter[str] = Counter()
    for seed in range(block, SEEDS, BLOCKS):
        history = History(seed)

        assert history.run() == [], f"again: make simulation SEED={seed} SEEDS=1"

        happened += history.happened

    for fault in (
        "crash",
        "refused",
        "lost",
        "frozen",
        "duplicated",
        "open",
        "wiped",
        "redelivered",
        "confirmed",
        "disputed",
        "reversed",
        "sent back",
        "lapsed",
        "moved",
        "unsent",
        "resent",
        "late",
        "tried again",
        "off session",
    ):
        assert happened[fault], f"no {fault} happened, so nothing is proven about it"
    assert happened["effects"] > SEEDS / BLOCKS


@pytest.mark.parametrize("name", MUTANTS)
def test_a_service_with_a_rule_broken_is_found_out(name):
    with MUTANTS[name]():
        failing_seed = next((seed for seed in range(MUTANT_SEEDS) if History(seed).run()), None)

    assert failing_seed is not None


def test_a_message_deleted_too_early_is_made_good_by_its_promise():
    with mutants.a_message_deleted_before_its_payment_is_settled():
        assert [seed for seed in range(100) if History(seed).run()] == []


def test_the_same_seed_is_the_same_history():
    first, second = History(7), History(7)

    assert (first.run(), first.store.versions) == (second.run(), second.store.versions)
    assert first.provider.record == second.provider.record
