"""The end of quiet hours, by the clocks of the recipient."""

from datetime import datetime

import pytest

from notifications.quiet_hours import QuietHours, over_at_ms

NIGHT = {"start": "21:00", "end": "08:00", "zone": "Europe/Berlin"}
NOON = {"start": "12:00", "end": "13:30", "zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("hours", "now", "over"),
    [
        (NIGHT, "2026-01-15T12:00:00+01:00", "2026-01-15T12:00:00+01:00"),
        (NIGHT, "2026-01-15T20:59:59+01:00", "2026-01-15T20:59:59+01:00"),
        (NIGHT, "2026-01-15T21:00:00+01:00", "2026-01-16T08:00:00+01:00"),
        (NIGHT, "2026-01-16T00:30:00+01:00", "2026-01-16T08:00:00+01:00"),
        (NIGHT, "2026-01-16T08:00:00+01:00", "2026-01-16T08:00:00+01:00"),
        (NOON, "2026-01-15T12:15:00+01:00", "2026-01-15T13:30:00+01:00"),
        (NOON, "2026-01-15T13:30:00+01:00", "2026-01-15T13:30:00+01:00"),
        (NIGHT | {"zone": "Asia/Kolkata"}, "2026-01-15T16:00:00Z", "2026-01-16T02:30:00Z"),
    ],
)
def test_quiet_hours_are_over_when_the_recipients_clock_says_so(hours, now, over):
    assert over_at_ms(QuietHours(**hours), _ms(now)) == _ms(over)


def test_the_night_in_which_clocks_go_forward_is_an_hour_shorter():
    assert over_at_ms(QuietHours(**NIGHT), _ms("2026-03-28T22:00:00+01:00")) == _ms(
        "2026-03-29T08:00:00+02:00"
    )


def test_the_night_in_which_clocks_go_back_is_an_hour_longer():
    assert over_at_ms(QuietHours(**NIGHT), _ms("2026-10-24T22:00:00+02:00")) == _ms(
        "2026-10-25T08:00:00+01:00"
    )


@pytest.mark.parametrize(("now", "over"), [("+02:00", "+02:00"), ("+01:00", "+01:00")])
def test_the_hour_that_comes_twice_is_quiet_both_times(now, over):
    hours = QuietHours(start="21:00", end="02:30", zone="Europe/Berlin")

    assert over_at_ms(hours, _ms(f"2026-10-25T02:10:00{now}")) == _ms(f"2026-10-25T02:30:00{over}")


def _ms(text):
    return round(datetime.fromisoformat(text).timestamp() * 1000)
