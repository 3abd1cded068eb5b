"""The operations on payments, from accepting to listing them. Knows no HTTP, Redis or MongoDB."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

import msgspec
from msgspec import UnsetType
from msgspec.structs import replace

from backend.errors import (
    CircuitOpen,
    Conflict,
    InvalidRequest,
    KeyReused,
    NotFound,
)
from backend.pages import page_of
from backend.telemetry import logger, trace_of
from backend.test_clocks import TestClock
from payments import asks, disputes, life_cycle, outboxes
from payments.history import at
from payments.outboxes import Outboxes, Queues
from payments.provider import SIMULATOR, Ask, DisputeReport, Effect, News, Outcome, Word
from payments.schema import (
    Operation,
    OperationRequest,
    Payment,
    PaymentListQuery,
    PaymentRequest,
    SettlePayment,
)

OPERATE_ATTEMPTS = 5  # each is lost only to a change that somebody else made


class Payments(Outboxes, Protocol):
    """The store of payments; `payments.store` says what each function guarantees."""

    def insert(self, payment: Payment) -> Payment | None: ...

    def find(self, tenant: str, payment_id: str) -> Payment | None: ...

    def tie(self, tenant: str, clock_id: str) -> TestClock: ...

    def time_of(self, clock_id: str) -> int | None: ...

    def find_many(self, payment_ids: Collection[str]) -> dict[str, Payment]: ...

    def page(
        self,
        tenant: str,
        query: PaymentListQuery,
        *,
        limit: int,
        after: Payment | None = None,
        before: Payment | None = None,
    ) -> list[Payment]: ...

    def replace_all(self, changed: Sequence[Payment], *, now_ms: int) -> set[str]: ...


class Provider(Protocol):
    """The providers that move the money, by the name in each order; see `payments.provider`."""

    def ask_all(self, asks: Sequence[Ask]) -> dict[str, Outcome]: ...


class ClockedProvider(Protocol):
    """The simulator, whose time test clocks move."""

    def move_clock(self, clock_id: str, now_ms: int) -> list[Effect]: ...


MethodOf = Callable[[PaymentRequest], str | UnsetType]  # the payment method of a request


def own_method(request: PaymentRequest) -> str | UnsetType:
    """Return the payment method that a request names itself."""
    return request.payment_method


def accept(  # noqa: PLR0913  # what a payment is made of, and of whom
    request: PaymentRequest,
    *,
    key: str,
    tenant: str,
    payments: Payments,
    queues: Queues,
    now_ms: int,
    provider: str = "",
    method_of: MethodOf = own_method,
) -> tuple[Payment, bool]:
    """Store a payment and send it to be settled; returns it as stored, and whether it was before.

    The document's id comes from the key, so a repeat finds the first one. Raises KeyReused when the
    same key comes with another request. What is stored is accepted: a queue that is full or away
    refuses nothing, the relay sends what could not be sent now.
    """

    def first() -> tuple[Payment, bool] | None:
        existing = payments.find(tenant, life_cycle.payment_id(tenant, key))
        return _repeated(existing, request, queues) if existing else None

    # A repeat asks nothing of a customer or a clock, which may be gone.
    if (request.customer or request.test_clock) and (repeated := first()):
        return repeated
    try:
        method = method_of(request)
    except InvalidRequest:  # a repeat asks for what was right at first
        if repeated := first():
            return repeated
        raise
    clock_ms = payments.tie(tenant, request.test_clock).frozen_ms if request.test_clock else None
    payment = outboxes.traced(
        life_cycle.create(
            request,
            key=key,
            tenant=tenant,
            now_ms=now_ms,
            provider=provider,
            payment_method=method,
            clock_ms=clock_ms,
        )
    )
    existing = payments.insert(payment)
    if existing:
        return _repeated(existing, request, queues)
    outboxes.try_to_send(payment, queues)
    return payment, False


def _repeated(payment: Payment, request: PaymentRequest, queues: Queues) -> tuple[Payment, bool]:
    _check_fingerprint(payment.fingerprint, life_cycle.fingerprint(request))
    outboxes.try_to_send(payment, queues)
    return payment, True


def operate(
    request: OperationRequest,
    *,
    payment_id: str,
    key: str,
    tenant: str,
    payments: Payments,
    queues: Queues,
    now_ms: int,
) -> tuple[Payment, Operation, bool]:
    """Ask for an operation on a payment; returns payment, operation, and if it is a replay.

    The operation stands in the payment's document before anybody is asked to do it. Raises
    NotFound, InvalidState, KeyReused when the same key comes with another request, and Conflict
    when others changed the payment at every attempt.
    """
    operation_id = life_cycle.operation_id(request, payment_id, key)
    for _ in range(OPERATE_ATTEMPTS):
        payment = find(payment_id, tenant=tenant, payments=payments)
        earlier = _operation(payment, operation_id)
        if earlier:
            _check_fingerprint(earlier.fingerprint, life_cycle.fingerprint(request))
            outboxes.try_to_send(payment, queues)
            return payment, earlier, True
        if payment.test_clock:
            payment = at(payment, payments.time_of(payment.test_clock))
        changed = outboxes.traced(life_cycle.requested(payment, request, key=key, now_ms=now_ms))
        if payments.replace_all([changed], now_ms=now_ms):
            outboxes.try_to_send(changed, queues)
            return changed, changed.operations[-1], False
    raise Conflict("The payment changes all the time; retry with the same Idempotency-Key.")


def settle(
    payment_ids: Collection[str],
    *,
    payments: Payments,
    provider: Provider,
    queues: Queues,
    now_ms: int,
) -> set[str]:
    """Ask the provider for what is due; returns the ids for which nothing is left to do.

    The order is the guarantee: the provider is asked under keys that never change, then the answers
    are stored over the version they were asked for, then what follows is sent, then the outbox is
    cleared. A crash between any two of them is made good by the next delivery. While the provider
    is not to be asked, payments are left to the relay instead of using up their messages' receives.
    """
    settled: set[str] = set()
    stored_payments = payments.find_many(payment_ids)
    for name in sorted({each.provider for each in stored_payments.values()}):
        mine = {id_: each for id_, each in stored_payments.items() if each.provider == name}
        settled |= _settle(mine, payments, provider, queues, now_ms)
    return settled


def _settle(
    stored_payments: Mapping[str, Payment],
    payments: Payments,
    provider: Provider,
    queues: Queues,
    now_ms: int,
) -> set[str]:
    """Settle payments of one provider."""
    orders = {
        each.id: [_addressed(ask, each) for ask in asks.due(each)]
        for each in stored_payments.values()
    }
    try:
        outcomes = provider.ask_all([ask for due in orders.values() for ask in due])
    except CircuitOpen:
        return outboxes.postpone(stored_payments, payments, now_ms)
    changed = [
        outboxes.traced(after)
        for each in stored_payments.values()
        if orders[each.id]
        and (after := life_cycle.answered(each, outcomes, now_ms=now_ms)) is not each
    ]
    stored = payments.replace_all(changed, now_ms=now_ms)
    current = [each for each in changed if each.id in stored]
    current += [each for each in stored_payments.values() if not orders[each.id]]
    settled = [each for each in current if not asks.due(each)]
    outboxes.keep_promises([each for each in settled if each.outbox], payments, queues, now_ms)
    return {each.id for each in settled}


def pass_on(word: Word, *, provider: str | None, queues: Queues) -> None:
    """Have a worker hear what a provider has told; raises QueueUnavailable: it tells it again."""
    if isinstance(word, DisputeReport):
        message = SettlePayment(payment_id=word.reference, dispute=word, provider=provider)
    else:
        message = SettlePayment(payment_id=word.reference, answer=word, provider=provider)
    body = msgspec.json.encode(message).decode()
    queues["payments"].send_batch([body], traces=[trace_of(message.payment_id)])


def hear(news: Iterable[News], *, payments: Payments, queues: Queues, now_ms: int) -> set[str]:
    """Take over what providers told unasked; returns the ids of payments to be told again.

    An answer changes what awaits it and nothing else, and a report of a dispute moves it on or
    nothing: each may come twice, late, in any order, or before the answer to the order itself.
    Of a payment that another provider charges nobody is believed.
    """
    missed: set[str] = set()
    for provider, word in news:
        for payment in payments.find_many([word.reference]).values():
            if provider not in (None, payment.provider):
                logger.error(
                    "a provider tells of a payment that another one charges",
                    extra={"payment_id": payment.id, "provider": provider or "simulator"},
                )
                continue
            changed = heard(payment, word, now_ms=now_ms)
            if changed is payment:
                missed |= {payment.id} if _is_early(payment, word) else set()
                continue
            changed = outboxes.traced(changed)
            if payments.replace_all([changed], now_ms=now_ms):
                outboxes.keep_promises([changed], payments, queues, now_ms)
            else:
                missed.add(payment.id)
    return missed


def move_clock(
    clock: TestClock,
    *,
    payments: Payments,
    provider: ClockedProvider,
    queues: Queues,
    now_ms: int,
) -> bool:
    """Have all happen that is due to a test clock's payments, in the order of time.

    Returns whether every payment has heard of it; again is harmless.
    """
    effects = provider.move_clock(clock.id, clock.frozen_ms)
    news = [(SIMULATOR, each.answer()) for each in effects]
    return not hear(news, payments=payments, queues=queues, now_ms=now_ms)


def heard(payment: Payment, word: Word, *, now_ms: int) -> Payment:
    """Return `payment` after one thing that the provider has told; the same if it is not new."""
    if isinstance(word, DisputeReport):
        return life_cycle.answered(payment, {}, [word], now_ms=now_ms)
    return life_cycle.answered(payment, {word.key: word.outcome}, now_ms=now_ms)


def book(
    fees: Mapping[str, Sequence[Effect]], *, provider: str, payments: Payments, now_ms: int
) -> set[str]:
    """Enter fees of a provider by payment; returns the ids of payments to be told again."""
    stored = payments.find_many(list(fees))
    changed = [
        after
        for each in stored.values()
        if each.provider == provider
        and (after := life_cycle.with_fees(each, fees[each.id], now_ms=now_ms)) is not each
    ]
    return {each.id for each in changed} - payments.replace_all(changed, now_ms=now_ms)


def find(payment_id: str, *, tenant: str, payments: Payments) -> Payment:
    """Return a payment of this tenant; raises NotFound."""
    payment = payments.find(tenant, payment_id)
    if payment is None:
        raise NotFound(f"There is no payment {payment_id}.", param="payment_id")
    return payment


def refund(payment: Payment, refund_id: str) -> Operation:
    """Return a refund of a payment; raises NotFound."""
    operation = _operation(payment, refund_id)
    if operation is None or operation.kind != "refund":
        raise NotFound("The payment has no such refund.", param="refund_id")
    return operation


def newest(
    query: PaymentListQuery, *, tenant: str, payments: Payments
) -> tuple[list[Payment], bool]:
    """Return one page of payments, newest first, and whether there are more."""
    read = partial(payments.page, tenant, query)
    return page_of(query, find=partial(payments.find, tenant), read=read)


def _is_early(payment: Payment, word: Word) -> bool:
    """Tell whether what changes nothing now may do so once what is awaited is answered.

    That is a report of a dispute, or the end of a hold, before what they are of is known.
    """
    if isinstance(word, DisputeReport):
        is_new = disputes.of_provider(payment, word.id) is None
    else:
        may_lapse = payment.amount_held > 0 or not payment.ledger
        is_new = word.key.endswith(asks.LAPSE) and may_lapse
    return is_new and any(not x.key.endswith(asks.LAPSE) for x in asks.awaited(payment))


def _addressed(ask: Ask, payment: Payment) -> Ask:
    """Return an order of a payment with who is to be asked, for whom, and since when it is due."""
    operation = _operation(payment, ask.key)
    event = payment.events[operation.event - 1 if operation else 0]
    return replace(
        ask,
        provider=payment.provider,
        tenant=payment.tenant,
        since_ms=event.at_ms,
        of_customer=bool(payment.customer),
    )


def _operation(payment: Payment, operation_id: str) -> Operation | None:
    return next((each for each in payment.operations if each.id == operation_id), None)


def _check_fingerprint(stored: str, fingerprint: str) -> None:
    if stored != fingerprint:
        raise KeyReused
