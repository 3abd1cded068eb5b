"""The outboxes of payments: what is promised in a document is sent, again and again until it is."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from backend.announcer import Sender
from backend.queues import Depth, QueueUnavailable
from backend.telemetry import logger, trace_of
from payments import asks, life_cycle
from payments.schema import Outgoing, Payment

RELAY_MARGIN_MS = 2_000  # between a promise and its send; a send that takes longer is sent twice
AGE_UNTOLD_S = 60.0  # SQS does not tell how long its oldest message waits; rarely longer
RELAY_BATCH = 100  # payments read at once: requests of clients wait behind one read
RELAY_ROUNDS = 50  # a run; the next one takes the rest


class Outboxes(Protocol):
    """The part of the store of payments that sending needs; see `payments.store`."""

    def store_outboxes(self, payments: Sequence[Payment]) -> None: ...

    def promised_before(self, time_ms: int, *, limit: int) -> list[Payment]: ...


Queues = Mapping[str, Sender]  # by the names that an outbox uses


def traced(payment: Payment) -> Payment:
    """Return a payment whose new promises bear the trace that they were made in."""
    trace = trace_of(payment.id)
    if not trace or all(each.trace for each in payment.outbox):
        return payment
    outbox = (each if each.trace else replace(each, trace=trace) for each in payment.outbox)
    return replace(payment, outbox=tuple(outbox))


def try_to_send(payment: Payment, queues: Queues) -> None:
    """Have the payment settled at once, if its queue takes a message now; otherwise by the relay.

    The relay also sends what is promised to others: who answers clients needs no right to write to
    their queues.
    """
    promised = [each for each in payment.outbox if each.queue == "payments"]
    if not promised:
        return
    bodies = [each.text() for each in promised]
    traces = [trace_of(payment.id, each.trace) for each in promised]
    try:
        groups = [payment.tenant] * len(bodies)
        queues["payments"].send_batch(bodies, traces=traces, groups=groups, is_promised=True)
    except QueueUnavailable as error:
        logger.warning("left to the relay", extra={"payment_id": payment.id, "why": str(error)})


def relay(*, payments: Outboxes, queues: Queues, now_ms: int) -> int:
    """Send what was promised and never sent; returns for how many payments.

    Whoever stores a promise sends it at once, and does not store that it was sent: that would be
    a second write for each payment. A promise older than every message that waits on the queue has
    none there, unless it is in hand or being tried again; then it is sent once more, which is safe.
    A settlement stays promised until it is settled, so also one whose message is lost is driven on.
    """
    before_ms = now_ms - RELAY_MARGIN_MS - waiting_ms(queues["payments"].depth())
    relayed = 0
    for _ in range(RELAY_ROUNDS):
        forgotten = payments.promised_before(before_ms, limit=RELAY_BATCH)
        keep_promises(forgotten, payments, queues, now_ms)
        relayed += len(forgotten)
        if len(forgotten) < RELAY_BATCH:
            break
    return relayed


def waiting_ms(depth: Depth) -> int:
    """Return for how long the oldest message that is due waits on a queue."""
    if not depth.visible:
        return 0
    return round(1000 * (AGE_UNTOLD_S if math.isnan(depth.oldest_age_s) else depth.oldest_age_s))


def send_again(promised: Iterable[tuple[Payment, Outgoing]], *, queues: Queues) -> None:
    """Send messages that were lost; what a queue does not take now is lost still."""
    _send_outboxes([replace(payment, outbox=(each,)) for payment, each in promised], queues)


def postpone(payments_by_id: Mapping[str, Payment], payments: Outboxes, now_ms: int) -> set[str]:
    """Have the relay send these again later; returns the ids whose messages are not needed.

    What is settled but not sent on stays: it does not need the provider.
    """
    waiting = [each for each in payments_by_id.values() if asks.due(each)]
    postponed = [traced(life_cycle.postponed(each, now_ms=now_ms)) for each in waiting]
    payments.store_outboxes(postponed)
    return {each.id for each in waiting}


def keep_promises(
    promised: Sequence[Payment], payments: Outboxes, queues: Queues, now_ms: int
) -> None:
    """Send what payments promise, and store what no queue has taken yet as promised still."""
    unsent = _send_outboxes(promised, queues)
    payments.store_outboxes([life_cycle.sent(each, unsent, now_ms=now_ms) for each in promised])


def _send_outboxes(payments: Iterable[Payment], queues: Queues) -> set[str]:
    """Send what each queue takes; returns the names of those that took nothing."""
    bodies: dict[str, list[str]] = defaultdict(list)
    traces: dict[str, list[str]] = defaultdict(list)
    tenants: dict[str, list[str]] = defaultdict(list)
    for payment in payments:
        for outgoing in payment.outbox:
            bodies[outgoing.queue].append(outgoing.text())
            traces[outgoing.queue].append(trace_of(payment.id, outgoing.trace))
            tenants[outgoing.queue].append(payment.tenant)
    unsent: set[str] = set()
    for name, batch in bodies.items():
        try:
            queues[name].send_batch(batch, traces=traces[name], groups=tenants[name])
        except QueueUnavailable as error:
            unsent.add(name)
            logger.warning("left to the relay", extra={"queue": name, "why": str(error)})
    return unsent
