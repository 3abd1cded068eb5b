"""A report is built in steps, and whoever dies at any call of a step leaves nothing behind."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from backend.errors import ProviderUnavailable
from payments import life_cycle
from payments.provider import Effect, Outcome
from payments.reports import building, service
from payments.reports.files import Folder
from payments.reports.schema import Place, Report, ReportFormat, ReportRequest, ReportType
from payments.reports.sources import Sources
from payments.schema import Payment, PaymentRequest

MADE_MS, END_MS = 1_000_000, 2_000_000
MUCH_LATER_MS = 10_000_000


class Died(Exception):
    """The process ended here."""


class Deaths:
    """What every call passes: the one of this number is the last, by halves before or after it."""

    def __init__(self, at: int = -1) -> None:
        self.at = at
        self.calls = 0

    def pass_by(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            raise Died


class Store:
    """The stores of reports, lines, payments and periods, in memory."""

    def __init__(self, payments: Sequence[Payment], deaths: Deaths) -> None:
        self.reports: dict[str, Report] = {}
        self.lines: set[tuple[str, str]] = set()
        self._payments = sorted(payments, key=lambda each: (each.created_ms, each.id))
        self._deaths = deaths

    def next_due(self, now_ms: int, *, but: Sequence[str]) -> Report | None:
        self._deaths.pass_by()
        open_ones = [x for x in self.reports.values() if x.turn_ms and x.turn_ms <= now_ms]
        return next((each for each in open_ones if each.tenant not in but), None)

    def pass_turn(self, tenant: str, *, now_ms: int) -> None:
        self._deaths.pass_by()

    def replace(self, report: Report) -> bool:
        self._deaths.pass_by()
        is_next = self.reports[report.id].version == report.version - 1
        if is_next:
            self.reports[report.id] = report
        self._deaths.pass_by()
        return is_next

    def note_lines(self, report_id: str, keys: Any) -> None:
        self._deaths.pass_by()
        self.lines |= {(report_id, key) for key in keys}

    def noted_lines(self, report_id: str, keys: Any) -> set[str]:
        self._deaths.pass_by()
        return {each for each in keys if (report_id, each) in self.lines}

    def find_many(self, payment_ids: Any) -> dict[str, Payment]:
        return {each.id: each for each in self._payments if each.id in payment_ids}

    def made(self, tenant: str, after: Place, *, before_ms: int, limit: int) -> list[Payment]:
        self._deaths.pass_by()
        later = [
            each
            for each in self._payments
            if (each.created_ms, each.id) > (after.created_ms, after.id)
            and each.created_ms < before_ms
        ]
        return later[:limit]

    def changed_since(self, tenant: str, time_ms: int, *, start_ms: int) -> int | None:
        return None


class DyingFolder(Folder):
    """A folder whose writer may die before and after it has written."""

    def __init__(self, path: Path, deaths: Deaths) -> None:
        super().__init__(path)
        self._deaths = deaths

    def append(self, name: str, written: Any, text: bytes) -> Any:
        self._deaths.pass_by()
        after = super().append(name, written, text)
        self._deaths.pass_by()
        return after


class Record:
    """A provider's record of two lines a page."""

    def __init__(self, payments: Sequence[Payment], first: int = 1) -> None:
        self._first = first
        self._lines = [
            Effect(
                sequence=n,
                id=each.charge_id or "",
                idempotency_key=f"{each.id}:charge",
                reference=each.id,
                status="succeeded",
                captured=True,
                amount=each.amount + (n == 3),
                currency=each.currency,
                created_ms=each.created_ms,
            )
            for n, each in enumerate(payments, start=1)
        ]

    def effects(self, after: int) -> list[Effect]:
        return [each for each in self._lines if each.sequence > after][:2]

    def line_before(self, time_ms: int) -> int | None:
        return 0 if self._first == 1 else None


def paid(number: int) -> Payment:
    request = PaymentRequest(
        amount=100 + number, currency="EUR", payment_method="pm_card_visa", description="ä\n=1"
    )
    made_ms = MADE_MS + number // 2  # two each were made at one time
    payment = life_cycle.create(request, key=str(number), tenant="t", now_ms=made_ms)
    outcome = Outcome(
        id=f"ch_{number}",
        reference=payment.id,
        status="succeeded",
        amount=100 + number,
        currency="EUR",
        captured=True,
    )
    return life_cycle.answered(payment, {f"{payment.id}:charge": outcome}, now_ms=made_ms)


PAYMENTS = [paid(number) for number in range(5)]


class Building:
    """One report, and those who build it two payments a step, until they die."""

    def __init__(self, folder: Path, kind: ReportType, format: ReportFormat, deaths: Deaths):
        self.store = Store(PAYMENTS, deaths)
        self.folder = DyingFolder(folder, deaths)
        self.record: Any = Record(PAYMENTS[:4])
        request = ReportRequest(
            type=kind,
            format=format,
            period_start="1970-01-01T00:00:01Z",
            period_end="1970-01-01T00:33:20Z",
        )
        made = service._new(request, "key", "t", END_MS)
        self.store.reports[made.id] = made
        self._id = made.id

    @property
    def report(self) -> Report:
        return self.store.reports[self._id]

    @property
    def text(self) -> str:
        return (self.folder._path / self.report.file_name).read_text()

    def run(self, *, now_ms: int) -> int:
        """Build until all is built; a step ends with a page, as its clock goes so fast."""
        ticks = itertools.count(now_ms, building.STEP_MS)
        return building.build_due(
            reports=self.store,
            sources=Sources(self.store, self.store, self.store, [("", self.record)], page=2),
            files=self.folder,
            clock_ms=lambda: next(ticks),
            until_ms=now_ms + 100 * building.STEP_MS,
        )


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """Give folders without end."""
    return (tmp_path / str(number) for number in itertools.count())


@pytest.mark.parametrize("kind", ["balance", "payments", "payout", "mismatches"])
@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_a_builder_that_dies_at_any_call_leaves_the_same_report_to_be_built(
    folders: Iterator[Path], kind: ReportType, format: ReportFormat
):
    deaths = Deaths()
    whole = Building(next(folders), kind, format, deaths)
    whole.run(now_ms=MUCH_LATER_MS)
    assert whole.report.status == "succeeded"

    for at in range(1, deaths.calls + 1):
        deaths = Deaths(at)
        broken = Building(next(folders), kind, format, deaths)
        with pytest.raises(Died):
            broken.run(now_ms=MUCH_LATER_MS)
        broken.run(now_ms=MUCH_LATER_MS + 200 * building.STEP_MS)

        assert broken.text == whole.text, at
        assert (broken.report.rows, broken.report.totals) == (
            whole.report.rows,
            whole.report.totals,
        )


def test_a_step_that_outlives_its_lease_stores_nothing(folders: Iterator[Path]):
    each = Building(next(folders), "balance", "csv", Deaths())
    before = each.report
    each.run(now_ms=MUCH_LATER_MS)
    after = each.report

    is_stored = each.store.replace(replace(before, version=before.version + 1))

    assert not is_stored
    assert each.report == after


def test_what_somebody_else_builds_just_now_is_left_alone(folders: Iterator[Path]):
    each = Building(next(folders), "balance", "csv", Deaths())
    leased = replace(each.report, lease_ms=MUCH_LATER_MS + 1)
    each.store.reports[leased.id] = leased

    assert each.run(now_ms=MUCH_LATER_MS) == 0
    assert each.report.rows == 0


def test_a_period_before_the_provider_s_record_fails_and_says_so(folders: Iterator[Path]):
    each = Building(next(folders), "payout", "csv", Deaths())
    each.record = Record(PAYMENTS, first=2)

    each.run(now_ms=MUCH_LATER_MS)

    assert (each.report.status, each.report.failure) == ("failed", "record_gone")
    assert each.report.turn_ms is None


def test_a_provider_that_does_not_answer_is_asked_again_later(folders: Iterator[Path]):
    each = Building(next(folders), "payout", "csv", Deaths())
    record = each.record

    class Silent:
        def effects(self, after: int) -> list[Effect]:
            raise ProviderUnavailable("It does not answer.")

        def line_before(self, time_ms: int) -> int | None:
            return 0

    each.record = Silent()
    each.run(now_ms=MUCH_LATER_MS)
    before = each.report.status
    each.record = record
    each.run(now_ms=2 * MUCH_LATER_MS)

    assert (before, each.report.status) == ("pending", "succeeded")


def test_what_is_not_built_in_a_day_fails(folders: Iterator[Path]):
    each = Building(next(folders), "balance", "csv", Deaths())

    each.run(now_ms=END_MS + 2 * building.DEADLINE_MS)

    assert (each.report.status, each.report.failure) == ("failed", "took_too_long")


def test_more_rows_than_a_report_takes_fail_it(folders: Iterator[Path]):
    each = Building(next(folders), "balance", "csv", Deaths())
    almost = replace(each.report, rows=building.ROWS_MAX - 1)
    each.store.reports[almost.id] = almost

    each.run(now_ms=MUCH_LATER_MS)

    assert (each.report.status, each.report.failure) == ("failed", "too_many_rows")
