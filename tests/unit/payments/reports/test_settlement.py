"""What came back is matched with the provider's line of it, and is no difference."""

from payments.reports import settlement
from payments.reports.rows import Totals
from payments.schema import RefundRequest
from tests.integration.payments.test_reconciliation import _effect
from tests.unit.payments.operated_payments import ask, payment_of, refund_of
from tests.unit.payments.test_disputes import _effect as of_dispute
from tests.unit.payments.test_disputes import report, report_of


def rows_of(payment, effects):
    return [
        (row[2], line.amount, ours, row[-1])
        for effect in effects
        for row, line, ours in settlement.of_provider(payment, effect)
    ]


def test_a_refund_that_was_sent_back_is_two_lines_that_agree():
    payment = ask(payment_of("automatic"), RefundRequest(amount=300))
    key = payment.operations[0].id
    fields = {"kind": "refund", "idempotency_key": key, "amount": 300, "reference": payment.id}
    effects = [_effect(**fields), _effect(**fields, status="failed")]
    for status in ("succeeded", "failed"):
        payment = refund_of(payment, status)

    assert rows_of(payment, effects) == [("refund", -300, -300, ""), ("refund", 300, 300, "")]
    failed = refund_of(ask(payment_of("automatic"), RefundRequest(amount=300)), "failed")
    assert rows_of(failed, effects[1:]) == []


def test_a_dispute_that_was_won_after_it_was_lost_is_two_lines_that_agree():
    payment = payment_of("automatic")
    reports = [report_of(payment, status) for status in ("needs_response", "lost", "won")]
    effects = [of_dispute(each) for each in reports]
    for status in ("needs_response", "lost", "won"):
        payment = report(payment, status)

    assert rows_of(payment, effects) == [
        ("fee", -15, -15, ""),
        ("dispute", -1000, -1000, ""),
        ("dispute", 1000, 1000, ""),
    ]
    known = {key for each in effects for key in settlement.keys_of(each)}
    posted = {line.key for _, line in settlement.posted_lines(payment, payment.ledger[1:])}
    assert posted <= known


def test_the_entries_of_what_came_back_add_up_to_nothing_left():
    payment = payment_of("automatic")
    for status, fee in (("needs_response", 15), ("lost", 30), ("won", 0)):
        payment = report(payment, status, fee=fee)
    totals = Totals()

    totals.enter(payment, payment.ledger)

    assert {each.account: (each.posted, each.pending) for each in totals} == {
        "disputes": (0, 0),
        "fees": (0, 0),
        "provider_clearing": (1000, 0),
        "receivable": (-1000, 0),
    }
    lines = [line for _, line in settlement.posted_lines(payment, payment.ledger)]
    assert sum(line.amount for line in lines) == 1000
