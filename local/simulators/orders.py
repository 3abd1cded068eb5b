"""Orders to the provider as requests bring them, and what the journal says of earlier ones."""

import re
from typing import TypeVar

import msgspec

from local.simulators import charges
from local.simulators.charges import AnyOrder, Entry, Order
from local.simulators.exchange import JSON, Exchange, Refusal
from local.simulators.journal import Journal, JournalError

S = TypeVar("S", bound=msgspec.Struct)

KEY_PATTERN = re.compile(r"[\x21-\x7e]{1,255}")


def parse(kind: charges.Kind, exchange: Exchange) -> tuple[str, AnyOrder]:
    """Return the idempotency key and the order of a request; raises Refusal."""
    key = exchange.header("idempotency-key")
    if not KEY_PATTERN.fullmatch(key):
        detail = "send an Idempotency-Key of 1 to 255 visible ASCII characters"
        raise Refusal(400, "idempotency_key_required", detail)
    if exchange.header("content-type").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "unsupported_media_type", "send content-type: application/json")
    try:
        order = charges.ORDERS[kind].decode(exchange.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "invalid_order", str(error)) from error
    if isinstance(order, Order) and order.payment_method not in charges.OUTCOMES:
        detail = f"unknown payment_method; known are {', '.join(charges.OUTCOMES)}"
        raise Refusal(400, "unknown_payment_method", detail)
    return key, order


def body_of(exchange: Exchange, shape: type[S]) -> S:
    """Return the body as `shape`; raises Refusal."""
    try:
        return msgspec.json.decode(exchange.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, f"invalid_{shape.__name__.lower()}", str(error)) from error


def replay(earlier: Entry, kind: charges.Kind, order: AnyOrder, exchange: Exchange) -> None:
    """Answer an order as its key was answered before; raises Refusal where it is another."""
    if not earlier.answers(kind, order):
        detail = f"this key had other parameters before, as {earlier.id}"
        raise Refusal(400, "idempotency_key_reused", detail)
    answer = msgspec.json.encode(earlier.public())
    exchange.answer(200, answer, JSON | {"idempotent-replayed": "true"})


def entry_of(line: bytes, number: int, journal: Journal) -> Entry:
    """Return a line of the journal; raises JournalError where it is none."""
    try:
        entry = charges.ENTRY.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JournalError(
            f"journal {journal.path}, line {number}: {error}; move it away"
        ) from error
    if entry.sequence != number:
        raise JournalError(
            f"journal {journal.path}, line {number} has sequence {entry.sequence}; move it away"
        )
    return entry
