"""The operations of reports."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from spillway_client.calls import Calls, path_of, present
from spillway_client.operations.fields import new_key
from spillway_client.records import Report

REPORT = "/v1/reports/{report_id}"


class ReportOperations:
    """The operations of reports."""

    _calls: Calls

    def create_report(
        self,
        type: Literal["balance", "payments", "fees", "payout", "mismatches"],
        period_start: datetime,
        period_end: datetime,
        *,
        format: Literal["csv", "jsonl"] = "csv",
        idempotency_key: str | None = None,
    ) -> Report:
        """Ask for a report of a period that is over; it is `pending` until it is built."""
        body = present(type=type, period_start=period_start, period_end=period_end, format=format)
        return self._calls.send(Report, "POST", "/v1/reports", body, key=new_key(idempotency_key))

    def list_reports(
        self, *, starting_after: str | None = None, ending_before: str | None = None
    ) -> Iterator[Report]:
        """Yield reports, newest first; with `ending_before` those after it, oldest first."""
        return self._calls.pages(
            Report, "/v1/reports", starting_after=starting_after, ending_before=ending_before
        )

    def get_report(self, report_id: str) -> Report:
        """Return a report, with its totals once it is built."""
        return self._calls.get(Report, path_of(REPORT, report_id=report_id))

    def download_report(self, report_id: str) -> Iterator[bytes]:
        """Yield the content of a report that is built, a megabyte or so at a time.

        Raises Conflict where it is not built yet, or failed.
        """
        path = path_of(REPORT + "/content", report_id=report_id)
        # A report that is not built has no parts, and the API says at the first one why.
        for part in range(1, max(self.get_report(report_id).parts, 1) + 1):
            yield from self._calls.content(path, part=part)
