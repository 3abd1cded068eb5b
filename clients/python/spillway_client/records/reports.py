"""The records of reports."""

from dataclasses import dataclass
from datetime import datetime

from spillway_client.records.payments import Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportTotal:
    """The entries of a report that touch one account in one currency; a debit counts positive."""

    currency: str
    account: str
    posted: int
    pending: int
    entries: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A report of a period; its content is in so many `parts` once it has `succeeded`."""

    id: str
    type: str
    format: str
    period_start: datetime
    period_end: datetime
    status: str
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime
    rows: int
    bytes: int
    parts: int
    totals: tuple[ReportTotal, ...]
    url: str | None
    failure: Failure | None
