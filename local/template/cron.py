"""Cron expressions as EventBridge has them: six fields, with `?`, `L`, `W` and `#`.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

DAYS_AHEAD_MAX = 8 * 366  # 29 February comes at least every eight years
_EXPRESSION = re.compile(r"cron\(\s*(\S+(?:\s+\S+){5})\s*\)")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DAY = r"0?[1-9]|[12][0-9]|3[01]"
_OF_MONTH = re.compile(rf"L(?:-(?!31)({_DAY}))?|({_DAY}|L)W")
_OF_WEEK = re.compile(r"([1-7])(?:L|#([1-5]))|L")
_PART = re.compile(r"(?:(\*)|([0-9]+)(?:-([0-9]+))?)(?:/([0-9]+))?")


@dataclass(frozen=True, slots=True)
class Cron:
    """The times at which a schedule is due, in the time of `zone`. A field of None is `?`."""

    text: str
    zone: tzinfo
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...] | str | None  # of the month; a text has L or W
    months: tuple[int, ...]
    weekdays: tuple[int, ...] | str | None  # Sunday is 1; a text has L or #
    years: tuple[int, ...]

    def after(self, now: datetime) -> datetime | None:
        """Return the next time after `now`, None if there is none within eight years.

        A time that clocks skip in spring is no run; one that they show twice in autumn is one run,
        the first.
        """
        for day in self._dates(now.astimezone(self.zone).date()):
            for hour in self.hours:
                for minute in self.minutes:
                    due = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone)
                    # Aware times of one zone compare by the clock, those of two by the instant.
                    if _exists(due) and due.astimezone(UTC) > now.astimezone(UTC):
                        return due
        return None

    def _dates(self, first: date) -> Iterator[date]:
        for days in range(DAYS_AHEAD_MAX):
            day = first + timedelta(days=days)
            if day.year in self.years and day.month in self.months and self._is_due(day):
                yield day

    def _is_due(self, day: date) -> bool:
        last = calendar.monthrange(day.year, day.month)[1]
        if self.weekdays is None:
            return _is_day_of_month(day, last, self.days or ())
        return _is_weekday(day, last, self.weekdays)


def _exists(local: datetime) -> bool:
    """Tell whether clocks show that time on that day."""
    return local.astimezone(UTC).astimezone(local.tzinfo).replace(fold=0) == local


def _is_day_of_month(day: date, last: int, field: tuple[int, ...] | str) -> bool:
    if isinstance(field, tuple):
        return day.day in field
    match = _OF_MONTH.fullmatch(field)
    assert match is not None
    if field.endswith("W"):
        target = last if match[2] == "L" else int(match[2])
        return target <= last and day == _nearest_working_day(day.replace(day=target), last)
    return day.day == last - int(match[1] or 0)


def _nearest_working_day(target: date, last: int) -> date:
    """Return the day from Monday to Friday that is nearest, without leaving the month."""
    if target.weekday() == calendar.SATURDAY:
        return target + timedelta(days=-1 if target.day > 1 else 2)
    if target.weekday() == calendar.SUNDAY:
        return target + timedelta(days=1 if target.day < last else -2)
    return target


def _is_weekday(day: date, last: int, field: tuple[int, ...] | str) -> bool:
    weekday = day.isoweekday() % 7 + 1
    if isinstance(field, tuple):
        return weekday in field
    match = _OF_WEEK.fullmatch(field)
    assert match is not None
    if match[1] is None:
        return weekday == 7  # L alone
    is_nth = (day.day - 1) // 7 + 1 == int(match[2]) if match[2] else day.day + 7 > last
    return weekday == int(match[1]) and is_nth


def read_cron(expression: str, zone: tzinfo) -> Cron | None:
    """Return the expression, or None where EventBridge would not take it."""
    match = _EXPRESSION.fullmatch(expression.strip())
    if match is None:
        return None
    minutes, hours, days, months, weekdays, years = match[1].upper().split()
    if (days == "?") == (weekdays == "?"):
        return None
    try:
        return Cron(
            text=expression,
            zone=zone,
            minutes=_numbers(minutes, 0, 59),
            hours=_numbers(hours, 0, 23),
            days=None if days == "?" else _of(_OF_MONTH, days, 1, 31),
            months=_numbers(_numbered(months, _MONTHS), 1, 12),
            weekdays=None
            if weekdays == "?"
            else _of(_OF_WEEK, _numbered(weekdays, _WEEKDAYS), 1, 7),
            years=_numbers(years, 1970, 2199),
        )
    except ValueError:
        return None


def _of(special: re.Pattern[str], text: str, lowest: int, highest: int) -> tuple[int, ...] | str:
    return text if special.fullmatch(text) else _numbers(text, lowest, highest)


def _numbered(text: str, names: tuple[str, ...]) -> str:
    for number, name in enumerate(names, 1):
        text = text.replace(name, str(number))
    return text


def _numbers(text: str, lowest: int, highest: int) -> tuple[int, ...]:
    """Return a list of numbers, ranges and steps. Raises ValueError."""
    numbers: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(part)
        is_any, first, last, step = match.groups()
        low = lowest if is_any else int(first)
        high = int(last) if last else highest if step or is_any else low
        if not lowest <= low <= high <= highest:
            raise ValueError(part)
        numbers.update(range(low, high + 1, int(step or 1)))
    return tuple(sorted(numbers))
