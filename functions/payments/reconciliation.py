"""Our payments against the provider's own record, one by one; differences are told, never mended.

A scheduled run goes on from where the last one ended, hears the answers that payments missed, and
has messages sent again that did not arrive. A whole run begins anew, changes nothing, and also
finds payments that the provider knows nothing of.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from backend.queues import QueueUnavailable
from backend.telemetry import logger
from payments import asks, disputes, ledger, life_cycle, outboxes, promises, service
from payments.outboxes import Queues
from payments.provider import Effect, Word
from payments.schema import Attempt, Operation, Payment

SETTLED_MS = 60_000  # an answer younger than this may still be on its way into the document
FRESH_MS = 20_000  # to a scheduled run, so that it finds what is lost within a minute
WAITING_MAX_MS = 270_000  # for which messages may wait on a queue, before they are looked for
ROUNDS_MAX = 10  # in which a message is sent again; what has not arrived then is told as lost
PAGES_MAX = 10  # of a thousand effects, a scheduled run; two take a second of CPU
STUCK_MS = 300_000  # the relay has sent a message once more by then, if there was none
DOCUMENTS = 100  # payments read at once: requests of clients wait behind one read


class Payments(service.Payments, Protocol):
    """The store of payments; `payments.store` says what each function guarantees."""

    def reconciled_up_to(self, provider: str) -> int: ...

    def set_reconciled_up_to(self, provider: str, sequence: int) -> None: ...

    def all_after(self, payment_id: str, *, limit: int) -> list[Payment]: ...

    def rounds(self) -> int: ...

    def set_rounds(self, rounds: int) -> None: ...


class Provider(Protocol):
    """The provider that moved the money; see `payments.provider`."""

    def effects(self, after: int) -> list[Effect]: ...


class Mismatch(Struct, frozen=True):
    """One difference."""

    payment_id: str
    kind: str


class Report(Struct, kw_only=True):
    """The numbers of things compared in a run, and the differences between them."""

    effects: int
    payments: int = 0
    too_young: int = 0  # payments changed within SETTLED_MS, in a whole run: not compared in full
    too_old: int = 0  # payments before the oldest effect that is kept: some of theirs may be gone
    unsettled: int = 0  # the provider has answered, the document does not say so yet
    stuck: int = 0  # asked for STUCK_MS ago and not settled; no more are counted than DOCUMENTS
    dead_letters: int = 0
    disputes_due_soon: int = 0  # payments with one that has no evidence yet
    sent_again: int = 0  # messages to other domains that had not arrived
    mismatches: list[Mismatch] = []
    wrong_sums: list[str] = []  # of balances; only a whole run adds them up again

    def compare(
        self, payment_id: str, payment: Payment | None, effects: Sequence[Effect]
    ) -> list[Word]:
        """Compare one payment with its effects; returns what it has missed of what was told."""
        if payment is None:
            self.mismatches.append(
                Mismatch(payment_id, "the provider did something for no payment")
            )
            return []
        hearing, missed = _heard(payment, effects)
        wrong = mismatches(payment, hearing, effects)
        self.mismatches += [Mismatch(payment_id, each) for each in wrong]
        self.unsettled += bool(missed or _unbooked(payment, effects))
        return missed

    def add(self, other: "Report") -> None:
        """Add the numbers and differences of another provider's run."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def reconcile_new(
    *,
    payments: Payments,
    provider: Provider,
    queues: Queues,
    now_ms: int,
    name: str = "",
    documents: promises.Documents | None = None,
) -> Report:
    """Compare what the provider did since the last run, each payment with its effects.

    With the `documents` of other domains, what payments told them and has not arrived is sent
    again. Fees are entered. The next run begins after what every payment has heard and told.
    """
    start = payments.reconciled_up_to(name)
    before_ms = now_ms - FRESH_MS - _waiting_ms(queues)
    effects = _effects(provider, start, before_ms=before_ms, pages=PAGES_MAX)
    by_payment = _by_payment(effects)
    report = Report(effects=len(effects), payments=len(by_payment))
    missed: list[Word] = []
    lost: list[promises.Promise] = []
    for ids in _in_parts(list(by_payment)):
        stored = payments.find_many(ids)
        payments_by_id = {id_: each for id_, each in stored.items() if each.provider == name}
        for payment_id in ids:
            missed += report.compare(
                payment_id, payments_by_id.get(payment_id), by_payment[payment_id]
            )
        if documents:
            compared = promises.broken(
                list(payments_by_id.values()), documents=documents, before_ms=before_ms
            )
            lost += [promise for promise, _ in compared]
    news = [(name, each) for each in missed]
    unheard = service.hear(news, payments=payments, queues=queues, now_ms=now_ms)
    if fees := _by_payment(each for each in effects if each.kind == "fee"):
        unheard |= service.book(fees, provider=name, payments=payments, now_ms=now_ms)
    report.sent_again = len(lost)
    outboxes.send_again([(each.payment, each.outgoing) for each in lost], queues=queues)
    if effects and not unheard and (not documents or _is_told(lost, payments)):
        payments.set_reconciled_up_to(name, effects[-1].sequence)
    return report


def _is_told(lost: Sequence[promises.Promise], payments: Payments) -> bool:
    """Tell whether the next run may begin later: what was sent again is to be looked for again.

    What does not arrive in ROUNDS_MAX runs never will; it is told as lost.
    """
    before = payments.rounds()
    after = before + 1 if lost else 0
    is_over = after >= ROUNDS_MAX
    for each in lost if is_over else ():
        logger.error("message lost", extra={"payment_id": each.payment.id})
    if after != before:
        payments.set_rounds(0 if is_over else after)
    return is_over or not lost


def _waiting_ms(queues: Queues) -> int:
    """Return for how long messages to other domains wait on their queues just now, ms, bounded.

    What happened since may still be among them, and is not looked for yet.
    """
    others = [queue for name, queue in queues.items() if name != "payments"]
    try:
        waits = [outboxes.waiting_ms(queue.depth()) for queue in others]
    except QueueUnavailable:
        return WAITING_MAX_MS
    return min(max(waits, default=0), WAITING_MAX_MS)


def reconcile_all(
    *,
    payments: Payments,
    provider: Provider,
    now_ms: int,
    name: str = "",
    documents: promises.Documents | None = None,
    queues: Queues | None = None,
    listed_since_ms: float = 0,
) -> Report:
    """Compare every payment of a provider with its effects, and find effects without a payment.

    With the `documents` of other domains, also with what has arrived there of what it told; no
    event from before `listed_since_ms` has to be listed.
    """
    told_before_ms = now_ms - SETTLED_MS - _waiting_ms(queues or {})
    all_effects = _effects(provider, 0, before_ms=None, pages=None)
    known = _by_payment(all_effects)  # a worker whose clock is behind settles before its effect
    effects = [each for each in all_effects if each.created_ms < now_ms - SETTLED_MS]
    by_payment = _by_payment(effects)
    report = Report(effects=len(effects))
    kept_since_ms = effects[0].created_ms if effects and effects[0].sequence > 1 else 0
    last_id = ""
    while page := payments.all_after(last_id, limit=DOCUMENTS):
        last_id = page[-1].id
        page = [each for each in page if each.provider == name]
        report.payments += len(page)
        for payment in page:
            report.too_young += payment.events[-1].at_ms >= now_ms - SETTLED_MS
            report.compare(payment.id, payment, by_payment.pop(payment.id, []))
            theirs = known.get(payment.id, ())
            provider_keys = {each.idempotency_key for each in theirs}
            provider_keys |= {each.dispute.id for each in theirs if each.dispute}
            if ledger.disputable(payment) < 0:
                what = "more is refunded and disputed than was captured"
                report.mismatches.append(Mismatch(payment.id, what))
            if payment.created_ms < kept_since_ms:
                report.too_old += 1
            elif _answers_before(payment, now_ms - SETTLED_MS) - provider_keys:
                report.mismatches.append(Mismatch(payment.id, "the provider knows nothing of it"))
        if documents:
            compared = promises.broken(
                page,
                documents=documents,
                before_ms=told_before_ms,
                listed_since_ms=listed_since_ms,
            )
            report.mismatches += [
                Mismatch(promise.payment.id, words)
                for promise, lacking in compared
                for words in lacking
            ]
    for payment_id, mine in by_payment.items():
        report.compare(payment_id, None, mine)
    return report


def stuck(*, payments: Payments, now_ms: int) -> int:
    """Count the payments that something has kept from being settled, though they are driven on."""
    promised = payments.promised_before(now_ms + life_cycle.REMIND_MS, limit=DOCUMENTS)
    return sum(
        bool(asks.due(each)) and each.events[-1].at_ms < now_ms - STUCK_MS for each in promised
    )


def mismatches(payment: Payment, hearing: Payment, effects: Sequence[Effect]) -> list[str]:
    """Return how a payment and the provider's record of it differ, one sentence each.

    `hearing` is the payment as it is once it has heard of these effects.
    """
    wrong = [f"it does not hold that {each}" for each in ledger.violations(payment)]
    wrong += disputes.ended_otherwise([each.dispute for each in effects if each.dispute])
    for effect in effects:
        if effect.currency != payment.currency:
            wrong.append(f"the {effect.kind} is in another currency")
        wrong += _mismatches(payment, hearing, effect)
    return wrong


def _mismatches(payment: Payment, hearing: Payment, effect: Effect) -> list[str]:
    """Return how one effect differs from a payment, or from what that will have heard.

    What the provider did by itself is no difference while the payment may still hear of it.
    """
    if effect.dispute:
        return disputes.mismatches(hearing, effect.dispute)
    match effect.kind:
        case "charge":
            return _charge_mismatches(payment, effect)
        case "fee":
            return _fee_mismatches(payment, effect)
        case "confirmation":
            return _confirmation_mismatches(payment, effect)
        case "lapse":
            return ["what has lapsed is held still"] if hearing.amount_held else []
    operations = {each.id: each for each in hearing.operations}
    was_made = (effect.idempotency_key, "posted") in {(x.transfer, x.state) for x in hearing.ledger}
    return _operation_mismatches(operations.get(effect.idempotency_key), effect, was_made)


def _charge_mismatches(payment: Payment, charge: Effect) -> list[str]:
    attempt = _attempt_of(payment, charge)
    claims = {
        "it was charged twice": payment.charge_id not in (None, charge.id)
        if attempt is None
        else charge.status == "succeeded" or attempt.charge_id != charge.id,
        "the charge is of another amount": charge.amount != payment.amount,
    }
    return [claim for claim, holds in claims.items() if holds]


def _confirmation_mismatches(payment: Payment, confirmation: Effect) -> list[str]:
    attempt = _attempt_of(payment, confirmation)
    charge_id = attempt.charge_id if attempt else payment.charge_id
    is_paid = bool(payment.ledger) and attempt is None
    waits = any(ask.key == confirmation.idempotency_key for ask in asks.awaited(payment))
    claims = {
        "another charge was confirmed": charge_id not in (None, confirmation.charge),
        "the confirmation is of another amount": confirmation.amount != payment.amount,
        "the confirmation ended otherwise": not waits
        and is_paid != (confirmation.status == "succeeded"),
    }
    return [claim for claim, holds in claims.items() if holds]


def _heard(payment: Payment, effects: Iterable[Effect]) -> tuple[Payment, list[Word]]:
    """Return the payment as the effects leave it, and those that it was never told of."""
    missed: list[Word] = []
    for effect in effects:
        keys = {ask.key for ask in asks.answerable(payment)}
        word = effect.answer()
        if effect.dispute or effect.idempotency_key in keys:
            changed = service.heard(payment, word, now_ms=0)
            missed += [word] if changed is not payment else []
            payment = changed
    return payment, missed


def _fee_mismatches(payment: Payment, fee: Effect) -> list[str]:
    awaited = [x for x in asks.awaited(payment) if not x.key.endswith(asks.LAPSE)]
    is_settled = fee.settled is not None and not awaited
    claims = {
        "the provider captured another amount": is_settled
        and fee.settled != payment.amount_captured,
    }
    return [claim for claim, holds in claims.items() if holds]


def _unbooked(payment: Payment, effects: Iterable[Effect]) -> bool:
    """Tell whether some fee is not in the payment's ledger yet."""
    fees = [each for each in effects if each.kind == "fee"]
    return life_cycle.with_fees(payment, fees, now_ms=0) is not payment


def _attempt_of(payment: Payment, effect: Effect) -> Attempt | None:
    """Return the earlier try of a payment that an effect is of; none for that of the current."""
    keys = [asks.charge_key(payment.id, each) for each in range(len(payment.attempts))]
    if effect.idempotency_key not in keys:
        return None
    return payment.attempts[keys.index(effect.idempotency_key)]


def _operation_mismatches(operation: Operation | None, effect: Effect, was_made: bool) -> list[str]:
    """Return how an effect differs from its operation; a refund that was made may be sent back."""
    if operation is None:
        return [f"nobody asked for the {effect.kind}"]
    statuses = {operation.status} | ({"succeeded"} if was_made else set())
    claims = {
        f"the {effect.kind} is of another amount": operation.amount != effect.amount,
        f"the {effect.kind} ended otherwise": operation.status != "pending"
        and effect.status not in statuses,
    }
    return [claim for claim, holds in claims.items() if holds]


def _in_parts(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + DOCUMENTS] for start in range(0, len(ids), DOCUMENTS))


def _by_payment(effects: Iterable[Effect]) -> dict[str, list[Effect]]:
    grouped: dict[str, list[Effect]] = defaultdict(list)
    for effect in effects:
        grouped[effect.reference].append(effect)
    return grouped


def _effects(
    provider: Provider, after: int, *, before_ms: int | None, pages: int | None
) -> list[Effect]:
    """Return the effects after this one, in order, up to the first that is too young."""
    effects: list[Effect] = []
    while pages is None or pages > 0:
        page = provider.effects(effects[-1].sequence if effects else after)
        old = [each for each in page if before_ms is None or each.created_ms < before_ms]
        effects += old
        pages = pages - 1 if pages is not None else None
        if not page or len(old) < len(page):
            break
    return effects


def _answers_before(payment: Payment, time_ms: int) -> set[str]:
    """Return the keys under which this payment says that the provider has answered by then."""
    answered = [*(each.charge_id for each in payment.attempts), payment.charge_id]
    keys = {asks.charge_key(payment.id, n) for n, charge in enumerate(answered) if charge}
    keys |= {
        each.id
        for each in payment.operations
        if each.status != "pending" and each.kind != "confirm"
    }
    keys |= {each.provider_id for each in payment.disputes}
    return keys if payment.events[-1].at_ms < time_ms else set()
