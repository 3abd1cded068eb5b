"""The hours and days of time zones, also where clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from analytics import periods
from analytics.periods import Granularity
from analytics.tallies import DAY_MS, HOUR_MS, MINUTE_MS


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "day", "begins", "hours"),
    [
        ("UTC", "2026-03-29", "2026-03-29T00:00Z", 24),
        ("Europe/Amsterdam", "2026-03-28", "2026-03-27T23:00Z", 24),
        ("Europe/Amsterdam", "2026-03-29", "2026-03-28T23:00Z", 23),
        ("Europe/Amsterdam", "2026-10-25", "2026-10-24T22:00Z", 25),
        ("America/New_York", "2026-11-01", "2026-11-01T04:00Z", 25),
        ("Asia/Kolkata", "2026-05-01", "2026-04-30T18:30Z", 24),
        ("Asia/Kathmandu", "2026-05-01", "2026-04-30T18:15Z", 24),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00Z", 24.5),
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30Z", 23.5),
        ("America/Havana", "2026-03-08", "2026-03-08T05:00Z", 23),  # midnight is left out
        ("America/Havana", "2026-11-01", "2026-11-01T04:00Z", 25),  # midnight comes twice
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00Z", 24),  # the 30th is left out
    ],
)
def test_a_day_begins_and_ends_with_its_date(zone: str, day: str, begins: str, hours: float):
    begin_ms, length_ms = ms(begins), round(hours * HOUR_MS)
    key = ZoneInfo(zone)

    for within_ms in (0, 1, length_ms // 2, length_ms - 1):
        assert periods.start(begin_ms + within_ms, "day", key) == begin_ms
        assert datetime.fromtimestamp((begin_ms + within_ms) / 1000, key).date().isoformat() == day
    assert periods.after(begin_ms, "day", key) == begin_ms + length_ms


@pytest.mark.parametrize(
    ("zone", "start", "minutes"),
    [
        ("Europe/Amsterdam", "2026-03-29T00:00Z", [60, 60, 60]),
        ("Europe/Amsterdam", "2026-10-25T00:00Z", [60, 60, 60]),
        ("Asia/Kolkata", "2026-05-01T00:30Z", [60, 60]),
        ("Australia/Lord_Howe", "2026-04-04T14:00Z", [60, 30, 60]),  # back from 02:00 to 01:30
        ("Australia/Lord_Howe", "2026-10-03T14:30Z", [60, 30, 60]),  # on from 02:00 to 02:30
    ],
)
def test_an_hour_is_what_the_local_clock_shows_and_cut_where_that_is_changed(
    zone: str, start: str, minutes: list[int]
):
    at_ms, key = ms(start), ZoneInfo(zone)
    for length in minutes:
        end_ms = periods.after(at_ms, "hour", key)
        assert end_ms - at_ms == length * MINUTE_MS
        assert {periods.start(at, "hour", key) for at in (at_ms, at_ms + 1, end_ms - 1)} == {at_ms}
        at_ms = end_ms


@pytest.mark.parametrize("zone", ["UTC", "Europe/Dublin", "Africa/Cairo", "Asia/Kathmandu"])
@pytest.mark.parametrize("granularity", ["hour", "day"])
def test_a_year_of_periods_has_no_gap(zone: str, granularity: Granularity):
    key = ZoneInfo(zone)
    first_ms = periods.start(ms("2026-01-01T12:00Z"), granularity, key)
    last_ms = periods.start(first_ms + 370 * DAY_MS, granularity, key)
    year = periods.between(first_ms, last_ms, granularity, key)

    ends = [year.end_of(each) for each in year.starts]
    assert ends == [*year.starts[1:], last_ms]
    assert all(year.start_of(each - 1) < each for each in ends)
    assert all(periods.start(each, granularity, key) == each for each in year.starts)
