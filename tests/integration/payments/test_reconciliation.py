"""The reconciler sees every difference between our payments and the provider's own record."""

import json
from typing import Any

import pytest

from backend.queues import Depth
from payments import reconciliation, service
from payments.provider import Effect
from payments.schema import ConfirmRequest, RefundRequest
from tests.integration.payments.conftest import VISA
from tests.unit.payments.operated_payments import answer, ask, mismatches, payment_of
from tests.written_template import TEMPLATE

ALARM = TEMPLATE["Resources"]["PaymentMismatchAlarm"]["Properties"]
PAYMENT = answer(ask(payment_of("automatic"), RefundRequest(amount=300)))
REFUND = PAYMENT.operations[0].id


def _effect(**changes):
    effect = {
        "sequence": 1,
        "id": "x_1",
        "idempotency_key": f"{PAYMENT.id}:charge",
        "reference": PAYMENT.id,
        "kind": "charge",
        "status": "succeeded",
        "amount": 1000,
        "currency": "EUR",
        "created_ms": 0,
    }
    return Effect(**effect | changes)


def _refund(**changes):
    return _effect(**{"kind": "refund", "idempotency_key": REFUND, "amount": 300} | changes)


class Record:
    """A provider that shows these effects."""

    def __init__(self, *effects):
        self._effects = effects

    def effects(self, after):
        return [each for each in self._effects if each.sequence > after]


class Documents:
    """A store of these payments, as far as they are read."""

    def __init__(self, *payments: Any) -> None:
        self._payments = {each.id: each for each in payments}
        self.sequence = 0

    def find_many(self, payment_ids):
        return {each: self._payments[each] for each in payment_ids if each in self._payments}

    def all_after(self, payment_id, *, limit):
        return [each for name, each in sorted(self._payments.items()) if name > payment_id][:limit]

    def reconciled_up_to(self, provider):
        return self.sequence

    def set_reconciled_up_to(self, provider, sequence):
        self.sequence = sequence


@pytest.mark.parametrize(
    ("effects", "kind"),
    [
        ([_effect(id="x_2")], "it was charged twice"),
        ([_effect(amount=999)], "the charge is of another amount"),
        ([_effect(currency="USD")], "the charge is in another currency"),
        ([_refund(idempotency_key="re_other")], "nobody asked for the refund"),
        ([_refund(amount=299)], "the refund is of another amount"),
        ([_refund(status="requires_action")], "the refund ended otherwise"),
    ],
)
def test_an_effect_that_the_payment_does_not_tell_is_a_difference(effects, kind):
    assert mismatches(PAYMENT, effects) == [kind]


def test_a_payment_and_its_effects_that_agree_are_no_difference():
    assert mismatches(PAYMENT, [_effect(), _refund()]) == []


def test_a_refund_that_was_sent_back_is_heard_and_no_difference():
    report = reconciliation.Report(effects=3)
    effects = [_effect(), _refund(), _refund(status="failed", sequence=3)]

    missed = report.compare(PAYMENT.id, PAYMENT, effects)
    heard = service.heard(PAYMENT, missed[0], now_ms=0)

    assert (report.mismatches, report.unsettled, len(missed)) == ([], 1, 1)
    assert (heard.amount_refunded, heard.operations[0].status) == (0, "failed")
    assert mismatches(heard, effects) == []


@pytest.mark.parametrize(
    ("first", "kinds"),
    [
        ({}, []),
        ({"status": "succeeded"}, ["it was charged twice"]),
        ({"id": "x_9"}, ["it was charged twice"]),
    ],
)
def test_an_earlier_try_that_was_charged_after_all_is_a_difference(first, kinds):
    failed = payment_of("automatic", status="failed")
    paid = answer(ask(failed, ConfirmRequest(payment_method="pm_card_visa")))
    effects = [
        _effect(**{"status": "failed", **first}),
        _effect(idempotency_key=f"{paid.id}:charge:2"),
    ]

    assert mismatches(paid, effects) == kinds


def test_a_whole_run_finds_what_only_one_side_knows():
    documents: Any = Documents(PAYMENT)

    report = reconciliation.reconcile_all(
        payments=documents,
        provider=Record(_effect(reference="pay_nobody")),
        now_ms=1_000_000,
    )

    assert [(each.payment_id, each.kind) for each in report.mismatches] == [
        (PAYMENT.id, "the provider knows nothing of it"),
        ("pay_nobody", "the provider did something for no payment"),
    ]


def test_a_whole_run_says_how_many_payments_are_too_young_to_be_compared():
    documents: Any = Documents(PAYMENT)

    def too_young(now_ms):
        return reconciliation.reconcile_all(
            payments=documents, provider=Record(), now_ms=now_ms
        ).too_young

    last_ms = PAYMENT.events[-1].at_ms
    assert too_young(last_ms + 1_000) == 1
    assert too_young(last_ms + reconciliation.SETTLED_MS + 1) == 0


def test_a_payment_settled_by_a_worker_whose_clock_is_behind_is_no_difference():
    documents: Any = Documents(PAYMENT)
    now_ms = PAYMENT.events[-1].at_ms + 3_600_000
    record = Record(_effect(created_ms=now_ms), _refund(sequence=2, created_ms=now_ms))

    report = reconciliation.reconcile_all(payments=documents, provider=record, now_ms=now_ms)

    assert (report.mismatches, report.too_young) == ([], 0)


def test_a_payment_older_than_the_provider_s_record_is_counted_and_no_difference():
    documents: Any = Documents(PAYMENT)
    record = Record(_refund(sequence=7, created_ms=PAYMENT.created_ms + 1))

    report = reconciliation.reconcile_all(
        payments=documents, provider=record, now_ms=PAYMENT.events[-1].at_ms + 100_000
    )

    assert (report.too_old, report.mismatches) == (1, [])


def test_a_scheduled_run_goes_on_where_the_last_one_ended_and_leaves_what_is_young():
    documents: Any = Documents(PAYMENT)
    young = _refund(sequence=2, created_ms=1_000_000)
    record = Record(_effect(), young)

    reports = [
        reconciliation.reconcile_new(
            payments=documents, provider=record, queues={}, now_ms=now_s * 1_000
        )
        for now_s in (1_000, 2_000, 2_000)
    ]

    assert [each.effects for each in reports] == [1, 1, 0]


def test_a_fee_that_could_not_be_stored_is_told_again():
    documents: Any = Documents(PAYMENT)
    documents.replace_all = lambda changed, *, now_ms: set()  # somebody else changed it meanwhile
    fee = _effect(sequence=7, id="txn_1", idempotency_key="txn_1", kind="fee", amount=55)

    def run():
        reconciliation.reconcile_new(
            payments=documents, provider=Record(fee), queues={}, now_ms=1_000_000
        )
        return documents.sequence

    before = run()
    documents.replace_all = lambda changed, *, now_ms: {each.id for each in changed}
    assert (before, run()) == (0, 7)


class WaitingQueue:
    """A queue whose oldest message has waited for so long."""

    def __init__(self, age_s: float) -> None:
        self._age_s = age_s

    def depth(self) -> Depth:
        return Depth(visible=1, delayed=0, in_flight=0, oldest_age_s=self._age_s)


def test_what_may_still_wait_on_a_queue_is_not_looked_at_yet():
    documents: Any = Documents(PAYMENT)
    now_ms = 1_000_000
    record = Record(_effect(created_ms=now_ms - 60_000))

    def looked_at(age_s):
        queues: Any = {"payments": WaitingQueue(1_000), "analytics": WaitingQueue(age_s)}
        documents.sequence = 0
        return reconciliation.reconcile_new(
            payments=documents, provider=record, queues=queues, now_ms=now_ms
        ).effects

    assert looked_at(age_s=45) == 0
    assert looked_at(age_s=30) == 1


def test_the_reconciler_compares_the_store_with_the_provider_and_logs_a_difference(
    payments, asking, messages, database, capfd
):
    asks, worker, reconciler = asking(payments("app")), payments("worker"), payments("reconciler")
    payment_id = asks("POST", key="k", body=VISA).body["id"]
    worker.consume(messages())
    database["payments"].update_one(
        {"_id": payment_id}, {"$set": {"amount_captured": 999, "events.1.at_ms": 1}}
    )

    report = reconciler.invoke({"all": True})

    assert {
        "payment_id": payment_id,
        "kind": "it does not hold that the ledger has captured what the payment says",
    } in report["mismatches"]
    assert _is_emitted(ALARM, capfd.readouterr().err)
    database["payments"].delete_one({"_id": payment_id})


def test_a_payment_that_is_never_settled_is_counted_with_the_dead_letters(
    payments, asking, database, queue
):
    payment_id = asking(payments("app"))("POST", key="k", body=VISA).body["id"]
    long_ago = {"events.0.at_ms": 1, "promised_ms": 1}
    database["payments"].update_one({"_id": payment_id}, {"$set": long_ago})
    queue("payments-dlq").send(f'{{"payment_id":"{payment_id}"}}')

    report = payments("reconciler").invoke({})

    assert report["stuck"] >= 1
    assert report["dead_letters"] == 1
    database["payments"].delete_one({"_id": payment_id})


def _is_emitted(alarm, errors):
    """Return whether some line of EMF carries the metric that the alarm watches."""
    lines = [json.loads(each) for each in errors.splitlines() if each.startswith('{"_aws"')]
    (dimension,) = alarm["Dimensions"]
    return any(
        alarm["MetricName"] in line
        and line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == alarm["Namespace"]
        and line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[dimension["Name"]]]
        and line[dimension["Name"]] == dimension["Value"]
        for line in lines
    )
