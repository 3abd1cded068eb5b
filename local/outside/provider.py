"""The payment provider's simulator: `python -m local.outside.provider`.

Charges, captures, voids and refunds are POSTed. Each is in its own fsynced journal before it is
answered, so that a lost answer is a real effect and the journal an independent witness.
"""

import argparse
import asyncio
import re
import sys
import time
from functools import partial

import msgspec

from local import arguments
from local.outside import charges, http, serving
from local.outside.charges import Charge, Entry, Money, MoneyOrder, Order
from local.outside.faults import Dice, Faults
from local.outside.http import Exchange, Refusal
from local.outside.journal import Journal, JournalError

KEY_LIFE_MS = 24 * 3600 * 1000  # as at Stripe: a key used again after a day charges again
KEY_PATTERN = re.compile(r"[\x21-\x7e]{1,255}")
CHARGES_MAX = 2_000_000  # about 250 bytes of memory each; more than an hour at 500/s
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
    "/effects": "GET",
    "/faults": "GET, PUT",
    "/health": "GET",
}


class Provider:
    """Charges and what was done with them by idempotency key, kept in a journal."""

    def __init__(self, journal: Journal, faults: Faults) -> None:
        self._dice = Dice()
        self._dice.set(faults)
        self._journal = journal
        self._lines: dict[str, tuple[int, ...]] = {}  # idempotency key -> its lines in the journal
        self._in_progress: set[str] = set()
        self._money: dict[str, Money] = {}  # by charge; none where nothing was done with it
        for number, line in enumerate(journal.replay(), start=1):
            entry = _entry(line, number, journal)
            self._index(entry)
            if entry.charge is not None and entry.status == "succeeded":
                self._money_of(entry.charge).move(entry.kind, entry.amount)

    def dispatch(self, exchange: Exchange) -> None:
        """Route one request."""
        match exchange.method, exchange.path:
            case "POST", path if path in KINDS:
                self._order(KINDS[path], exchange)
            case "GET", "/charges":
                page = charges.page(*self._lines_of(exchange.query))
                exchange.answer(200, msgspec.json.encode(page))
            case "GET", "/effects":
                effects = charges.effects(*self._lines_of(exchange.query))
                exchange.answer(200, msgspec.json.encode(effects))
            case "GET", "/faults":
                exchange.answer(200, msgspec.json.encode(self._dice.shown()))
            case "PUT", "/faults":
                self._dice.set(_faults(exchange))
                exchange.answer(200, msgspec.json.encode(self._dice.shown()))
            case "GET", "/health":
                exchange.answer(200, b'{"status":"ok"}')
            case _:
                raise http.no_route(exchange, ALLOWED)

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
        if len(self._journal) >= CHARGES_MAX:
            detail = f"the journal holds {CHARGES_MAX} lines; start with a new one"
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
            done = self._money_of(order.charge).move(kind, order.amount)
            entry = charges.operate(order, kind, key, done=done, number=number, now_ms=now_ms)
        self._journal.append(msgspec.json.encode(entry), partial(self._settle, entry, exchange))

    def _settle(self, entry: Entry, exchange: Exchange) -> None:
        self._in_progress.discard(entry.idempotency_key)
        self._index(entry)
        exchange.answer(200, _as_json(entry))

    def _earlier(self, key: str) -> Entry | None:
        """The charge that `key` still stands for."""
        if key not in self._lines:
            return None
        number = self._lines[key][-1]
        entry = _entry(self._journal.line(number), number, self._journal)
        return entry if _now_ms() - entry.created_ms < KEY_LIFE_MS else None

    def _money_of(self, charge_id: str) -> Money:
        """What is left of a charge that is in the journal."""
        if charge_id not in self._money:
            number = int(charge_id.removeprefix("ch_"))
            if not 0 < number <= len(self._journal):
                return Money()  # never charged: nothing is there
            entry = _entry(self._journal.line(number), number, self._journal)
            self._money[charge_id] = Money.of(entry) if entry.id == charge_id else Money()
        return self._money[charge_id]

    def _lines_of(self, query: bytes) -> tuple[list[bytes], int | None]:
        fields = http.query_fields(query, LIST_FIELDS)
        after = http.query_number(fields, "after", 0, low=0, high=CHARGES_MAX)
        limit = http.query_number(fields, "limit", PAGE_MAX, low=1, high=PAGE_MAX)
        if "idempotency_key" in fields:
            numbers = self._lines.get(fields["idempotency_key"], ())
            return [self._journal.line(number) for number in numbers], None
        lines = self._journal.page(after, limit)
        reached = after + len(lines)
        return lines, reached if reached < len(self._journal) else None

    def _index(self, entry: Entry) -> None:
        key = entry.idempotency_key
        self._lines[key] = (*self._lines.get(key, ()), entry.sequence)


def _parse(kind: charges.Kind, exchange: Exchange) -> tuple[str, Order | MoneyOrder]:
    key = exchange.header(b"idempotency-key")
    if not KEY_PATTERN.fullmatch(key):
        detail = "send an Idempotency-Key of 1 to 255 visible ASCII characters"
        raise Refusal(400, "idempotency_key_required", detail)
    if exchange.header(b"content-type").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "unsupported_media_type", "send content-type: application/json")
    try:
        order = charges.ORDERS[kind].decode(exchange.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "invalid_order", str(error)) from error
    if isinstance(order, Order) and order.payment_method not in charges.OUTCOMES:
        detail = f"unknown payment_method; known are {', '.join(charges.OUTCOMES)}"
        raise Refusal(400, "unknown_payment_method", detail)
    return key, order


def _faults(exchange: Exchange) -> Faults:
    try:
        return msgspec.json.decode(exchange.body, type=Faults)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "invalid_faults", str(error)) from error


def _replay(
    earlier: Entry, kind: charges.Kind, order: Order | MoneyOrder, exchange: Exchange
) -> None:
    if not earlier.answers(kind, order):
        detail = f"this key had other parameters before, as {earlier.id}"
        raise Refusal(400, "idempotency_key_reused", detail)
    exchange.answer(200, _as_json(earlier), http.JSON | {"idempotent-replayed": "true"})


def _as_json(entry: Entry) -> bytes:
    return msgspec.json.encode(msgspec.convert(entry, Charge, from_attributes=True))


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
    connections = serving.Connections()
    journal = Journal(options.journal, sync=True)
    provider = Provider(journal, Faults(p50_ms=options.latency_ms, p99_ms=options.latency_ms))
    door = serving.Door(
        "charges",
        "--port",
        options.port,
        partial(http.HttpConnection, provider.dispatch, connections),
    )
    await serving.serve(options.listen, [door], connections)
    journal.close()


def main() -> int:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local.outside.provider", description=__doc__)
    serving.add_options(parser)
    parser.add_argument(
        "--port",
        type=arguments.port,
        default=5090,
        metavar="PORT",
        help="port of /charges (default: %(default)s)",
    )
    parser.add_argument(
        "--latency-ms",
        type=arguments.number(0, LATENCY_MS_MAX),
        default=0,
        metavar="MS",
        help="how long a charge takes before it has its effect (default: %(default)s)",
    )
    return serving.run("provider", _serve(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
