"""Quiet hours: when a recipient, in the zone where they live, is not to be disturbed."""

from datetime import datetime, time, timedelta
from typing import Annotated

from msgspec import Meta, Struct

from backend.clock import time_zone
from backend.errors import Fault, InvalidRequest
from backend.shapes import END

Clock = Annotated[
    str,
    Meta(
        pattern="^([01][0-9]|2[0-3]):[0-5][0-9]" + END,
        extra={"expected": "a time of day from 00:00 to 23:59"},
    ),
]


class QuietHours(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hours from `start` to `end`, also over midnight, by the clocks of an IANA time zone."""

    start: Clock
    end: Clock
    zone: Annotated[str, Meta(max_length=64, description="IANA name, such as Europe/Berlin")]


def check(hours: QuietHours) -> None:
    """Raise InvalidRequest where nobody could keep to these hours."""
    faults: list[Fault] = []
    if hours.start == hours.end:
        detail = "quiet_hours must not last all day."
        faults.append(Fault("quiet_hours.end", "invalid_value", detail))
    try:
        time_zone(hours.zone)
    except ValueError:
        detail = "There is no such time zone; give an IANA name such as Europe/Berlin."
        faults.append(Fault("quiet_hours.zone", "invalid_value", detail))
    if faults:
        raise InvalidRequest.of(faults)


def over_at_ms(hours: QuietHours, now_ms: int) -> int:
    """Return when the quiet hours that it is `now_ms` in are over; `now_ms` where it is in none."""
    zone = time_zone(hours.zone)
    now = datetime.fromtimestamp(now_ms / 1000, zone)
    start, end, clock = time.fromisoformat(hours.start), time.fromisoformat(hours.end), now.time()
    is_over_midnight = start > end
    began_today = clock >= start and (is_over_midnight or clock < end)
    began_yesterday = is_over_midnight and clock < end
    if not (began_today or began_yesterday):
        return now_ms
    ends_on = now.date() + timedelta(days=began_today and is_over_midnight)
    # An hour that comes twice, as clocks go back, ends in the same of the two that it is now.
    over = datetime.combine(ends_on, end.replace(fold=now.fold), zone)
    return round(over.timestamp() * 1000)
