"""Schedules of a template: rates, cron expressions, and what a run is given."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from local.template import TemplateError
from local.template.cron import read_cron
from tests.unit.local.template.template_texts import property_of_function


@pytest.mark.parametrize(
    ("kind", "name", "expression", "every_s"),
    [
        ("Schedule", "Schedule", "rate(1 minute)", 60),
        ("ScheduleV2", "ScheduleExpression", "rate(5 minutes)", 300),
        ("ScheduleV2", "ScheduleExpression", "rate(2 hours)", 7200),
        ("Schedule", "Schedule", "rate(1 day)", 86_400),
        ("ScheduleV2", "ScheduleExpression", "rate(1 hours)", 3600),
    ],
)
def test_a_schedule_is_read_with_its_rate_and_event(read, kind, name, expression, every_s):
    template = read(_scheduled(kind, f"{{{name}: {expression}, Input: '{{\"all\": true}}'}}"))

    (schedule,) = template.schedules
    assert (schedule.function, schedule.every_s, schedule.cron) == ("Pages", every_s, None)
    assert schedule.event == {"all": True}


def test_a_cron_expression_is_kept_in_its_time_zone(read):
    where = "ScheduleExpression: 'cron(0 9 * * ? *)', ScheduleExpressionTimezone: Europe/Vienna"
    (schedule,) = read(_scheduled("ScheduleV2", f"{{{where}}}")).schedules

    assert schedule.cron.after(datetime(2026, 7, 1, 7, 0, tzinfo=UTC)) == datetime(
        2026, 7, 2, 7, 0, tzinfo=UTC
    )
    assert schedule.arn.endswith(":schedule/default/PagesOften")


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ("0 10 * * ? *", ["11-24 10:00", "11-25 10:00"]),
        ("15 12 * * ? *", ["11-23 12:15", "11-24 12:15"]),
        ("0 18 ? * MON-FRI *", ["11-23 18:00", "11-24 18:00"]),
        ("0 18 ? * SUN,3 *", ["11-24 18:00", "11-29 18:00"]),
        ("0 8 1 * ? *", ["12-01 08:00", "01-01 08:00"]),
        ("0/15 * * * ? *", ["11-23 12:15", "11-23 12:30"]),
        ("5-20/15 8-17 ? * 2-6 *", ["11-23 12:05", "11-23 12:20"]),
        ("0 9 ? * 2#1 *", ["12-07 09:00", "01-04 09:00"]),
        ("0 0 ? * 6L *", ["11-27 00:00", "12-25 00:00"]),
        ("0 0 ? * L *", ["11-28 00:00", "12-05 00:00"]),
        ("0 0 L * ? *", ["11-30 00:00", "12-31 00:00"]),
        ("0 0 L-2 * ? *", ["11-28 00:00", "12-29 00:00"]),
        ("0 0 LW FEB ? *", ["02-26 00:00", "02-29 00:00"]),
        ("0 0 1W * ? *", ["12-01 00:00", "01-01 00:00"]),
        ("0 0 15W 8 ? *", ["08-16 00:00", "08-15 00:00"]),
        ("0 0 29 2 ? *", ["02-29 00:00"]),
        ("0 0 1 1 ? 2027", ["01-01 00:00", None]),
    ],
)
def test_a_cron_expression_is_due_when_eventbridge_says(fields, due):
    cron = read_cron(f"cron({fields})", UTC)
    assert cron is not None

    times: list[str | None] = []
    now: datetime | None = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    while now and len(times) < len(due):
        now = cron.after(now)
        times.append(f"{now:%m-%d %H:%M}" if now else None)
    assert times == due


@pytest.mark.parametrize(
    ("fields", "zone", "now", "due"),
    [
        ("30 2 * * ? *", "Europe/Berlin", "2027-03-27T12:00", "2027-03-29T00:30"),
        ("30 2 * * ? *", "America/New_York", "2027-03-13T12:00", "2027-03-15T06:30"),
        ("15 2 * * ? *", "Australia/Lord_Howe", "2026-10-03T00:00", "2026-10-04T15:15"),
        ("0/30 * * * ? *", "Europe/Berlin", "2027-03-28T00:30", "2027-03-28T01:00"),
        ("30 2 * * ? *", "Europe/Berlin", "2027-10-30T12:00", "2027-10-31T00:30"),
        ("30 2 * * ? *", "Europe/Berlin", "2027-10-31T00:30", "2027-11-01T01:30"),
        ("30 2 * * ? *", "Europe/Berlin", "2027-10-31T01:10", "2027-11-01T01:30"),
        ("0 3 * * ? *", "Europe/Berlin", "2027-10-31T01:30", "2027-10-31T02:00"),
    ],
)
def test_a_skipped_time_is_no_run_and_a_repeated_one_is_one_run(fields, zone, now, due):
    cron = read_cron(f"cron({fields})", ZoneInfo(zone))
    assert cron is not None

    following = cron.after(datetime.fromisoformat(f"{now}+00:00"))
    assert following is not None
    assert following.astimezone(UTC) == datetime.fromisoformat(f"{due}+00:00")


@pytest.mark.parametrize("zone", ["localtime", "posixrules", "right/UTC", "Mars", "../UTC", ""])
def test_a_zone_that_no_other_machine_has_is_refused(read, zone):
    schedule = f"ScheduleExpression: rate(1 minute), ScheduleExpressionTimezone: '{zone}'"
    with pytest.raises(TemplateError, match="is no time zone"):
        read(_scheduled("ScheduleV2", f"{{{schedule}}}"))


@pytest.mark.parametrize(
    "fields",
    [
        "* * * * * *",
        "0 12 * * ?",
        "60 * * * ? *",
        "0 0 ? * 8 *",
        "1_0 * * * ? *",
        "+5 * * * ? *",
        "5/ * * * ? *",
        "5- * * * ? *",
        "*-5 * * * ? *",
        "0/0 * * * ? *",
        "\u0663 * * * ? *",
        "0 0 L-31 * ? *",
        "0 0 32W * ? *",
        "0 0 0W * ? *",
        "0 0 ? * 2#6 *",
    ],
)
def test_what_is_no_cron_expression_of_eventbridge_is_refused(read, fields):
    with pytest.raises(TemplateError, match="is no cron expression of EventBridge"):
        read(_scheduled("Schedule", f"{{Schedule: 'cron({fields})'}}"))


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ("{Schedule: 'at(2026-11-20T13:00:00)'}", "is not emulated; use rate"),
        ("{Schedule: rate(0 minutes)}", "is not emulated; use rate"),
        ("{Schedule: rate(1 minutes)}", "is no rate of EventBridge"),
        ("{Schedule: rate(5 hour)}", "is no rate of EventBridge"),
        ("{Schedule: rate(1 minute), Input: nonsense}", "is no JSON"),
        ("{Schedule: rate(1 minute), DeadLetterConfig: {}}", "DeadLetterConfig"),
        ("{Schedule: rate(1 minute), ScheduleExpressionTimezone: Mars}", "is no time zone"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(read, properties, sentence):
    with pytest.raises(TemplateError, match=sentence):
        read(_scheduled("Schedule", properties))


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ("State: PAUSED", "State: 'PAUSED' is none of ENABLED, DISABLED"),
        ("StartDate: soon", "StartDate: 'soon' is no time"),
        ("StartDate: 2027-01-02T00:00:00Z, EndDate: 2027-01-01T00:00:00Z", "has to be after"),
    ],
)
def test_a_state_or_a_bound_that_is_none_is_refused(read, properties, sentence):
    with pytest.raises(TemplateError, match=sentence):
        read(_scheduled("ScheduleV2", f"{{ScheduleExpression: rate(1 minute), {properties}}}"))


def test_a_schedule_has_the_bounds_that_its_dates_are(read):
    dates = "StartDate: '2027-01-01T00:00:00Z', EndDate: '2027-01-01T01:00:00+01:00'"
    with pytest.raises(TemplateError, match="has to be after StartDate"):
        read(_scheduled("ScheduleV2", f"{{ScheduleExpression: rate(1 minute), {dates}}}"))
    dates = dates.replace("+01:00", "-01:00")
    (schedule,) = read(
        _scheduled("ScheduleV2", f"{{ScheduleExpression: rate(1 minute), {dates}}}")
    ).schedules

    assert schedule.ends_s - schedule.starts_s == 7200


@pytest.mark.parametrize("off", ["Enabled: false", "State: DISABLED"])
def test_a_schedule_that_is_switched_off_does_not_run(read, off):
    template = read(_scheduled("Schedule", f"{{Schedule: rate(1 minute), {off}}}"))

    assert template.schedules == ()
    assert template.warnings == ()


def test_a_function_may_run_more_often_here_than_aws_can(read):
    metadata = "    Metadata: {Spillway: {EverySeconds: 2}}\n"
    template = read(_scheduled("Schedule", "{Schedule: rate(1 minute)}") + metadata)

    assert template.functions["Pages"].every_s == 2


def _scheduled(kind: str, properties: str) -> str:
    event = f"{{Type: {kind}, Properties: {properties}}}"
    return property_of_function(f"Events: {{Often: {event}}}")
