"""The payments and records that rows are made of, read page by page from a report's cursor."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from backend.clock import DAY_MS
from payments.balances import PERIOD_MS, unmarked_since_ms
from payments.provider import Effect
from payments.reports import rows, settlement
from payments.reports.rows import Row, Totals
from payments.reports.schema import Cursor, Place, Report
from payments.schema import Payment

PAGE = 200  # payments read at once: requests of clients wait behind one read
BEFORE_MS = DAY_MS  # our entries follow the provider's lines, at once or after a long disturbance
AFTER_MS = 3_600_000  # or are before them, by clocks that differ


class RecordGone(Exception):
    """The provider's record begins after the period."""


class Page(NamedTuple):
    """Some rows, and where the next are; no cursor after the last."""

    rows: Sequence[Row]
    cursor: Cursor | None


class Payments(Protocol):
    """The store of payments; `payments.store` says what each function guarantees."""

    def find_many(self, payment_ids: Collection[str]) -> dict[str, Payment]: ...

    def made(self, tenant: str, after: Place, *, before_ms: int, limit: int) -> list[Payment]: ...


class Periods(Protocol):
    """The store of balances; `payments.balance_store` says what the function guarantees."""

    def changed_since(self, tenant: str, time_ms: int, *, start_ms: int) -> int | None: ...


class Lines(Protocol):
    """The store of reports; `reports.store` says what each function guarantees."""

    def note_lines(self, report_id: str, keys: Collection[str]) -> None: ...

    def noted_lines(self, report_id: str, keys: Collection[str]) -> set[str]: ...


class Provider(Protocol):
    """A provider's record; see `payments.provider`."""

    def effects(self, after: int) -> list[Effect]: ...

    def line_before(self, time_ms: int) -> int | None: ...


class Sources:
    """What reports read: payments, and the record of each provider by its name."""

    def __init__(
        self,
        payments: Payments,
        periods: Periods,
        lines: Lines,
        providers: Sequence[tuple[str, Provider]],
        page: int = PAGE,
    ) -> None:
        self._payments = payments
        self._periods = periods
        self._lines = lines
        self._providers = providers
        self._page = page

    def read(self, report: Report, totals: Totals) -> Page:
        """Return the next rows of a report, added to its totals.

        Raises RecordGone, and ProviderUnavailable.
        """
        with_providers = report.type in ("payout", "mismatches")
        if with_providers and report.cursor.provider < len(self._providers):
            return self._read_record(report, totals)
        payments, cursor = self._next_payments(report)
        if with_providers:
            return Page(self._without_line(report, payments, totals), cursor)
        found = [row for each in payments for row in rows.of_payment(report, each, totals)]
        return Page(found, cursor)

    def _next_payments(self, report: Report) -> tuple[list[Payment], Cursor | None]:
        """Return payments that may have entries in the period, in the order of their making.

        Those that were made long before it are looked for in the ten minutes that are marked as
        changed since.
        """
        place = Place(report.cursor.payment_id, report.cursor.created_ms)
        whole_ms = report.start_ms
        if report.type != "payments":
            whole_ms = unmarked_since_ms(report.start_ms)
        end_ms = report.end_ms
        if place.created_ms < whole_ms:
            start_ms = place.created_ms // PERIOD_MS * PERIOD_MS
            changed_ms = None
            if report.type != "payments":
                changed_ms = self._periods.changed_since(
                    report.tenant, report.start_ms, start_ms=start_ms
                )
            if changed_ms is None or changed_ms >= whole_ms:
                place = Place("", whole_ms)
            else:
                place = max(place, Place("", changed_ms), key=lambda each: each.created_ms)
                end_ms = changed_ms + PERIOD_MS
        page = self._payments.made(report.tenant, place, before_ms=end_ms, limit=self._page)
        if len(page) == self._page:
            return page, _at(report.cursor, page[-1].created_ms, page[-1].id)
        return page, None if end_ms == report.end_ms else _at(report.cursor, end_ms, "")

    def _read_record(self, report: Report, totals: Totals) -> Page:
        """Return the rows of the next lines of a provider's record."""
        name, provider = self._providers[report.cursor.provider]
        line = report.cursor.line
        if line is None:
            line = _line_before(provider, report.start_ms)
        effects = [
            each for each in provider.effects(line) if each.created_ms < report.end_ms + AFTER_MS
        ]
        if not effects:
            return Page((), Cursor(provider=report.cursor.provider + 1))
        payments = {
            each.id: each
            for each in self._payments.find_many({each.reference for each in effects}).values()
            if (each.tenant, each.provider) == (report.tenant, name)
        }
        mine = [each for each in effects if each.reference in payments]
        keys = {key for each in mine for key in settlement.keys_of(each)}
        self._lines.note_lines(report.id, keys)
        found: list[Row] = []
        for effect in mine:
            if not report.start_ms <= effect.created_ms < report.end_ms:
                continue
            payment = payments[effect.reference]
            for row, theirs, ours in settlement.of_provider(payment, effect):
                if report.type == "payout" or row[-1]:
                    settlement.add(totals, theirs, (payment.currency, ours))
                    found.append(row)
        return Page(found, replace(report.cursor, line=effects[-1].sequence))

    def _without_line(
        self, report: Report, payments: Sequence[Payment], totals: Totals
    ) -> list[Row]:
        """Return the rows of entries that no line of a record is of."""
        entered = [
            (payment, entry, line)
            for payment in payments
            for entry, line in settlement.posted_lines(
                payment, rows.entries_of(payment, report.start_ms, report.end_ms)
            )
        ]
        known = self._lines.noted_lines(report.id, {line.key for _, _, line in entered})
        found: list[Row] = []
        for payment, entry, line in entered:
            if line.key not in known:
                settlement.add(totals, None, (line.currency, line.amount))
                found.append(settlement.of_ledger(payment, entry, line))
        return found


def _line_before(provider: Provider, start_ms: int) -> int:
    """Return the line to read on from: a day before the period, or where the record begins."""
    for time_ms in (start_ms - BEFORE_MS, start_ms):
        line = provider.line_before(time_ms)
        if line is not None:
            return line
    raise RecordGone


def _at(cursor: Cursor, created_ms: int, payment_id: str) -> Cursor:
    return replace(cursor, created_ms=created_ms, payment_id=payment_id)
