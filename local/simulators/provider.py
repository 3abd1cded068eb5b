"""The payment provider's simulator: `python -m local.simulators.provider`.

Charges, captures, voids and refunds are POSTed. Each is in its own fsynced journal before it is
answered, so that a lost answer is a real effect and the journal an independent witness. Webhooks
tell of charges that wait for their customer, and of what the customer did.
"""

import argparse
import asyncio
import os
import re
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from local.daemon import arguments
from local.simulators import charges, serving
from local.simulators.charges import Confirmation, Entry, Money, MoneyOrder, Order
from local.simulators.exchange import (
    JSON,
    Exchange,
    Refusal,
    no_route,
    query_fields,
    query_number,
    server_of,
)
from local.simulators.faults import Dice, Faults
from local.simulators.journal import Journal, JournalError, Retention
from local.simulators.webhooks import Webhooks

S = TypeVar("S", bound=msgspec.Struct)

KEY_LIFE_MS = 24 * 3600 * 1000  # as at Stripe: a key used again after a day charges again
KEY_PATTERN = re.compile(r"[\x21-\x7e]{1,255}")
CHARGES_MAX = 2_000_000  # kept; about 250 bytes of memory each, more than an hour at 500/s
NUMBER_MAX = 10**12 - 1  # as many digits as an id has
# Some 800,000 lines a file; none is dropped whose key may still be used again.
RETENTION = Retention(file_bytes=2**28, least_s=2 * KEY_LIFE_MS / 1000)
PAGE_MAX = 1000
LATENCY_MS_MAX = 60_000
LIST_FIELDS = frozenset(("after", "limit", "idempotency_key"))
KINDS: dict[str, charges.Kind] = {
    "/charges": "charge",
    "/captures": "capture",
    "/voids": "void",
    "/refunds": "refund",
}
ALLOWED = {
    **dict.fromkeys(KINDS, "POST"),
    "/charges": "GET, POST",
    "/confirmations": "POST",
    "/effects": "GET",
    "/faults": "GET, PUT",
    "/health": "GET",
    "/webhooks": "POST",
}


class Resend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /webhooks: the line of the journal to tell of, again or at all."""

    sequence: Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]


class Provider:
    """Charges and the operations on them by idempotency key, in a journal."""

    def __init__(self, journal: Journal, dice: Dice, webhooks: Webhooks | None) -> None:
        self._dice = dice
        self._webhooks = webhooks
        self._journal = journal
        self._lines: dict[str, tuple[int, ...]] = {}  # idempotency key -> its lines in the journal
        self._in_progress: set[str] = set()
        self._money: dict[str, Money] = {}  # by charge; none where nothing was done with it
        self._unconfirmed: dict[str, Entry] = {}  # charges that wait for a customer, by reference
        for number, line in enumerate(journal.replay(), start=journal.first):
            entry = _entry(line, number, journal)
            self._index(entry)
            self._take_effect(entry)

    def dispatch(self, exchange: Exchange) -> None:
        """Route one request."""
        match exchange.method, exchange.path:
            case "POST", path if path in KINDS:
                self._order(KINDS[path], exchange)
            case "POST", "/confirmations":
                self._confirm(_body(exchange, Confirmation), exchange)
            case "POST", "/webhooks":
                self._resend(_body(exchange, Resend).sequence, exchange)
            case "PUT", "/faults":
                self._dice.set(_body(exchange, Faults))
                exchange.answer(200, msgspec.json.encode(self._dice.shown()))
            case "GET", _:
                self._show(exchange)
            case _:
                raise no_route(exchange, ALLOWED)

    def _show(self, exchange: Exchange) -> None:
        match exchange.path:
            case "/charges":
                page = charges.page(*self._lines_of(exchange.query))
                exchange.answer(200, msgspec.json.encode(page))
            case "/effects":
                effects = charges.effects(*self._lines_of(exchange.query))
                exchange.answer(200, msgspec.json.encode(effects))
            case "/faults":
                exchange.answer(200, msgspec.json.encode(self._dice.shown()))
            case "/health":
                exchange.answer(200, b'{"status":"ok"}')
            case _:
                raise no_route(exchange, ALLOWED)

    def _order(self, kind: charges.Kind, exchange: Exchange) -> None:
        key, order = _parse(kind, exchange)
        if self._is_hung(exchange):
            return
        if key in self._in_progress:
            detail = "an order under this key is in progress; retry with the same key"
            raise Refusal(409, "idempotency_in_progress", detail, {"retry-after": "1"})
        earlier = self._earlier(key)
        if earlier is not None:
            _replay(earlier, kind, order, exchange)
            return
        if len(self._journal) - self._journal.first >= CHARGES_MAX:
            detail = f"the journal holds {CHARGES_MAX} lines of two days; start with a new one"
            raise Refusal(503, "journal_full", detail, {"retry-after": "60"})
        self._in_progress.add(key)
        if latency_s := self._dice.latency_s():
            asyncio.get_running_loop().call_later(latency_s, self._do, kind, key, order, exchange)
        else:
            self._do(kind, key, order, exchange)

    def _is_hung(self, exchange: Exchange) -> bool:
        """Let a fault befall this order if the dice say so; True where it is never answered."""
        fault = self._dice.throw()
        if fault == "refused":
            detail = "too many orders; retry later"
            raise Refusal(429, "too_many_requests", detail, {"retry-after": "1"})
        if fault == "failed":
            raise Refusal(500, "internal_error", "something broke; nothing was done")
        exchange.is_lost = fault == "lost"
        return fault == "hung"

    def _do(
        self, kind: charges.Kind, key: str, order: Order | MoneyOrder, exchange: Exchange
    ) -> None:
        """Have the effect: from its line in the journal on it is there, answered or not."""
        number, now_ms = self._journal.next_number, _now_ms()
        if isinstance(order, Order):
            entry = charges.charge(order, key, number=number, now_ms=now_ms)
        else:
            done = self._is_possible(kind, order)
            entry = charges.operate(order, kind, key, done=done, number=number, now_ms=now_ms)
        self._keep(entry, exchange)

    def _confirm(self, confirmation: Confirmation, exchange: Exchange) -> None:
        """Have a customer act on the charge that waits for it."""
        charge = self._unconfirmed.get(confirmation.reference)
        if charge is None:
            detail = "no charge of this reference waits for its customer"
            raise Refusal(404, "nothing_to_confirm", detail)
        number = self._journal.next_number
        entry = charges.confirm(charge, confirmation.outcome, number=number, now_ms=_now_ms())
        self._keep(entry, exchange)

    def _resend(self, sequence: int, exchange: Exchange) -> None:
        if not self._is_kept(sequence):
            numbers = f"{self._journal.first} to {len(self._journal)}"
            raise Refusal(404, "not_found", f"the journal has the lines {numbers}")
        if self._webhooks is None:
            raise Refusal(409, "no_webhooks", "the provider was started without --webhook-url")
        entry = _entry(self._journal.line(sequence), sequence, self._journal)
        self._webhooks.tell(f"evt_{sequence:012}", entry.event())
        exchange.answer(202, b'{"status":"sending"}')

    def _keep(self, entry: Entry, exchange: Exchange) -> None:
        self._take_effect(entry)
        self._journal.append(msgspec.json.encode(entry), partial(self._settle, entry, exchange))

    def _settle(self, entry: Entry, exchange: Exchange) -> None:
        self._in_progress.discard(entry.idempotency_key)
        self._index(entry)
        exchange.answer(200, msgspec.json.encode(entry.public()))
        needs_customer = entry.kind == "confirmation" or entry.status == "requires_action"
        if self._webhooks is not None and needs_customer:
            self._webhooks.tell(f"evt_{entry.sequence:012}", entry.event())

    def _is_possible(self, kind: charges.Kind, order: MoneyOrder) -> bool:
        """Return whether the money is there; a void of nothing gives up a charge that waits."""
        if kind == "void" and order.amount == 0:
            waiting = self._unconfirmed.get(order.reference)
            return waiting is not None and waiting.id == order.charge
        return self._money_of(order.charge).has(kind, order.amount)

    def _take_effect(self, entry: Entry) -> None:
        """Keep what the entry means for the orders after it."""
        if entry.status == "requires_action":
            self._unconfirmed[entry.reference] = entry
        if entry.charge is None:
            return
        if entry.kind == "confirmation":
            self._unconfirmed.pop(entry.reference, None)
            self._money[entry.charge] = Money.of(entry)
        elif entry.status == "succeeded" and entry.amount:
            self._money_of(entry.charge).move(entry.kind, entry.amount)
        elif entry.status == "succeeded":
            self._unconfirmed.pop(entry.reference, None)

    def _earlier(self, key: str) -> Entry | None:
        """Return the charge that `key` still stands for."""
        number = self._lines.get(key, (0,))[-1]
        if not self._is_kept(number):
            return None
        entry = _entry(self._journal.line(number), number, self._journal)
        return entry if _now_ms() - entry.created_ms < KEY_LIFE_MS else None

    def _money_of(self, charge_id: str) -> Money:
        """Return the money that is left of a charge in the journal."""
        number = _number_of(charge_id)
        if not self._is_kept(number):
            return Money()  # never charged, or no longer known: nothing is there
        if charge_id not in self._money:
            entry = _entry(self._journal.line(number), number, self._journal)
            self._money[charge_id] = Money.of(entry) if entry.id == charge_id else Money()
        return self._money[charge_id]

    def _lines_of(self, query: str) -> tuple[list[bytes], int | None]:
        fields = query_fields(query, LIST_FIELDS)
        after = query_number(fields, "after", 0, low=0, high=NUMBER_MAX)
        limit = query_number(fields, "limit", PAGE_MAX, low=1, high=PAGE_MAX)
        if "idempotency_key" in fields:
            numbers = filter(self._is_kept, self._lines.get(fields["idempotency_key"], ()))
            return [self._journal.line(number) for number in numbers], None
        lines, reached = self._journal.page(after, limit)
        return lines, reached if reached < len(self._journal) else None

    def _index(self, entry: Entry) -> None:
        if entry.kind == "confirmation":
            return  # a repeat of its charge is answered as at first
        key = entry.idempotency_key
        self._lines[key] = (*self._lines.pop(key, ()), entry.sequence)
        self._forget()

    def _is_kept(self, number: int) -> bool:
        return self._journal.first <= number <= len(self._journal)

    def _forget(self) -> None:
        """Forget what belongs to dropped lines, two entries of each kind with each new line.

        All at once would hold up everybody for a second.
        """
        first = self._journal.first
        _drop(self._lines, lambda key: self._lines[key][-1] < first)
        _drop(self._money, lambda charge_id: _number_of(charge_id) < first)
        _drop(self._unconfirmed, lambda reference: self._unconfirmed[reference].sequence < first)


def _drop(entries: dict[str, Any], is_old: Callable[[str], bool]) -> None:
    """Delete up to two of the first entries, which are old before others are."""
    for key in list(islice(entries, 2)):
        if is_old(key):
            del entries[key]


def _number_of(charge_id: str) -> int:
    return int(charge_id.removeprefix("ch_"))


def _parse(kind: charges.Kind, exchange: Exchange) -> tuple[str, Order | MoneyOrder]:
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


def _body(exchange: Exchange, shape: type[S]) -> S:
    try:
        return msgspec.json.decode(exchange.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, f"invalid_{shape.__name__.lower()}", str(error)) from error


def _replay(
    earlier: Entry, kind: charges.Kind, order: Order | MoneyOrder, exchange: Exchange
) -> None:
    if not earlier.answers(kind, order):
        detail = f"this key had other parameters before, as {earlier.id}"
        raise Refusal(400, "idempotency_key_reused", detail)
    answer = msgspec.json.encode(earlier.public())
    exchange.answer(200, answer, JSON | {"idempotent-replayed": "true"})


def _entry(line: bytes, number: int, journal: Journal) -> Entry:
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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _serve(options: argparse.Namespace) -> None:
    dice = Dice()
    dice.set(Faults(p50_ms=options.latency_ms, p99_ms=options.latency_ms))
    webhooks = Webhooks(options.webhook_url, _secret(), dice) if options.webhook_url else None
    journal = Journal(options.journal, RETENTION, sync=True)
    provider = Provider(journal, dice, webhooks)
    server = server_of(provider.dispatch)
    door = serving.Door("charges", "--port", options.port, server.connection, server.connections)
    await serving.serve(options.listen, door)
    journal.close()


def _secret() -> str:
    """Return the secret that signs webhooks, from where the functions have it."""
    path = os.environ.get("PROVIDER_WEBHOOK_SECRET_FILE")
    if path is None:
        return os.environ.get("PROVIDER_WEBHOOK_SECRET", "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise serving.StartError(
            f"PROVIDER_WEBHOOK_SECRET_FILE={path!r}: {error.strerror}"
        ) from error


def main() -> int:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m local.simulators.provider", description=__doc__
    )
    serving.add_options(parser)
    arguments.add_port(parser, "--port", 5090, "port of /charges")
    arguments.add_number(
        parser,
        "--latency-ms",
        bounds=(0, LATENCY_MS_MAX),
        default=0,
        what="how long a charge takes before it has its effect",
        unit="MS",
    )
    parser.add_argument(
        "--webhook-url",
        metavar="URL",
        help="where webhooks are sent, signed with PROVIDER_WEBHOOK_SECRET (default: nowhere)",
    )
    return serving.run("provider", _serve(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
