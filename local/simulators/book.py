"""The provider's book: what the lines of its journal mean for the orders after them."""

import time
from collections.abc import Callable
from itertools import islice
from typing import Any

from msgspec.structs import replace

from local.simulators import charges
from local.simulators.charges import DisputeOrder, Entry, Money, MoneyOrder
from local.simulators.disputes import Disputes
from local.simulators.journal import Journal
from local.simulators.orders import entry_of
from local.simulators.timers import REAL, Timers

KEY_LIFE_MS = 24 * 3600 * 1000  # as at Stripe: a key used again after a day charges again
TRIES_MAX = 101  # of a payment: the first and as many as it takes operations
UNASKED = ("confirmation", "dispute", "lapse")  # nobody ordered them, so webhooks tell of them


class Book:
    """Charges with the money that is left of each, and what waits for a customer or a time."""

    def __init__(self, journal: Journal) -> None:
        self.disputes = Disputes()
        self.timers = Timers()
        self.unconfirmed: dict[str, Entry] = {}  # charges that wait for a customer, by reference
        self.lines: dict[str, tuple[int, ...]] = {}  # idempotency key -> its lines in the journal
        self._journal = journal
        self._money: dict[str, Money] = {}  # by charge; none where nothing was done with it
        for number, line in enumerate(journal.replay(), start=journal.first):
            entry = entry_of(line, number, journal)
            self.index(entry)
            self.take_effect(entry)

    def is_kept(self, number: int) -> bool:
        """Tell whether the journal has a line of this number."""
        return self._journal.first <= number <= len(self._journal)

    def entry(self, number: int) -> Entry | None:
        """Return a line, unless it is not kept."""
        if not self.is_kept(number):
            return None
        return entry_of(self._journal.line(number), number, self._journal)

    def earlier(self, key: str) -> Entry | None:
        """Return the charge that `key` still stands for."""
        entry = self.entry(self.lines.get(key, (0,))[-1])
        return entry if entry and now_ms() - entry.created_ms < KEY_LIFE_MS else None

    def charge_of(self, reference: str) -> Entry | None:
        """Return the last try of a payment's charge, the only one that may have succeeded."""
        for number in range(TRIES_MAX, 1, -1):
            if lines := self.lines.get(f"{reference}:charge:{number}"):
                return self.entry(lines[-1])
        return self.entry(self.lines.get(f"{reference}:charge", (0,))[-1])

    def money_of(self, charge_id: str) -> Money:
        """Return the money that is left of a charge in the journal."""
        if charge_id not in self._money:
            entry = self.entry(number_of(charge_id))
            if entry is None:
                return Money()  # never charged, or no longer known: nothing is there
            self._money[charge_id] = Money.of(entry) if entry.id == charge_id else Money()
        return self._money[charge_id]

    def now_ms(self, charge_id: str) -> int:
        """Return the time by the clock of a charge."""
        clock = self.money_of(charge_id).clock
        return self.timers.now_ms(clock) if clock else now_ms()

    def is_possible(self, kind: charges.Kind, order: MoneyOrder | DisputeOrder) -> bool:
        """Return whether the money is there; a void of nothing gives up a charge that waits."""
        if isinstance(order, DisputeOrder):
            return self.disputes.takes(order, now_ms=self.now_ms(order.charge))
        if kind == "void" and order.amount == 0:
            waiting = self.unconfirmed.get(order.reference)
            return waiting is not None and waiting.id == order.charge
        return self.money_of(order.charge).has(kind, order.amount)

    def stamped(self, entry: Entry) -> Entry:
        """Return a new line with the time of its charge's test clock, if that has one."""
        clock = self.money_of(entry.charge).clock if entry.charge else ""
        if not clock:
            return entry
        at_ms = self.timers.now_ms(clock)
        dispute = replace(entry.dispute, clock_ms=at_ms) if entry.dispute else entry.dispute
        return replace(entry, test_clock=clock, clock_ms=at_ms, dispute=dispute)

    def take_effect(self, entry: Entry) -> None:
        """Keep what the entry means for the orders after it."""
        if entry.test_clock:
            self.timers.move(entry.test_clock, entry.clock_ms or 0)
        if entry.kind in ("charge", "confirmation"):
            self._begin(entry)
        elif entry.dispute:
            self._dispute(entry.dispute, entry)
        elif entry.charge and entry.status == "succeeded":
            self._move(entry, entry.charge)

    def _begin(self, entry: Entry) -> None:
        """Keep what a charge, or a customer's confirmation of one, has moved."""
        charge_id = entry.charge or entry.id
        if entry.status == "requires_action":
            self.unconfirmed[entry.reference] = entry
        if entry.kind == "confirmation":
            self.unconfirmed.pop(entry.reference, None)
        if entry.kind == "confirmation" or entry.test_clock or charges.is_disputed(entry):
            self._money[charge_id] = Money.of(entry)  # before its line is written
        if entry.status == "succeeded" and not entry.captured:
            at_ms = (entry.clock_ms or entry.created_ms) + charges.HOLD_MS
            self.timers.add(entry.test_clock or REAL, at_ms, charge_id)

    def _move(self, entry: Entry, charge_id: str) -> None:
        if entry.kind == "void" and entry.amount == 0:
            self.unconfirmed.pop(entry.reference, None)
            return
        self.money_of(charge_id).move(entry.kind, entry.amount)
        if entry.kind == "lapse":
            self.timers.note(entry.test_clock or REAL, entry.sequence)

    def _dispute(self, dispute: charges.Dispute, entry: Entry) -> None:
        clock = entry.test_clock or REAL
        self.money_of(dispute.charge).dispute(dispute)
        self.disputes.take(dispute)
        self.timers.note(clock, entry.sequence)
        if dispute.status == "needs_response":
            self.timers.add(clock, dispute.due_ms, dispute.id)

    def index(self, entry: Entry) -> None:
        """Find a written line by its key from now on."""
        if entry.kind in UNASKED:
            return  # a repeat of its charge is answered as at first
        key = entry.idempotency_key
        self.lines[key] = (*self.lines.pop(key, ()), entry.sequence)
        self._forget()

    def _forget(self) -> None:
        """Forget what belongs to dropped lines, two entries of each kind with each new line.

        All at once would hold up everybody for a second.
        """
        first = self._journal.first
        _drop(self.lines, lambda key: self.lines[key][-1] < first)
        _drop(self._money, lambda charge_id: number_of(charge_id) < first)
        _drop(self.disputes.lost, lambda dispute_id: number_of(dispute_id) < first)
        _drop(self.unconfirmed, lambda reference: self.unconfirmed[reference].sequence < first)


def _drop(entries: dict[str, Any], is_old: Callable[[str], bool]) -> None:
    """Delete up to two of the first entries, which are old before others are."""
    for key in list(islice(entries, 2)):
        if is_old(key):
            del entries[key]


def number_of(id_: str) -> int:
    """Return the number of the line that made a charge, or opened a dispute."""
    return int(id_.partition("_")[2])


def now_ms() -> int:
    """Return the time now, ms since the epoch."""
    return time.time_ns() // 1_000_000
