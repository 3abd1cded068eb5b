"""Reports are built in steps, each from the report's document to its next version.

A step reads on from the report's cursor, writes behind what its file has, and then stores the
cursor with what is written. Whoever dies in between has done nothing: the next step begins at the
same place, so that no row is there twice and none is missing.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec.structs import replace

from backend.clock import DAY_MS
from backend.errors import Unavailable
from backend.telemetry import logger
from payments.reports.files import Files
from payments.reports.rows import COLUMNS, Totals
from payments.reports.schema import FailureCode, Report
from payments.reports.sheets import Sheet
from payments.reports.sources import Page, RecordGone

STEP_BYTES = 5 * 2**20  # written at once, and the most that a step holds besides a page
STEP_MS = 10_000  # in which a step reads, though it has less to write
LEASE_MS = 90_000  # longer than the function's time-out: who has it is dead by then
RETRY_MS = 10_000  # after a provider or a store of files did not answer
DEADLINE_MS = DAY_MS  # after which a report that is not built fails
ROWS_MAX = 5_000_000  # a gigabyte


class Reports(Protocol):
    """The store of reports; `reports.store` says what each function guarantees."""

    def next_due(self, now_ms: int, *, but: Sequence[str]) -> Report | None: ...

    def pass_turn(self, tenant: str, *, now_ms: int) -> None: ...

    def replace(self, report: Report) -> bool: ...


class Sources(Protocol):
    """What rows are made of; `reports.sources` reads it."""

    def read(self, report: Report, totals: Totals) -> Page: ...


def build_due(
    *,
    reports: Reports,
    sources: Sources,
    files: Files,
    clock_ms: Callable[[], int],
    until_ms: int,
) -> int:
    """Take steps of due reports until that time, or until nothing is due; returns how many.

    Tenants take turns, and of each no more than one report is worked on at a time.
    """
    steps = 0
    # Tenants whose report somebody else works on, or cannot be built now.
    others: list[str] = []
    while (now_ms := clock_ms()) < until_ms:
        report = reports.next_due(now_ms, but=others)
        if report is None:
            break
        reports.pass_turn(report.tenant, now_ms=now_ms)
        leased = _next(report, lease_ms=now_ms + LEASE_MS, turn_ms=now_ms)
        if report.lease_ms > now_ms or not reports.replace(leased):
            others.append(report.tenant)
            continue
        try:
            after = step(leased, sources=sources, files=files, clock_ms=clock_ms)
        except Unavailable as error:  # of the store of documents, the next call says so too
            logger.warning("report waits", extra={"report_id": report.id, "reason": error.detail})
            others.append(report.tenant)
            after = replace(leased, turn_ms=now_ms + RETRY_MS)
        reports.replace(_next(after, lease_ms=0))
        steps += 1
    return steps


def step(report: Report, *, sources: Sources, files: Files, clock_ms: Callable[[], int]) -> Report:
    """Return `report` with what one step adds to it; its file is then written so far.

    Raises Unavailable where a source or the store of files does not answer.
    """
    begun_ms = clock_ms()
    if begun_ms > max(report.due_ms, report.created_ms) + DEADLINE_MS:
        return _failed(report, "took_too_long", begun_ms)
    is_first = not report.written.size and not report.rows
    sheet = Sheet(report.format, COLUMNS[report.type], is_first=is_first)
    totals, current, is_over = Totals(report.totals), report, False
    while not is_over:
        try:
            page = sources.read(current, totals)
        except RecordGone:
            return _failed(report, "record_gone", begun_ms)
        sheet.add(page.rows)
        is_over = page.cursor is None
        rows = current.rows + len(page.rows)
        current = replace(current, cursor=page.cursor or current.cursor, rows=rows)
        if sheet.size >= STEP_BYTES or clock_ms() >= begun_ms + STEP_MS:
            break
    if current.rows > ROWS_MAX:
        return _failed(report, "too_many_rows", begun_ms)
    written = files.append(report.file_name, report.written, sheet.text())
    current = replace(current, written=written, totals=tuple(totals))
    if not is_over:
        return current
    files.finish(report.file_name, written)
    return replace(current, status="succeeded", finished_ms=clock_ms(), turn_ms=None)


def _failed(report: Report, failure: FailureCode, now_ms: int) -> Report:
    return replace(report, status="failed", failure=failure, finished_ms=now_ms, turn_ms=None)


def _next(report: Report, **changes: object) -> Report:
    return replace(report, version=report.version + 1, **changes)
