"""Times and time zones as clients write them."""

import pytest

from backend.clock import parse_rfc3339, rfc3339, time_zone
from backend.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31t12:00:00z", "2026-01-31T12:00:00.000Z"),
        ("2026-01-31T12:00:00.5+01:30", "2026-01-31T10:30:00.500Z"),
        ("2026-01-31T12:00:00.123456789-00:00", "2026-01-31T12:00:00.123Z"),
        ("1900-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
    ],
)
def test_a_time_of_rfc_3339_is_read(text, utc):
    assert rfc3339(parse_rfc3339(text, param="at")) == utc


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00:00Z",
        "2026-01-31T12:00Z",
        "20260131T120000Z",
        "2026-W05-6T12:00:00Z",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00+0100",
        "2026-01-31T12:00:00+01:00:30",
        "2026-02-30T12:00:00Z",
        "2026-01-31T12:00:00Z\n",
        "\uff12026-01-31T12:00:00Z",
    ],
)
def test_no_other_time_is(text):
    with pytest.raises(InvalidRequest):
        parse_rfc3339(text, param="at")


@pytest.mark.parametrize(
    "name",
    ["localtime", "posixrules", "Factory", "posix/UTC", "Europe", "../UTC", "/etc", "", "A\0"],
)
def test_what_is_no_zone_of_iana_is_refused(name):
    with pytest.raises(ValueError, match="IANA"):
        time_zone(name)


def test_a_zone_is_found_by_its_name():
    assert time_zone("Europe/Berlin").key == "Europe/Berlin"
