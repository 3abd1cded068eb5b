"""Events of type Schedule and ScheduleV2: when a function is invoked, and with what."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local.template.cron import Cron, read_cron
from local.template.intrinsics import ACCOUNT_ID, REGION
from local.template.model import Schedule
from local.template.reader import Properties
from local.template.resources import FUNCTION, QUEUE, Resources
from local.template.service_kinds import RULE, SCHEDULE

_RATE = re.compile(r"rate\(([1-9][0-9]{0,4}) (minute|hour|day)(s?)\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_RULE = f"arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/"
_SCHEDULE = f"arn:aws:scheduler:{REGION}:{ACCOUNT_ID}:schedule/default/"
_NO_ZONE = "is no time zone here; write it as Europe/Vienna"
# Files among the time zones that are none: they say what this machine is set to.
OF_THIS_MACHINE = ("localtime", "posixrules")
_STATES = ("ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")

WITHOUT_EFFECT = {
    "Description": "text for people",
    "FlexibleTimeWindow": "a run comes at the beginning of its window",
    "GroupName": "text for people",
    "KmsKeyArn": "nothing is encrypted at rest here",
    "OmitName": "text for people",
    "PermissionsBoundary": "nothing on one machine is asked for permission",
    "RetryPolicy": "a run that fails is followed by the next",
    "RoleArn": "nothing on one machine is asked for permission",
}


def read_schedule(block: Properties, function: str, kind: str, event: str) -> Schedule | None:
    """Return the schedule of an event, none of one that is switched off."""
    is_rule = kind == "Schedule"
    name = block.text("Name", function + event)
    when = _when(block, "Schedule" if is_rule else "ScheduleExpression")
    is_on = block.flag("Enabled", True) and is_enabled(block)
    schedule = Schedule(
        function=function,
        every_s=None if isinstance(when, Cron) else when,
        cron=when if isinstance(when, Cron) else None,
        event=_input(block),
        arn=f"{_RULE if is_rule else _SCHEDULE}{name}",
        starts_s=0 if is_rule else _time(block, "StartDate", 0),
        ends_s=math.inf if is_rule else _time(block, "EndDate", math.inf),
    )
    if schedule.ends_s <= schedule.starts_s:
        raise block.error("EndDate", "has to be after StartDate")
    block.finish(WITHOUT_EFFECT)
    return schedule if is_on else None


def is_enabled(block: Properties) -> bool:
    """Return what the State of a rule or schedule says. Refuses one that is none of AWS's."""
    state = block.text("State", "ENABLED")
    if state not in _STATES:
        raise block.error("State", f"{state!r} is none of {', '.join(_STATES)}")
    return state != "DISABLED"


def take_schedules(made: dict[str, dict[str, Any]], resources: Resources) -> list[Schedule]:
    """Take out of `made` what invokes functions, or sends to queues, by the clock, and return it;
    what does anything else, or once, stays the service's.
    """
    functions, queues = resources.by_arn(FUNCTION), resources.by_arn(QUEUE)
    schedules = []
    for name, kind, properties in _timed(made):
        is_rule = kind == RULE
        targets = properties.get("Targets" if is_rule else "Target") or []
        for target in [*targets] if isinstance(targets, list) else [targets]:
            function, queue = functions.get(target.get("Arn")), queues.get(target.get("Arn"))
            if not (function or queue) or {"InputPath", "InputTransformer"} & target.keys():
                continue
            event = _as_event(properties, target, is_rule)
            text = event.pop("Input", None) if queue else None
            block = Properties(resources.refusals, name, event)
            kind_of_event = "Schedule" if is_rule else "ScheduleV2"
            schedule = read_schedule(block, function or "", kind_of_event, "" if function else name)
            if schedule and queue:
                group = _group(block, target, resources, queue)
                schedule = replace(schedule, queue=queue, group=group, event=text)
            if schedule:
                schedules.append(schedule)
            targets.remove(target) if isinstance(targets, list) else targets.clear()
        if not targets:
            del made[name]
    return schedules


def _group(block: Properties, target: dict[str, Any], resources: Resources, queue: str) -> str:
    """Return the group of the messages for a queue, which a FIFO queue needs."""
    group = (target.get("SqsParameters") or {}).get("MessageGroupId", "")
    if resources.resolver.name_of(queue).endswith(".fifo") and not group:
        raise block.error("SqsParameters.MessageGroupId", "is missing; a FIFO queue needs it")
    return str(group)


def _timed(made: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, resource in list(made.items()):
        expression = str(resource["Properties"].get("ScheduleExpression", ""))
        if resource["Type"] in (RULE, SCHEDULE) and expression.startswith(("rate(", "cron(")):
            yield name, resource["Type"], resource["Properties"]


def _as_event(properties: dict[str, Any], target: dict[str, Any], is_rule: bool) -> dict[str, Any]:
    """Return a rule or schedule in the words of SAM's event."""
    names = ("Name", "State", "ScheduleExpressionTimezone", "StartDate", "EndDate")
    event = {name: properties[name] for name in names if name in properties}
    event["Schedule" if is_rule else "ScheduleExpression"] = properties["ScheduleExpression"]
    return {**event, **({"Input": target["Input"]} if "Input" in target else {})}


def _when(block: Properties, name: str) -> int | Cron:
    """Return the seconds between two runs, or the expression that says when they are."""
    expression = block.text(name)
    zone = _zone(block)
    if rate := _RATE.fullmatch(expression):
        # A rule takes "1 hour" and "5 hours" only, EventBridge Scheduler either form of the unit.
        if name == "Schedule" and (rate[1] == "1") == bool(rate[3]):
            raise block.error(name, f"{expression!r} is no rate of EventBridge; correct its unit")
        return int(rate[1]) * _SECONDS[rate[2]]
    if cron := read_cron(expression, zone):
        return cron
    if expression.startswith("cron("):
        raise block.error(name, f"{expression!r} is no cron expression of EventBridge; correct it")
    raise block.not_emulated(name, f"{expression!r} is not emulated; use rate(...) or cron(...)")


def _zone(block: Properties) -> tzinfo:
    name = block.text("ScheduleExpressionTimezone", "UTC")
    if name == "UTC":
        return UTC  # also where no time zones are installed
    if name in OF_THIS_MACHINE or name.startswith(("right/", "posix/")):
        raise block.error("ScheduleExpressionTimezone", f"{name!r} {_NO_ZONE}")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise block.error("ScheduleExpressionTimezone", f"{name!r} {_NO_ZONE}") from error


def _time(block: Properties, name: str, default: float) -> float:
    """Return a time as EventBridge Scheduler writes it, in seconds since 1970."""
    if name not in block:
        return default
    text = block.text(name)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise block.error(name, f"{text!r} is no time; write 2026-11-20T13:00:00Z") from error
    return time.replace(tzinfo=time.tzinfo or UTC).timestamp()


def _input(block: Properties) -> object:
    if "Input" not in block:
        return None
    text = block.text("Input")
    try:
        return json.loads(text)
    except ValueError as error:
        raise block.error("Input", f"{text!r} is no JSON; correct it") from error
