"""Schedules of a template."""

import pytest

from local.template import Schedule, TemplateError
from tests.unit.template_texts import property_of_function


@pytest.mark.parametrize(
    ("kind", "name", "expression", "every_s"),
    [
        ("Schedule", "Schedule", "rate(1 minute)", 60),
        ("ScheduleV2", "ScheduleExpression", "rate(5 minutes)", 300),
        ("ScheduleV2", "ScheduleExpression", "rate(2 hours)", 7200),
        ("Schedule", "Schedule", "rate(1 day)", 86_400),
    ],
)
def test_a_schedule_is_read_with_its_rate_and_event(read, kind, name, expression, every_s):
    template = read(_scheduled(kind, f"{{{name}: {expression}, Input: '{{\"all\": true}}'}}"))

    assert template.schedules == (Schedule(function="Pages", every_s=every_s, event={"all": True}),)


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ("{Schedule: 'cron(0 12 * * ? *)'}", "is not emulated; use rate"),
        ("{Schedule: rate(0 minutes)}", "is not emulated; use rate"),
        ("{Schedule: rate(1 minute), Enabled: false}", "switched off"),
        ("{Schedule: rate(1 minute), Input: nonsense}", "is no JSON"),
        ("{Schedule: rate(1 minute), DeadLetterConfig: {}}", "DeadLetterConfig"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(read, properties, sentence):
    with pytest.raises(TemplateError, match=sentence):
        read(_scheduled("Schedule", properties))


def test_a_function_may_run_more_often_here_than_aws_can(read):
    metadata = "    Metadata: {Spillway: {EverySeconds: 2}}\n"
    template = read(_scheduled("Schedule", "{Schedule: rate(1 minute)}") + metadata)

    assert template.functions["Pages"].every_s == 2


def _scheduled(kind: str, properties: str) -> str:
    event = f"{{Type: {kind}, Properties: {properties}}}"
    return property_of_function(f"Events: {{Often: {event}}}")
