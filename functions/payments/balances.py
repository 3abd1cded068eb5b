"""The sums of a tenant's payments: those of past periods are stored, a read adds the rest.

Payments belong to the ten minutes in which they were made, for good. A period that is over is added
up once ("folded"). Whoever changes a payment later marks its period first ("touches" it): reads
add up a touched period's payments themselves, until it is folded again. No sum is ever added to, so
a crash anywhere leaves nothing wrong, and all can be made anew from the payments.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from msgspec import Struct

from backend.clock import rfc3339
from payments.schema import Payment

Sums = Mapping[str, Mapping[str, int]]  # by currency, under the names that NOTHING has

PERIOD_MS = 600_000  # at most 52,560 a year and currency, whose sums a read adds up: 7 us each
CHANGE_MS = 120_000  # from touch to change: twice a function's longest time-out, as clocks differ
CLOSED_MS = 600_000  # after its end a period is folded; most payments are settled for good by then
SLICE_MS = 60_000  # added up at once in a fold: the store has to answer within its second
ROUNDS_MAX = 200  # a run; the next one takes the rest
PAYMENTS_MAX = 500_000  # added up in a run: 5 s of the store's CPU

NOTHING = dict.fromkeys(
    (
        *("payments", "captured", "refunded", "held", "refunding"),
        *("disputing", "disputed", "fees"),
    ),
    0,
)


class Period(Struct, frozen=True, kw_only=True):
    """One period of a tenant's payments in one currency, and its changes; no sums."""

    tenant: str
    currency: str
    start_ms: int
    touches: int = 0  # tells whether it was touched since it was read
    touched_ms: int | None = None  # the last time, unless it was folded since

    @property
    def id(self) -> str:
        return f"{self.tenant} {self.currency} {self.start_ms}"


class Pointer(Struct, frozen=True, kw_only=True):
    """The time up to which all periods of a tenant are folded, or touched."""

    tenant: str
    up_to_ms: int


class Balances(Protocol):
    """The store of sums; `payments.balance_store` says what each function guarantees."""

    def pointer(self, tenant: str) -> Pointer: ...

    def pointers(self) -> list[Pointer]: ...

    def least_behind(self, time_ms: int) -> Pointer | None: ...

    def advance(self, pointer: Pointer, up_to_ms: int) -> None: ...

    def periods(self, tenant: str, start_ms: int) -> list[Period]: ...

    def touched(self, tenant: str) -> list[Period]: ...

    def touched_before(self, time_ms: int, *, limit: int) -> list[Period]: ...

    def sums(self, tenant: str, *, since_ms: int, before_ms: int) -> Sums: ...

    def put(self, period: Period, sums: Mapping[str, int]) -> None: ...


class Payments(Protocol):
    """The store of payments; `payments.store` says what each function guarantees."""

    def sums(self, tenant: str, *, since_ms: int = 0, before_ms: int | None = None) -> Sums: ...

    def first_made(self, tenant: str, *, since_ms: int) -> int | None: ...


def total(tenant: str, *, balances: Balances, payments: Payments) -> Sums:
    """Return the sums of all payments of a tenant.

    A tenant that asks for the first time has its periods folded from then on. What is touched is
    looked up first: a period that is touched afterwards changes after this read began.
    """
    up_to_ms = balances.pointer(tenant).up_to_ms
    starts = {each.start_ms for each in balances.touched(tenant) if each.start_ms < up_to_ms}
    touched = [(at, at + PERIOD_MS) for at in sorted(starts)]
    between = zip(
        [0, *(end for _, end in touched)], [*(at for at, _ in touched), up_to_ms], strict=True
    )
    return _together(
        [
            *(balances.sums(tenant, since_ms=at, before_ms=end) for at, end in between),
            *(payments.sums(tenant, since_ms=at, before_ms=end) for at, end in touched),
            payments.sums(tenant, since_ms=up_to_ms),
        ]
    )


def late(payments: Iterable[Payment], *, now_ms: int) -> set[Period]:
    """Return the periods to touch before these payments are changed, by who began at `now_ms`.

    They are those that may be folded before the change is stored; recent payments have none.
    """
    before_ms = unmarked_since_ms(now_ms)
    return {
        Period(tenant=each.tenant, currency=each.currency, start_ms=_start(each.created_ms))
        for each in payments
        if each.created_ms < before_ms
    }


def unmarked_since_ms(time_ms: int) -> int:
    """Return since when payments are made whose changes from `time_ms` on may mark no period."""
    return _start(time_ms - CLOSED_MS + CHANGE_MS)


def fold(*, balances: Balances, payments: Payments, now_ms: int) -> int:
    """Fold what was touched, then what is new, within bounds; returns how many payments it read.

    The tenant that is least behind comes first: one with a long past keeps nobody waiting.
    """
    read = 0
    for period in balances.touched_before(now_ms - CHANGE_MS, limit=ROUNDS_MAX):
        if read < PAYMENTS_MAX:
            sums = _added_up(period.tenant, period.start_ms, payments)
            balances.put(period, sums.get(period.currency, NOTHING))
            read += _count(sums)
    closed_ms = _start(now_ms - CLOSED_MS)
    for _ in range(ROUNDS_MAX):
        pointer = balances.least_behind(closed_ms)
        if pointer is None or read >= PAYMENTS_MAX:
            break
        read += _fold_next(pointer, closed_ms, balances, payments)
    return read


def differences(*, balances: Balances, payments: Payments) -> list[str]:
    """Add up again all that is folded; returns where other sums are kept, a sentence each.

    What is touched is left out, because reads do not take its sums. It is looked up last: who
    changes payments touches them first, and for CHANGE_MS nobody folds what was touched.
    """
    unlike: list[str] = []
    for pointer in balances.pointers():
        tenant, start_ms = pointer.tenant, 0
        while start_ms < pointer.up_to_ms:
            added, end_ms = _next_span(pointer, start_ms, payments)
            stored = balances.sums(tenant, since_ms=start_ms, before_ms=end_ms)
            starts = range(start_ms, end_ms)
            if _counted(stored) != _counted(added) and not any(
                each.start_ms in starts for each in balances.touched(tenant)
            ):
                span = f"from {rfc3339(start_ms)} to {rfc3339(end_ms)}"
                unlike.append(f"of {tenant}'s payments {span} other sums are kept")
            start_ms = end_ms
    return unlike


def _next_span(pointer: Pointer, start_ms: int, payments: Payments) -> tuple[Sums, int]:
    """Return the sums of a period, or none of the time without payments before it; and its end."""
    made_ms = payments.first_made(pointer.tenant, since_ms=start_ms)
    next_ms = pointer.up_to_ms if made_ms is None else min(_start(made_ms), pointer.up_to_ms)
    if next_ms > start_ms:
        return {}, next_ms
    return _added_up(pointer.tenant, start_ms, payments), start_ms + PERIOD_MS


def _counted(sums: Sums) -> Sums:
    return {currency: each for currency, each in sums.items() if each["payments"]}


def _fold_next(pointer: Pointer, closed_ms: int, balances: Balances, payments: Payments) -> int:
    made_ms = payments.first_made(pointer.tenant, since_ms=pointer.up_to_ms)
    if made_ms is None or made_ms >= closed_ms:
        balances.advance(pointer, closed_ms)
        return 0
    start_ms = _start(made_ms)
    periods = {each.currency: each for each in balances.periods(pointer.tenant, start_ms)}
    sums = _added_up(pointer.tenant, start_ms, payments)
    for currency, each in sums.items():
        new = Period(tenant=pointer.tenant, currency=currency, start_ms=start_ms)
        period = periods.get(currency, new)
        if period.touched_ms is None:  # else its change may not be stored yet
            balances.put(period, each)
    balances.advance(pointer, start_ms + PERIOD_MS)
    return _count(sums)


def _added_up(tenant: str, start_ms: int, payments: Payments) -> Sums:
    slices = range(start_ms, start_ms + PERIOD_MS, SLICE_MS)
    return _together(payments.sums(tenant, since_ms=at, before_ms=at + SLICE_MS) for at in slices)


def _together(parts: Iterable[Sums]) -> Sums:
    whole: dict[str, dict[str, int]] = {}
    for part in parts:
        for currency, sums in part.items():
            totals = whole.setdefault(currency, dict.fromkeys(sums, 0))
            for name, value in sums.items():
                totals[name] += value
    return whole


def _count(sums: Sums) -> int:
    return sum(each["payments"] for each in sums.values())


def _start(time_ms: int) -> int:
    return time_ms // PERIOD_MS * PERIOD_MS
