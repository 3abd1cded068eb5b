"""The payments and records that rows are made of, read page by page from a report's cursor."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from backend.clock import DAY_MS
from payments.balances import PERIOD_MS, unmarked_since_ms
from payments.provider import Effect
from payments.reports import rows, settlement
from payments.reports.rows import Row, Totals
from payments.reports.schema import OF_PROVIDERS, Cursor, Place, Report
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
        with_providers = report.type in OF_PROVIDERS
        if with_providers and report.cursor.provider < len(self._providers):
            return self._read_record(report, totals)
        payments, cursor = self._next_payments(report)
        if with_providers:
            return Page(self._without_line(report, payments, totals), cursor)
        ledger_rows = [row for each in payments for row in rows.of_payment(report, each, totals)]
        return Page(ledger_rows, cursor)

    def _next_payments(self, report: Report) -> tuple[list[Payment], Cursor | None]:
        """Return payments that may have entries in the period, in the order of their making."""
        place, end_ms = self._next_span(report)
        page = self._payments.made(report.tenant, place, before_ms=end_ms, limit=self._page)
        if len(page) == self._page:
            return page, _at(report.cursor, page[-1].created_ms, page[-1].id)
        return page, None if end_ms == report.end_ms else _at(report.cursor, end_ms, "")

    def _next_span(self, report: Report) -> tuple[Place, int]:
        """Return the place behind which payments are to be read, and the time before which.

        Those that were made long before the period are looked for in the ten minutes that are
        marked as changed since it began.
        """
        place = Place(report.cursor.payment_id, report.cursor.created_ms)
        if report.type == "payments":
            return max(place, Place("", report.start_ms), key=_time_of), report.end_ms
        whole_ms = unmarked_since_ms(report.start_ms)
        if place.created_ms >= whole_ms:
            return place, report.end_ms
        start_ms = place.created_ms // PERIOD_MS * PERIOD_MS
        marked_ms = self._periods.changed_since(report.tenant, report.start_ms, start_ms=start_ms)
        if marked_ms is None or marked_ms >= whole_ms:
            return Place("", whole_ms), report.end_ms
        return max(place, Place("", marked_ms), key=_time_of), marked_ms + PERIOD_MS

    def _read_record(self, report: Report, totals: Totals) -> Page:
        """Return the rows of the next lines of a provider's record."""
        name, provider = self._providers[report.cursor.provider]
        line = report.cursor.line
        if line is None:
            line = _line_before(provider, report.start_ms)
        last_ms = report.end_ms + AFTER_MS
        effects = [each for each in provider.effects(line) if each.created_ms < last_ms]
        if not effects:
            return Page((), Cursor(provider=report.cursor.provider + 1))
        record_rows: list[Row] = []
        for first in range(0, len(effects), self._page):
            batch = effects[first : first + self._page]
            record_rows += self._rows_of(report, name, batch, totals)
        return Page(record_rows, replace(report.cursor, line=effects[-1].sequence))

    def _rows_of(
        self, report: Report, provider: str, effects: Sequence[Effect], totals: Totals
    ) -> list[Row]:
        """Return the rows of lines of this tenant's payments, and note their keys."""
        payments = self._payments.find_many({each.reference for each in effects})
        pairs = [
            (each, payment)
            for each in effects
            if (payment := payments.get(each.reference))
            and (payment.tenant, payment.provider) == (report.tenant, provider)
        ]
        keys = {key for effect, _ in pairs for key in settlement.keys_of(effect)}
        self._lines.note_lines(report.id, keys)
        record_rows: list[Row] = []
        for effect, payment in pairs:
            if not report.start_ms <= effect.created_ms < report.end_ms:
                continue
            for row, theirs, ours in settlement.of_provider(payment, effect):
                if report.type == "payout" or row[-1]:
                    settlement.add(totals, theirs, (payment.currency, ours))
                    record_rows.append(row)
        return record_rows

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
        ledger_rows: list[Row] = []
        for payment, entry, line in entered:
            if line.key not in known:
                settlement.add(totals, None, (line.currency, line.amount))
                ledger_rows.append(settlement.of_ledger(payment, entry, line))
        return ledger_rows


def _line_before(provider: Provider, start_ms: int) -> int:
    """Return the line to read on from: a day before the period, or where the record begins."""
    for time_ms in (start_ms - BEFORE_MS, start_ms):
        line = provider.line_before(time_ms)
        if line is not None:
            return line
    raise RecordGone


def _time_of(place: Place) -> int:
    return place.created_ms


def _at(cursor: Cursor, created_ms: int, payment_id: str) -> Cursor:
    return replace(cursor, created_ms=created_ms, payment_id=payment_id)
