"""The operations on reports: asking for one, finding it. Knows no HTTP, MongoDB or files."""

from functools import partial
from typing import Protocol

from msgspec.structs import replace

from backend import ids
from backend.errors import InvalidRequest, InvalidState, KeyReused, NotFound
from backend.pages import PageQuery, page_of
from payments.balances import CHANGE_MS
from payments.life_cycle import fingerprint
from payments.reports.schema import OF_PROVIDERS, Cursor, Report, ReportRequest, Written

OPEN_MAX = 10  # of a tenant: they are built one after the other
KEPT_MAX = 1_000  # of a tenant, whose files are kept for LIFE_MS
SETTLED_MS = CHANGE_MS  # after its end: who changes a payment at its last moment has done so then
# The reconciler enters a fee once the provider's record has it and no queue waits; it is minutes.
SETTLED_WITH_PROVIDER_MS = 600_000


class Reports(Protocol):
    """The store of reports; `reports.store` says what each function guarantees."""

    def insert(self, report: Report) -> Report | None: ...

    def find(self, tenant: str, report_id: str) -> Report | None: ...

    def page(
        self, tenant: str, *, limit: int, after: Report | None, before: Report | None
    ) -> list[Report]: ...

    def count(self, tenant: str, *, at_most: int, is_open: bool) -> int: ...


def create(
    request: ReportRequest, *, key: str, tenant: str, reports: Reports, now_ms: int
) -> tuple[Report, bool]:
    """Store a report that is to be built; returns it as it was made, and whether that was before.

    Its id comes from the key, so a repeat finds the first one. Raises KeyReused when the same key
    comes with another request, InvalidRequest where the period is not over, and InvalidState where
    there are too many.
    """
    report = _new(request, key, tenant, now_ms)
    existing = reports.find(tenant, report.id)
    if existing is None:
        if request.end_ms > now_ms:
            detail = "The period is not over: `period_end` is in the future."
            raise InvalidRequest(detail, param="period_end")
        _check_count(tenant, reports)
        existing = reports.insert(report)
    if existing is None:
        return report, False
    if existing.fingerprint != report.fingerprint:
        raise KeyReused
    return as_made(existing), True


def find(report_id: str, *, tenant: str, reports: Reports) -> Report:
    """Return a report of this tenant; raises NotFound."""
    report = reports.find(tenant, report_id)
    if report is None:
        raise NotFound("There is no such report.", param="report_id")
    return report


def finished(report_id: str, *, tenant: str, reports: Reports) -> Report:
    """Return a report that has a content; raises NotFound, and InvalidState where it has none."""
    report = find(report_id, tenant=tenant, reports=reports)
    if report.status == "pending":
        raise InvalidState("The report is pending; ask for its content once it has succeeded.")
    if report.status == "failed":
        raise InvalidState("The report failed, so it has no content; `failure` of it says why.")
    return report


def newest(query: PageQuery, *, tenant: str, reports: Reports) -> tuple[list[Report], bool]:
    """Return one page of reports, newest first, and whether there are more."""
    return page_of(query, find=partial(reports.find, tenant), read=partial(reports.page, tenant))


def as_made(report: Report) -> Report:
    """Return a report as it was when it was made."""
    return replace(
        report,
        status="pending",
        cursor=Cursor(),
        written=Written(),
        rows=0,
        totals=(),
        finished_ms=None,
        failure=None,
    )


def _new(request: ReportRequest, key: str, tenant: str, now_ms: int) -> Report:
    with_provider = request.type in OF_PROVIDERS
    settled_ms = SETTLED_WITH_PROVIDER_MS if with_provider else SETTLED_MS
    due_ms = max(now_ms, request.end_ms + settled_ms)
    return Report(
        id=ids.derived("rep_", tenant, "POST /v1/reports", key),
        tenant=tenant,
        fingerprint=fingerprint(request),
        type=request.type,
        format=request.format,
        start_ms=request.start_ms,
        end_ms=request.end_ms,
        created_ms=now_ms,
        status="pending",
        version=1,
        due_ms=due_ms,
        turn_ms=due_ms,
    )


def _check_count(tenant: str, reports: Reports) -> None:
    bounds = (
        (OPEN_MAX, True, "reports wait to be built; ask again when one of them is over."),
        (KEPT_MAX, False, "reports exist; each is deleted after 30 days."),
    )
    for at_most, is_open, sentence in bounds:
        if reports.count(tenant, at_most=at_most, is_open=is_open) >= at_most:
            raise InvalidState(f"{at_most:,} {sentence}", code="too_many_reports")
