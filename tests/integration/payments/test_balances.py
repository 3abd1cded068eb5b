"""Balances are the sums of all payments, whatever of them is folded, touched, or made anew."""

from typing import Any

import pytest

from backend.clock import now_ms
from tests.conftest import wait_until
from tests.integration.function_process import ProcessDied
from tests.integration.payments.conftest import VISA
from tests.integration.relay import KillAt, StopAt

HOUR_MS = 3_600_000
REFUNDS = "/v1/payments/{payment_id}/refunds"


@pytest.fixture(scope="module")
def reconciler(started):
    return started("reconciler")


@pytest.fixture
def balances(ask):
    """Return the balances that clients see: by currency captured, refunded, held, refunding."""

    def look():
        by_currency: dict[str, Any] = {}
        for each in ask("GET", "/v1/balances").body["data"]:
            accounts = by_currency.setdefault(each["currency"], {})
            accounts[each["account"]] = (each["posted"], each["pending"])
        return {
            currency: (-captured, refunded, -authorized, refunding)
            for currency, each in by_currency.items()
            for (captured, authorized), (refunded, refunding) in [
                (each["receivable"], each["refunds"])
            ]
        }

    return look


@pytest.fixture
def settled(ask, worker, messages, database):
    """Make payments and have them settled; returns their ids. They were made so long ago."""

    def make(*keys, made_ago_ms=HOUR_MS, **fields):
        ids = [ask("POST", key=each, body={**VISA, **fields}).body["id"] for each in keys]
        assert worker.consume(messages()) == []
        database["payments"].update_many(
            {"_id": {"$in": ids}}, {"$inc": {"created_ms": -made_ago_ms}}
        )
        return ids

    return make


@pytest.fixture
def fold(reconciler, database, tenant):
    """Have it be so much later, and fold until nothing of this tenant is left to be folded."""

    def run(by=reconciler, *, later_ms=HOUR_MS):
        periods = database["balance_periods"]
        touched = {"tenant": tenant, "touched_ms": {"$gt": 0}}
        periods.update_many(touched, {"$inc": {"touched_ms": -later_ms}})
        half_an_hour_ago_ms = now_ms() - HOUR_MS // 2  # other tests' tenants have turns too
        wait_until(lambda: by.invoke({}) and _up_to_ms(database, tenant) > half_an_hour_ago_ms)

    return run


@pytest.fixture
def worker_dies_at(payments, documents_port, messages):
    """Have a worker die when it sends `word` to the store; returns the messages that it had."""

    def die(word):
        received = messages()
        with KillAt(documents_port, word) as relay:
            url = f"mongodb://127.0.0.1:{relay.port}/?directConnection=true"
            victim = payments("worker", MONGO_URL=url)
            relay.kill = victim.process.kill
            with pytest.raises(ProcessDied):
                victim.consume(received)
        return received

    return die


def test_sums_are_the_same_before_payments_are_folded_and_after(settled, balances, fold):
    settled("a", "b")
    settled("c", made_ago_ms=3 * HOUR_MS, currency="USD")
    settled("d", capture_method="manual", made_ago_ms=3 * HOUR_MS)
    settled("young", made_ago_ms=0)
    before = balances()

    fold()

    assert before == balances() == {"EUR": (3000, 0, 1000, 0), "USD": (1000, 0, 0, 0)}


def test_payments_that_are_folded_are_not_read_again(settled, balances, fold, database):
    (payment_id, _) = settled("a", "b")
    balances()
    fold()

    database["payments"].delete_one({"_id": payment_id})
    fold()

    assert balances() == {"EUR": (2000, 0, 0, 0)}


def test_tenants_that_never_asked_are_not_folded(settled, reconciler, database, tenant):
    settled("a")

    reconciler.invoke({})

    assert database["balance_periods"].find_one({"tenant": tenant}) is None


def test_a_refund_of_an_old_payment_is_seen_at_once_and_after_it_is_folded(
    settled, balances, fold, ask, worker, messages
):
    (payment_id, _) = settled("a", "b")
    balances()
    fold()

    assert ask("POST", REFUNDS, {"amount": 400}, "r", payment_id=payment_id).status == 201
    balances_then = balances()
    assert worker.consume(messages()) == []
    done = balances()
    fold()

    assert balances_then == {"EUR": (2000, 0, 0, 400)}
    assert done == balances() == {"EUR": (2000, 400, 0, 0)}


def test_recent_payments_are_not_folded(settled, balances, fold, database):
    (payment_id,) = settled("a", made_ago_ms=0)
    balances()
    fold()

    database["payments"].update_one({"_id": payment_id}, {"$set": {"amount_captured": 999}})

    assert balances() == {"EUR": (999, 0, 0, 0)}


@pytest.mark.parametrize("folded", [True, False], ids=["again", "for_the_first_time"])
def test_a_period_is_not_folded_while_its_change_may_be_on_its_way(
    settled, balances, fold, ask, database, folded
):
    (payment_id,) = settled("a")
    balances()
    if folded:
        fold()
    ask("POST", REFUNDS, {"amount": 400}, "r", payment_id=payment_id)
    fold(later_ms=0)

    database["payments"].update_one({"_id": payment_id}, {"$set": {"amount_refunding": 300}})

    assert balances() == {"EUR": (1000, 0, 0, 300)}


@pytest.mark.parametrize("first", [True, False], ids=["new", "touched"])
def test_a_change_while_its_period_is_folded_is_kept(
    settled, balances, fold, ask, payments, documents_port, first
):
    (payment_id,) = settled("a")
    balances()
    if not first:
        fold()
        ask("POST", REFUNDS, {"amount": 100}, "r1", payment_id=payment_id)

    with StopAt(documents_port, b"$unset") as relay:
        relay.kill = lambda: ask("POST", REFUNDS, {"amount": 400}, "r2", payment_id=payment_id)
        fold(payments("reconciler", MONGO_URL=f"mongodb://127.0.0.1:{relay.port}"))
        assert relay.has_killed.is_set()

    expected = {"EUR": (1000, 0, 0, 400 if first else 500)}
    assert balances() == expected
    fold()
    assert balances() == expected


@pytest.mark.parametrize("word", [b"touches", b"payment.refunded"])
def test_a_worker_that_dies_around_a_touch_leaves_balances_right(
    settled, balances, fold, ask, worker_dies_at, worker, word
):
    (payment_id,) = settled("a")
    balances()
    ask("POST", REFUNDS, {"amount": 400}, "r", payment_id=payment_id)
    fold()

    refund = worker_dies_at(word)

    assert balances() == {"EUR": (1000, 0, 0, 400)}
    fold()
    assert balances() == {"EUR": (1000, 0, 0, 400)}
    assert worker.consume(refund) == []
    assert balances() == {"EUR": (1000, 400, 0, 0)}


def test_a_whole_run_finds_sums_that_are_not_those_of_their_payments(
    settled, balances, fold, ask, reconciler, database, tenant
):
    def wrong():
        return [each for each in reconciler.invoke({"all": True})["wrong_sums"] if tenant in each]

    (old, _) = settled("a", "b", made_ago_ms=3 * HOUR_MS)
    (touched,) = settled("c")
    settled("young", made_ago_ms=0)
    balances()
    fold()
    ask("POST", REFUNDS, {"amount": 400}, "r", payment_id=touched)
    right = wrong()
    database["payments"].update_one({"_id": old}, {"$set": {"amount_captured": 7}})
    of_two = wrong()
    made_ms = database["payments"].find_one({"_id": old})["created_ms"]
    database["payments"].delete_many({"tenant": tenant, "created_ms": {"$lte": made_ms + 60_000}})
    of_none = wrong()

    assert right == []
    assert [len(of_two), len(of_none)] == [1, 1]


@pytest.mark.parametrize("dropped", [("balances",), ("balances", "balance_periods")])
def test_what_is_deleted_is_made_anew(settled, balances, fold, database, tenant, dropped):
    settled("a", "b")
    balances()
    fold()
    database["balance_periods"].update_many({"tenant": tenant}, {"$set": {"captured": 7}})
    assert balances() == {"EUR": (7, 0, 0, 0)}

    for name in dropped:
        database[name].delete_many({"$or": [{"_id": tenant}, {"tenant": tenant}]})
    anew = balances()
    fold()

    assert anew == balances() == {"EUR": (2000, 0, 0, 0)}


def _up_to_ms(database, tenant):
    return database["balances"].find_one({"_id": tenant})["up_to_ms"]
