"""The audit against a system that keeps everything, and against ones that lose or double."""

import time

import pytest

from loadtest.generator.journal import OK, Journal
from loadtest.generator.profile import schedule, steady
from loadtest.generator.scenarios import (
    ANALYTICS,
    PAYMENTS,
    SCENARIOS,
    Requests,
    Workload,
    event_name,
    id_in,
    workload,
)
from loadtest.recording.monitor import QueueWatch
from loadtest.witnesses.api import Api
from loadtest.witnesses.audit import Audit, Period, audit
from loadtest.witnesses.claims import Claims, claims_of, resolve
from loadtest.witnesses.records import Sources
from tests.integration.load_system import running

RUN = "20261123t101500abcd"
WORK = workload(schedule(steady(10 * len(SCENARIOS), 12)))


def send_everything(base: str, work: Workload = WORK, *, run: str = RUN) -> tuple[Claims, Requests]:
    """Send every arrival one after the other, and return what may be claimed then."""
    requests = Requests(work, run=run, token="token", host="127.0.0.1", keep_alive=True)
    journal = Journal(len(work))
    api = Api(base)
    for index in range(len(work)):
        status, body = api.send(requests.of(index))
        assert status == SCENARIOS[work.scenario[index]].status
        journal.ids[index] = id_in(work.scenario[index], body)
        journal.outcome[index] = OK
    api.close()
    return claims_of(work, journal, run), requests


def audited(base: str, claims: Claims, since_s: float) -> Audit:
    witnesses = [Api(base) for _ in range(4)]
    system, console, provider, mailbox = witnesses
    sources = Sources(system=system, console=console, provider=provider, mailbox=mailbox)
    period = Period(since_s=since_s, until_s=time.time(), payment_events_before={})
    result = audit(claims, sources, period)
    for witness in witnesses:
        witness.close()
    return result


def test_a_system_that_keeps_everything_shows_no_difference():
    with running("none") as (base, _):
        since_s = time.time()
        claims, _ = send_everything(base)
        result = audited(base, claims, since_s)

    assert result.differences() == ()
    assert result.payments_accepted == result.payments_stored == result.provider_effects > 100
    assert result.events_accepted == result.events_counted == 120
    assert result.notifications_accepted == result.notifications_delivered == 120
    assert result.payment_events_expected == result.payment_events_counted
    assert result.receipts_expected == result.receipts_delivered > 0
    assert (result.lost, result.doubled, result.notifications_doubled) == (0, 0, 0)


@pytest.mark.parametrize(
    ("fault", "kind", "figures"),
    [
        ("loses a payment", "accepted payment not stored", {"lost": 1}),
        ("stores a payment twice", "one key, several payments", {"doubled": 1}),
        ("never charges a payment", "accepted payment never charged", {"lost": 1}),
        ("charges a payment twice", "charged more than once", {"doubled": 1}),
        ("charges another amount", "charge of another amount", {"ledger_imbalance": 1}),
        ("charges without a payment", "charged by the provider without a payment", {}),
        ("leaves a payment in processing", "payment in the wrong state", {}),
        ("loses an event", "events counted", {"events_counted": 119}),
        ("counts an event twice", "events counted", {"events_counted": 121}),
        ("leaves a notification queued", "notification not delivered", {}),
        ("mails no notification", "delivered, but not in the mailbox", {}),
        ("mails a notification twice", "mailed more than once", {"notifications_doubled": 1}),
        ("mails no receipt", "receipts mailed", {"receipts_delivered": 0}),
    ],
)
def test_each_kind_of_difference_is_found_and_named(fault: str, kind: str, figures: dict[str, int]):
    with running(fault) as (base, _):
        since_s = time.time()
        claims, _ = send_everything(base)
        result = audited(base, claims, since_s)

    assert kind in result.differing
    assert any(line.startswith(f"{kind}: ") for line in result.differences())
    assert {name: getattr(result, name) for name in figures} == figures


def test_a_repeated_key_that_gets_another_id_is_a_difference():
    claims = Claims(RUN)
    claims.accept(1, 4, "pay_1")
    claims.accept(1, 4, "pay_2")
    with running("none") as (base, _):
        result = audited(base, claims, time.time())

    assert "a repeated key answered with another payment" in result.differing


def test_a_key_without_an_answer_is_sent_once_more_and_then_counts_as_accepted():
    with running("none") as (base, _):
        since_s = time.time()
        claims, requests = send_everything(base)
        lost_answer = min(claims.payments)
        payment_id = claims.payments.pop(lost_answer)
        claims.unresolved = {lost_answer}
        api = Api(base)
        resolve(claims, WORK, requests, api)
        api.close()
        result = audited(base, claims, since_s)

    assert claims.payments[lost_answer] == payment_id
    assert result.unresolved == 0
    assert result.differences() == ()


def test_what_was_answered_503_may_be_stored_or_not():
    with running("none") as (base, _):
        since_s = time.time()
        claims, _ = send_everything(base)
        payment, event = min(claims.payments), WORK.scenario.index(ANALYTICS)
        del claims.payments[payment]
        claims.events[event_name(RUN, event)] -= 1
        refused = audited(base, claims, since_s)
        claims.uncertain = {PAYMENTS: {payment}, ANALYTICS: {event}}
        unknown = audited(base, claims, since_s)

    assert {"stored though it was refused", "events counted"} <= refused.differing.keys()
    assert unknown.differences() == ()


def test_payments_of_somebody_else_meanwhile_are_noted_and_their_events_no_difference():
    with running("none") as (base, _):
        since_s = time.time()
        claims, _ = send_everything(base)
        alone = audited(base, claims, since_s)
        send_everything(base, run="20261123t101600beef")
        beside = audited(base, claims, since_s)

    assert (alone.payments_of_others, alone.notes) == (0, [])
    assert beside.payments_of_others == alone.payments_stored
    assert beside.payment_events_counted == 2 * beside.payment_events_expected
    assert "others created" in beside.notes[0]
    assert beside.differences() == ()


def test_payment_events_counted_twice_are_a_difference():
    with running("counts payment events twice") as (base, _):
        since_s = time.time()
        claims, _ = send_everything(base)
        result = audited(base, claims, since_s)

    assert list(result.differing) == ["payment events counted"]


def test_a_witness_that_does_not_answer_is_a_difference():
    with running("none") as (base, _):
        since_s = time.time()
        claims, _ = send_everything(base, workload(schedule(steady(2 * len(SCENARIOS), 1))))
    result = audited(base, claims, since_s)

    assert "could not be audited" in result.differing


def test_a_message_in_a_dead_letter_queue_is_named():
    with running("leaves a dead letter") as (base, _):
        console = Api(base)
        watch = QueueWatch(console)
        watch.drain(lambda _: None)
        console.close()

    assert watch.died({}) == ("1 message of payments is in its dead-letter queue",)


def test_a_queue_that_does_not_empty_is_waited_for_no_longer_than_the_bound_and_named():
    lines: list[str] = []
    with running("never drains") as (base, _):
        console = Api(base)
        watch = QueueWatch(console)
        waited_s = watch.drain(lines.append, bound_s=1.2)
        console.close()

    assert 1.2 <= waited_s < 5
    assert lines[0].startswith("draining   1 s: payments 3")
    assert watch.rows()[0]["drained_after_s"] is None
    assert watch.undrained() == ("queue payments still had 3 messages 60 s after the last arrival",)


def test_what_waited_before_the_run_hides_none_of_its_own_messages():
    with running("counts an earlier payment's event late") as (base, _):
        console = Api(base)
        watch = QueueWatch(console)
        watch.begin(bound_s=0)
        waiting_before = dict(watch.left_before)
        watch.drain(lambda _: None)
        console.close()

    assert waiting_before == {"payments": 1}
    assert watch.left == {"payments": 0}


def test_a_console_that_does_not_answer_is_a_reason_but_none_at_all_is_not():
    silent, none = QueueWatch(Api("http://127.0.0.1:1")), QueueWatch(None)
    silent.drain(lambda _: None)
    none.drain(lambda _: None)

    assert silent.died({})[0].startswith("queues could not be seen: GET http://127.0.0.1:1")
    assert (silent.undrained(), none.undrained(), none.died({})) == ((), (), ())
