"""Stripe's own record: its events and balance transactions, read in order by spans of time.

Stripe numbers nothing and lists the newest first. A line's number is its second and its place
within it, so that a reader who has one number reads on from there.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from backend.errors import ProviderUnavailable
from backend.telemetry import logger
from payments.provider import Answer, DisputeReport, Effect, Outcome, Word
from payments.providers.stripe_disputes import EVENTS as OF_DISPUTES
from payments.providers.stripe_events import OF_INTENTS, OF_REFUNDS, Event
from payments.providers.stripe_objects import OPERATION, PAYMENT, Intent

T = TypeVar("T", bound=Struct)


class Words(Protocol):
    """What an event tells; see `Stripe`."""

    def __call__(self, event: Event, *, is_first: bool) -> list[Word]: ...


Get = Callable[[str, type[Any]], Any]

DAY_S = 86_400
KEPT_S = 30 * DAY_S  # so long Stripe keeps events
LINES_S = 10_000  # a second, at most; Stripe takes some hundred orders
PAGE = 100  # Stripe's largest
PAGES_MAX = 3  # of one span; a span with more is halved
SPANS_MAX = 60  # looked at for one answer: 30 days are as many doublings and halvings, twice
OF_CHARGES = ("charge", "payment")


class Source(Struct, frozen=True):
    """The charge or refund that a balance transaction is of."""

    id: str
    currency: str = ""
    amount: int = 0
    amount_captured: int = 0
    metadata: dict[str, str] | None = None
    payment_intent: str | None = None


class Transaction(Struct, frozen=True):
    """A movement of the balance, in the currency of the balance."""

    id: str
    type: str
    created: int  # s
    amount: int
    currency: str
    fee: int
    source: Source | str | None = None


class Page(Struct, Generic[T], frozen=True):
    """A page of a list, newest first."""

    data: list[T]
    has_more: bool


class Record:
    """A reader of the record, by what gets an object of Stripe's."""

    def __init__(self, get: Get) -> None:
        self._get = get
        self._span_s = 3_600

    def effects(self, after: int, *, words: Words) -> list[Effect]:
        """Return what follows a line, oldest first; raises ProviderUnavailable.

        The span that is read grows while little happened, and is halved where more than a few
        pages did.
        """
        now_s = int(time.time())
        start_s = after // LINES_S or now_s - KEPT_S
        for _ in range(SPANS_MAX):
            end_s = start_s + self._span_s
            lines = self._between(start_s, end_s, words, is_first=bool(after))
            if lines is None and self._span_s == 1:
                break
            if lines is None:
                self._span_s //= 2
                continue
            self._span_s = min(2 * self._span_s, KEPT_S)
            fresh = [each for each in _numbered(lines) if each.sequence > after]
            if fresh and not after and fresh[0].created_ms > 1_000 * (now_s - KEPT_S + DAY_S):
                fresh[0] = replace(fresh[0], sequence=1)
            if fresh or end_s > now_s:
                return fresh
            start_s = end_s
        raise ProviderUnavailable("Stripe's record has more lines a second than are read.")

    def line_before(self, time_ms: int) -> int | None:
        """Return the last line that the second before a time may have; see `payments.provider`."""
        second = time_ms // 1_000
        return second * LINES_S if second > time.time() - KEPT_S else None

    def _between(
        self, start_s: int, end_s: int, words: Words, *, is_first: bool
    ) -> list[Effect] | None:
        """Return what happened in a span, or None where that is too much for one span."""
        types = {
            f"types[{n}]": name for n, name in enumerate((*OF_INTENTS, *OF_REFUNDS, *OF_DISPUTES))
        }
        events = self._list("/v1/events", Page[Event], start_s, end_s, types)
        expanded = {"expand[0]": "data.source"}
        path = "/v1/balance_transactions"
        transactions = self._list(path, Page[Transaction], start_s, end_s, expanded)
        if events is None or transactions is None:
            return None
        lines = [
            _effect(event, word)
            for event in reversed(events)
            for word in words(event, is_first=is_first)
        ]
        for each in reversed(transactions):
            lines += self._of_transaction(each)
        return lines

    def _list(
        self, path: str, shape: type[Page[T]], start_s: int, end_s: int, fields: dict[str, str]
    ) -> list[T] | None:
        query = {"created[gte]": str(start_s), "created[lt]": str(end_s), "limit": str(PAGE)}
        entries: list[Any] = []
        for _ in range(PAGES_MAX):
            after = {"starting_after": entries[-1].id} if entries else {}
            page = self._get(f"{path}?{urlencode(query | fields | after)}", shape)
            entries += page.data
            if not page.has_more:
                return entries
        return None

    def _of_transaction(self, transaction: Transaction) -> Iterable[Effect]:
        """Return what was settled and its fee, or a refund that nobody ordered here."""
        source = transaction.source
        if not isinstance(source, Source):
            return []
        if transaction.type in OF_CHARGES or transaction.fee:
            return _fees(transaction, source)
        if (
            transaction.type != "refund"
            or OPERATION in (source.metadata or {})
            or not source.payment_intent
        ):
            return []
        intent: Intent = self._get(f"/v1/payment_intents/{source.payment_intent}", Intent)
        outcome = Outcome(
            id=source.id,
            reference=intent.metadata.get(PAYMENT, ""),
            status="succeeded",
            amount=source.amount,
            currency=source.currency.upper(),
        )
        line = _line(Answer(key=source.id, outcome=outcome), transaction.created)
        return [replace(line, kind="refund", charge=intent.id)] if outcome.reference else []


def _effect(event: Event, answer: Word) -> Effect:
    if isinstance(answer, DisputeReport):
        outcome = Outcome(
            id=answer.id,
            reference=answer.reference,
            status="succeeded",
            amount=answer.amount,
            currency=answer.currency,
        )
        line = _line(Answer(key=f"{answer.id}:{answer.status}", outcome=outcome), event.created)
        return replace(line, kind="dispute", charge=answer.charge, dispute=answer)
    line, kind = _line(answer, event.created), event.kind_of(answer)
    charge = event.data.object.get("payment_intent") if kind == "refund" else answer.outcome.id
    return replace(line, kind=kind, charge=None if kind == "charge" else charge)


def _line(answer: Answer, created_s: int) -> Effect:
    fields = msgspec.structs.asdict(answer.outcome)
    created_ms = 1_000 * created_s
    return Effect(sequence=0, idempotency_key=answer.key, created_ms=created_ms, **fields)


def _fees(transaction: Transaction, source: Source) -> list[Effect]:
    """Return the fee, in the currency of the payment, by its share of what was settled."""
    payment_id = (source.metadata or {}).get(PAYMENT)
    if not payment_id:
        return []
    fee = transaction.fee
    if transaction.currency != source.currency:
        share = source.amount_captured or source.amount
        fee = round(fee * share / abs(transaction.amount)) if transaction.amount else 0
    return [
        Effect(
            sequence=0,
            id=transaction.id,
            idempotency_key=transaction.id,
            reference=payment_id,
            kind="fee",
            status="succeeded",
            amount=fee,
            currency=source.currency.upper(),
            created_ms=1_000 * transaction.created,
            charge=source.payment_intent,
            settled=source.amount_captured if transaction.type in OF_CHARGES else None,
        )
    ]


def _numbered(lines: Sequence[Effect]) -> list[Effect]:
    """Return lines in the order of their seconds, each with its number."""
    numbered: list[Effect] = []
    second = place = 0
    for each in sorted(lines, key=lambda line: line.created_ms):
        place = place + 1 if each.created_ms == second else 1
        second = each.created_ms
        if place >= LINES_S:
            logger.error("Stripe's record has more lines a second than are numbered")
            break
        numbered.append(replace(each, sequence=second // 1_000 * LINES_S + place))
    return numbered
