"""What payments do: accept one, settle a batch, find and list. Knows no HTTP, Redis or MongoDB."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from backend.clock import parse_rfc3339
from backend.errors import InvalidRequest, NotFound
from backend.queues import Queue
from payments import life_cycle
from payments.currencies import CURRENCIES
from payments.provider import Charge, ChargeRequest
from payments.schema import Payment, PaymentListQuery, PaymentRequest, Status


class Payments(Protocol):
    """The store of payments; `payments.store` says what each function guarantees."""

    def insert(self, payment: Payment) -> Payment | None: ...

    def find(self, tenant: str, payment_id: str) -> Payment | None: ...

    def find_many(self, payment_ids: Collection[str]) -> dict[str, Payment]: ...

    def page(
        self,
        tenant: str,
        *,
        limit: int,
        after: Payment | None = None,
        status: Status | None = None,
        created_gte_ms: int | None = None,
        created_lt_ms: int | None = None,
    ) -> list[Payment]: ...

    def replace_all(self, changed: Sequence[Payment]) -> set[str]: ...

    def clear_outboxes(self, payments: Sequence[Payment]) -> None: ...


class Provider(Protocol):
    """Whoever moves the money; see `payments.provider`."""

    def charge_all(self, requests: Sequence[ChargeRequest]) -> dict[str, Charge]: ...


Queues = Mapping[str, Queue]  # by the names that an outbox uses


def accept(
    request: PaymentRequest,
    *,
    key: str,
    tenant: str,
    payments: Payments,
    queues: Queues,
    now_ms: int,
) -> tuple[Payment, bool]:
    """Store a payment and send it to be settled; returns it as created, and whether it is a replay.

    The document's id comes from the key, so a repeat finds the first one. Raises InvalidRequest 422
    when the same key comes with another request, QueueUnavailable when the payment is stored but
    not sent: its outbox keeps the message, and a repeat with the same key sends it.
    """
    if request.currency not in CURRENCIES:
        raise InvalidRequest(f"{request.currency} is not an ISO 4217 currency.", param="currency")
    payment = life_cycle.create(request, key=key, tenant=tenant, now_ms=now_ms)
    existing = payments.insert(payment)
    if existing and existing.fingerprint != payment.fingerprint:
        raise InvalidRequest(
            "This Idempotency-Key was used with another body.", code="idempotency_key_reused"
        )
    payment = existing or payment
    if payment.status == "processing":
        _send_outboxes([payment], queues)
    return life_cycle.as_created(payment), existing is not None


def settle(
    payment_ids: Collection[str],
    *,
    payments: Payments,
    provider: Provider,
    queues: Queues,
    now_ms: int,
) -> set[str]:
    """Drive payments on from `processing`; returns the ids for which nothing is left to do.

    The order is the guarantee: the provider is asked under a key that never changes, then the
    answer is stored over the version it was decided on, then what follows is sent, then the outbox
    is cleared. A crash between any two of them is made good by the next delivery.
    """
    found = payments.find_many(payment_ids)
    open_payments = [each for each in found.values() if each.status == "processing"]
    charges = provider.charge_all([_charge_request(each) for each in open_payments])
    changed = [
        life_cycle.charged(each, charges[each.id], now_ms=now_ms)
        for each in open_payments
        if each.id in charges
    ]
    stored = payments.replace_all(changed)
    settled = [each for each in changed if each.id in stored]
    settled += [each for each in found.values() if each.status != "processing"]
    unsent = [each for each in settled if each.outbox]
    _send_outboxes(unsent, queues)
    payments.clear_outboxes(unsent)
    return {each.id for each in settled}


def find(payment_id: str, *, tenant: str, payments: Payments) -> Payment:
    """Return a payment of this tenant; raises NotFound."""
    payment = payments.find(tenant, payment_id)
    if payment is None:
        raise NotFound(f"There is no payment {payment_id}.", param="payment_id")
    return payment


def newest(
    query: PaymentListQuery, *, tenant: str, payments: Payments
) -> tuple[list[Payment], bool]:
    """Return one page of payments, newest first, and whether there are more."""
    after = None
    if query.starting_after is not None:
        after = payments.find(tenant, query.starting_after)
        if after is None:
            raise InvalidRequest("There is no such payment.", param="starting_after")
    found = payments.page(
        tenant,
        limit=query.limit + 1,
        after=after,
        status=query.status,
        created_gte_ms=_bound(query.created_gte, "created_gte"),
        created_lt_ms=_bound(query.created_lt, "created_lt"),
    )
    return found[: query.limit], len(found) > query.limit


def _bound(text: str | None, param: str) -> int | None:
    return None if text is None else parse_rfc3339(text, param=param)


def _charge_request(payment: Payment) -> ChargeRequest:
    return ChargeRequest(
        amount=payment.amount,
        currency=payment.currency,
        payment_method=payment.payment_method,
        capture=payment.capture_method == "automatic",
        reference=payment.id,
    )


def _send_outboxes(payments: Iterable[Payment], queues: Queues) -> None:
    bodies: dict[str, list[str]] = {}
    for payment in payments:
        for outgoing in payment.outbox:
            text = msgspec.json.encode(outgoing.body).decode()
            bodies.setdefault(outgoing.queue, []).append(text)
    for name, batch in bodies.items():
        queues[name].send_batch(batch)
