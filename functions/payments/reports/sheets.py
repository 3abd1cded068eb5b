"""Rows as text: CSV as RFC 4180 has it and spreadsheets may open it, or JSON Lines."""

import csv
import io
from collections.abc import Iterable, Sequence

import msgspec

from payments.reports.schema import ReportFormat

# A spreadsheet takes a cell that begins so for a formula; OWASP's list, with the wide letters that
# some programs take for the same.
FORMULAS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


class Sheet:
    """The text of some rows; the first one of a file has the names of its columns."""

    def __init__(self, format: ReportFormat, columns: Sequence[str], *, is_first: bool) -> None:
        self._format = format
        self._columns = columns
        self._lines = io.BytesIO()
        if is_first and format == "csv":
            self._write_csv([columns])

    @property
    def size(self) -> int:
        """Its length so far, bytes."""
        return self._lines.tell()

    def text(self) -> bytes:
        """Return all of it."""
        return self._lines.getvalue()

    def add(self, rows: Sequence[Sequence[object]]) -> None:
        """Append rows."""
        if self._format == "csv":
            self._write_csv([[_cell(each) for each in row] for row in rows])
            return
        objects = [dict(zip(self._columns, row, strict=True)) for row in rows]
        self._lines.write(msgspec.json.Encoder().encode_lines(objects))

    def _write_csv(self, rows: Iterable[Sequence[object]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        self._lines.write(text.getvalue().encode())


def _cell(value: object) -> object:
    """Return what a cell holds: a text that looks like a formula gets an apostrophe before it."""
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    if isinstance(value, str) and value.startswith(FORMULAS):
        return f"'{value}"
    return value
