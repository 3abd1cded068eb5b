"""Events of type Schedule and ScheduleV2: at which rate a function is invoked, and with what."""

import json
import re

from local.template.model import Schedule
from local.template.reader import Properties

_RATE = re.compile(r"rate\(([1-9][0-9]{0,4}) (minute|hour|day)s?\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}

WITHOUT_EFFECT = {
    "Description": "text for people",
    "Name": "text for people",
    "RetryPolicy": "a run that fails is followed by the next",
    "RoleArn": "nothing on one machine is asked for permission",
}


def read_schedule(block: Properties, function: str, kind: str) -> Schedule:
    """Return the schedule of an event; cron expressions are refused by name."""
    name = "Schedule" if kind == "Schedule" else "ScheduleExpression"
    expression = block.text(name)
    rate = _RATE.fullmatch(expression)
    if rate is None:
        raise block.not_emulated(name, f"{expression!r} is not emulated; use rate(N minutes)")
    if block.take("Enabled", True) is not True or block.text("State", "ENABLED") != "ENABLED":
        block.refuse("State", "a schedule that is switched off is not emulated; remove it")
    text = block.text("Input", "{}")
    try:
        event = json.loads(text)
    except ValueError as error:
        raise block.error("Input", f"{text!r} is no JSON; correct it") from error
    block.finish(WITHOUT_EFFECT)
    return Schedule(function=function, every_s=int(rate[1]) * _SECONDS[rate[2]], event=event)
