"""The payment provider's simulator: `python -m local.simulators.provider`.

Charges, captures, voids and refunds are POSTed. Each is in its own fsynced journal before it is
answered, so that a lost answer is a real effect and the journal an independent witness. Webhooks
tell of charges that wait for their customer, and of what the customer did.
"""

import argparse
import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec

from local.daemon import arguments
from local.simulators import charges, disputes, serving
from local.simulators.book import KEY_LIFE_MS, UNASKED, Book, now_ms, number_of
from local.simulators.charges import (
    AnyOrder,
    Confirmation,
    DisputeOrder,
    Entry,
    Order,
)
from local.simulators.disputes import Opening, Ruling
from local.simulators.exchange import (
    Exchange,
    Refusal,
    no_route,
    query_fields,
    query_number,
    server_of,
)
from local.simulators.faults import Dice, Faults
from local.simulators.journal import Journal, Retention
from local.simulators.orders import body_of, entry_of, parse, replay
from local.simulators.timers import REAL, ClockTime
from local.simulators.webhooks import Webhooks

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
    "/evidence": "evidence",
    "/acceptances": "acceptance",
}
TICK_S = 1.0  # how late a hold lapses
ALLOWED = {
    **dict.fromkeys(KINDS, "POST"),
    "/charges": "GET, POST",
    "/clocks": "POST",
    "/confirmations": "POST",
    "/disputes": "POST",
    "/effects": "GET",
    "/faults": "GET, PUT",
    "/health": "GET",
    "/rulings": "POST",
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
        self._book = Book(journal)
        self._in_progress: set[str] = set()

    def dispatch(self, exchange: Exchange) -> None:
        """Route one request."""
        match exchange.method, exchange.path:
            case "POST", path if path in KINDS:
                self._order(KINDS[path], exchange)
            case "POST", path if path in ALLOWED:
                self._control(path, exchange)
            case "PUT", "/faults":
                self._dice.set(body_of(exchange, Faults))
                exchange.answer(200, msgspec.json.encode(self._dice.shown()))
            case "GET", _:
                self._show(exchange)
            case _:
                raise no_route(exchange, ALLOWED)

    def _control(self, path: str, exchange: Exchange) -> None:
        """Do what customers, their banks and time do."""
        match path:
            case "/confirmations":
                self._confirm(body_of(exchange, Confirmation), exchange)
            case "/disputes":
                self._dispute(body_of(exchange, Opening), exchange)
            case "/rulings":
                self._rule(body_of(exchange, Ruling), exchange)
            case "/clocks":
                self._move_clock(body_of(exchange, ClockTime), exchange)
            case "/webhooks":
                self._resend(body_of(exchange, Resend).sequence, exchange)
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
        key, order = parse(kind, exchange)
        if self._is_hung(exchange):
            return
        if key in self._in_progress:
            detail = "an order under this key is in progress; retry with the same key"
            raise Refusal(409, "idempotency_in_progress", detail, {"retry-after": "1"})
        earlier = self._book.earlier(key)
        if earlier is not None:
            replay(earlier, kind, order, exchange)
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

    def _do(self, kind: charges.Kind, key: str, order: AnyOrder, exchange: Exchange) -> None:
        """Have the effect: from its line in the journal on it is there, answered or not."""
        number, at_ms = self._journal.next_number, now_ms()
        if isinstance(order, Order):
            entry = charges.charge(order, key, number=number, now_ms=at_ms)
        else:
            done = self._book.is_possible(kind, order)
            entry = charges.operate(order, kind, key, done=done, number=number, now_ms=at_ms)
        self._keep(entry, exchange)
        if entry.status != "succeeded":
            return
        if isinstance(order, DisputeOrder):
            for status in disputes.statuses(kind, order):
                self._move_dispute(order.dispute_id, status)
        elif kind == "capture" or entry.payment_method == charges.DISPUTED:
            money = self._book.money_of(entry.charge or entry.id)
            if money.is_disputed and money.captured:
                money.is_disputed = False  # it is now
                self._open(entry, Opening(reference=entry.reference), money.captured)
        if entry.test_clock:  # its time may have passed already
            until_ms = self._book.timers.now_ms(entry.test_clock)
            self._journal.when_written(partial(self._pass_time, entry.test_clock, until_ms))

    def _confirm(self, confirmation: Confirmation, exchange: Exchange) -> None:
        """Have a customer act on the charge that waits for it."""
        charge = self._book.unconfirmed.get(confirmation.reference)
        if charge is None:
            detail = "no charge of this reference waits for its customer"
            raise Refusal(404, "nothing_to_confirm", detail)
        number = self._journal.next_number
        entry = charges.confirm(charge, confirmation.outcome, number=number, now_ms=now_ms())
        self._keep(entry, exchange)

    def _dispute(self, opening: Opening, exchange: Exchange) -> None:
        """Have a customer's bank dispute a charge, or a part of it."""
        charge = self._book.charge_of(opening.reference)
        if charge is None:
            detail = "there is no charge of this reference, which is the payment's id"
            raise Refusal(404, "nothing_to_dispute", detail)
        left = self._book.money_of(charge.id).captured
        amount = left if opening.amount is None else opening.amount
        if not 0 < amount <= left:
            detail = f"of this charge {left} is captured and neither refunded nor disputed"
            raise Refusal(409, "amount_not_available", detail)
        self._open(charge, opening, amount, exchange)

    def _rule(self, ruling: Ruling, exchange: Exchange) -> None:
        if not self._move_dispute(ruling.dispute, ruling.outcome, exchange):
            raise Refusal(404, "not_found", "there is no dispute of this id to be decided so")

    def _open(
        self, charge: Entry, opening: Opening, amount: int, exchange: Exchange | None = None
    ) -> None:
        number = self._journal.next_number
        at_ms = self._book.now_ms(charge.charge or charge.id)
        dispute = disputes.opened(charge, opening, amount, number=number, now_ms=at_ms)
        self._keep(disputes.line(dispute, number=number, now_ms=now_ms()), exchange)

    def _move_dispute(
        self, dispute_id: str, status: charges.DisputeStatus, exchange: Exchange | None = None
    ) -> bool:
        dispute = self._book.disputes.moved(dispute_id, status)
        if dispute is not None:
            number = self._journal.next_number
            self._keep(disputes.line(dispute, number=number, now_ms=now_ms()), exchange)
        return dispute is not None

    def _move_clock(self, clock: ClockTime, exchange: Exchange) -> None:
        """Have all happen that is due by then; the answer has it all, also of earlier times."""

        def move() -> None:
            self._pass_time(clock.test_clock, clock.now_ms)
            self._book.timers.move(clock.test_clock, clock.now_ms)
            self._journal.when_written(answer)

        def answer() -> None:
            numbers = filter(self._book.is_kept, self._book.timers.happened(clock.test_clock))
            lines = [self._journal.line(number) for number in numbers]
            exchange.answer(200, msgspec.json.encode(charges.effects(lines, None)))

        self._journal.when_written(move)

    def pass_time(self) -> None:
        """Have happen what is due by our own clock."""
        self._pass_time(REAL, now_ms())

    def _pass_time(self, clock: str, until_ms: int) -> None:
        while due := self._book.timers.next(clock, until_ms=until_ms):
            if due.object_id.startswith("dp_"):
                if self._book.disputes.is_unanswered(due.object_id):
                    self._move_dispute(due.object_id, "lost")
                continue
            amount = self._book.money_of(due.object_id).authorized
            charge = self._book.entry(number_of(due.object_id))
            if amount and charge:
                number = self._journal.next_number
                self._keep(charges.lapsed(charge, amount, number=number, now_ms=now_ms()))

    def _resend(self, sequence: int, exchange: Exchange) -> None:
        if not self._book.is_kept(sequence):
            numbers = f"{self._journal.first} to {len(self._journal)}"
            raise Refusal(404, "not_found", f"the journal has the lines {numbers}")
        if self._webhooks is None:
            raise Refusal(409, "no_webhooks", "the provider was started without --webhook-url")
        entry = entry_of(self._journal.line(sequence), sequence, self._journal)
        self._webhooks.tell(f"evt_{sequence:012}", entry.event())
        exchange.answer(202, b'{"status":"sending"}')

    def _keep(self, entry: Entry, exchange: Exchange | None = None) -> None:
        entry = self._book.stamped(entry)
        self._book.take_effect(entry)
        self._journal.append(msgspec.json.encode(entry), partial(self._settle, entry, exchange))

    def _settle(self, entry: Entry, exchange: Exchange | None) -> None:
        self._in_progress.discard(entry.idempotency_key)
        self._book.index(entry)
        if exchange is not None:
            exchange.answer(200, msgspec.json.encode(entry.dispute or entry.public()))
        is_news = entry.kind in UNASKED or entry.status == "requires_action"
        if self._webhooks is not None and is_news:
            delay_s = disputes.TOLD_AFTER_S if entry.kind == "dispute" else 0.0
            self._webhooks.tell(f"evt_{entry.sequence:012}", entry.event(), delay_s)

    def _lines_of(self, query: str) -> tuple[list[bytes], int | None]:
        fields = query_fields(query, LIST_FIELDS)
        after = query_number(fields, "after", 0, low=0, high=NUMBER_MAX)
        limit = query_number(fields, "limit", PAGE_MAX, low=1, high=PAGE_MAX)
        if "idempotency_key" in fields:
            numbers = filter(
                self._book.is_kept, self._book.lines.get(fields["idempotency_key"], ())
            )
            return [self._journal.line(number) for number in numbers], None
        lines, reached = self._journal.page(after, limit)
        return lines, reached if reached < len(self._journal) else None


async def _serve(options: argparse.Namespace) -> None:
    dice = Dice()
    dice.set(Faults(p50_ms=options.latency_ms, p99_ms=options.latency_ms))
    webhooks = Webhooks(options.webhook_url, _secret(), dice) if options.webhook_url else None
    journal = Journal(options.journal, RETENTION, sync=True)
    provider = Provider(journal, dice, webhooks)
    server = server_of(provider.dispatch)
    clock = asyncio.create_task(_keep_time(provider))
    door = serving.Door("charges", "--port", options.port, server.connection, server.connections)
    await serving.serve(options.listen, door)
    clock.cancel()
    journal.close()


async def _keep_time(provider: Provider) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        provider.pass_time()


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
