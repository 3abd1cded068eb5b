"""The shapes of reports: what a client asks for, a report as it is stored, its view."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct, field

from backend.clock import DAY_MS, parse_rfc3339, rfc3339
from backend.errors import Fault
from backend.shapes import Moment

PERIOD_MAX_MS = 366 * DAY_MS
LIFE_MS = 30 * DAY_MS  # of a report and its file
ReportType = Literal["balance", "payments", "fees", "payout", "mismatches"]
OF_PROVIDERS: tuple[ReportType, ...] = ("payout", "mismatches")  # they read providers' records
ReportFormat = Literal["csv", "jsonl"]
ReportStatus = Literal["pending", "succeeded", "failed"]
CONTENT_TYPES: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl; charset=utf-8",
}
FailureCode = Literal["record_gone", "too_many_rows", "took_too_long"]
MESSAGES: Mapping[FailureCode, str] = {
    "record_gone": "The provider's record no longer reaches back to this period.",
    "too_many_rows": "The period has more rows than a report takes; ask for a shorter one.",
    "took_too_long": "The report could not be built within a day; ask for it again.",
}


class ReportRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/reports; the period is from its start on, and before its end."""

    type: ReportType
    period_start: Moment
    period_end: Moment
    format: ReportFormat = "csv"

    @staticmethod
    def cross_check(fields: Mapping[str, Any]) -> Iterator[Fault]:
        """Return what is wrong with fields of which each is right by itself."""
        start, end = fields.get("period_start"), fields.get("period_end")
        if not isinstance(start, str) or not isinstance(end, str):
            return
        length_ms = _ms(end, "period_end") - _ms(start, "period_start")
        if length_ms <= 0:
            detail = "`period_end` must be after `period_start`."
            yield Fault("period_end", "invalid_value", detail)
        if length_ms > PERIOD_MAX_MS:
            detail = "A period is 366 days long at most; ask for several reports."
            yield Fault("period_end", "invalid_value", detail)

    @property
    def start_ms(self) -> int:
        """The first moment of the period."""
        return _ms(self.period_start, "period_start")

    @property
    def end_ms(self) -> int:
        """The first moment after the period."""
        return _ms(self.period_end, "period_end")


class Total(Struct, frozen=True, kw_only=True):
    """The entries of a report that touch one account in one currency; a debit counts positive."""

    currency: str
    account: str
    posted: int  # minor units
    pending: int  # minor units; less than nothing where more was resolved than promised
    entries: int


class Place(NamedTuple):
    """A place in the order of payments: what follows was made later, or has a greater id."""

    id: str
    created_ms: int


class Cursor(Struct, frozen=True, kw_only=True):
    """How far a report is: through the records of providers, and then through payments."""

    provider: int = 0  # how many providers' records are read
    line: int | None = None  # of the current one's record, the last line that was read
    created_ms: int = 0
    payment_id: str = ""


class Written(Struct, frozen=True, kw_only=True):
    """What of a report's file is safe; only its store reads the rest."""

    size: int = 0  # bytes
    upload: str = ""  # S3's name of a multipart upload
    parts: tuple[str, ...] = ()  # S3's tags of the parts
    tail: int = 0  # bytes that wait in an object of their own, as too few for a part


class Report(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One report as it is stored."""

    id: str = field(name="_id")
    tenant: str
    fingerprint: str  # of the request that made it
    type: ReportType
    format: ReportFormat
    start_ms: int
    end_ms: int
    created_ms: int
    status: ReportStatus
    version: int  # 1 when made, one more with each change
    due_ms: int = 0  # from when on it may be built: what happened in the period is stored by then
    turn_ms: int | None = None  # when its tenant had its last turn, or it is due; none when over
    lease_ms: int = 0  # until then somebody is building it
    cursor: Cursor = Cursor()
    written: Written = Written()
    rows: int = 0
    totals: tuple[Total, ...] = ()
    finished_ms: int | None = None
    failure: FailureCode | None = None

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.id}.{self.format}"


class ReportFailure(Struct, frozen=True, kw_only=True):
    """The reason why a report failed."""

    code: str
    message: str


class ReportView(Struct, frozen=True, kw_only=True):
    """A report as clients see it; `rows`, `bytes` and `totals` are those so far."""

    id: str
    type: ReportType
    format: ReportFormat
    period_start: str
    period_end: str
    status: ReportStatus
    created_at: str
    finished_at: str | None
    expires_at: str
    rows: int
    bytes: int
    parts: int  # of the content, to be fetched one by one
    totals: list[Total]
    url: str | None  # of the content, with `?part=` 1 to `parts`
    failure: ReportFailure | None


class ReportPage(Struct, frozen=True, kw_only=True):
    """One page of reports, newest first."""

    data: list[ReportView]
    has_more: bool


class ContentQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/reports/{id}/content."""

    part: Annotated[int, Meta(ge=1)] = 1


def view(report: Report, *, parts: int = 0) -> ReportView:
    """Return what a client sees of `report`, whose content has so many parts."""
    is_ready = report.status == "succeeded"
    failure = None
    if report.failure:
        failure = ReportFailure(code=report.failure, message=MESSAGES[report.failure])
    return ReportView(
        id=report.id,
        type=report.type,
        format=report.format,
        period_start=rfc3339(report.start_ms),
        period_end=rfc3339(report.end_ms),
        status=report.status,
        created_at=rfc3339(report.created_ms),
        finished_at=None if report.finished_ms is None else rfc3339(report.finished_ms),
        expires_at=rfc3339(report.created_ms + LIFE_MS),
        rows=report.rows,
        bytes=report.written.size,
        parts=parts if is_ready else 0,
        totals=list(report.totals),
        url=f"/v1/reports/{report.id}/content" if is_ready else None,
        failure=failure,
    )


def _ms(text: str, param: str) -> int:
    return parse_rfc3339(text, param=param)
