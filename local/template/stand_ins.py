"""The stand-ins for what other stacks have on AWS: parameters of SSM, and event buses."""

from collections.abc import Iterable, Mapping
from typing import Any

from local.template.service_kinds import BUS, PARAMETER, RULE

_REFERENCE = "{{resolve:ssm:"
_ARN_OF_A_BUS = ":event-bus/"
_OF_AWS = "aws.partner/"

Made = Mapping[str, Mapping[str, Any]]


def parameter_name(reference: str) -> str:
    """Return the name in a reference to SSM, without the version, which counts on AWS only."""
    return reference.strip("{}").split(":")[2]


def parameters_elsewhere(placeholders: Iterable[str], made: Made) -> dict[str, str]:
    """Return stand-in values by name for the parameters that a template refers to and has not."""
    own = {each["Properties"].get("Name") for each in made.values() if each["Type"] == PARAMETER}
    names = {parameter_name(each) for each in placeholders if each.startswith(_REFERENCE)}
    return {name: name.strip("/").replace("/", "-") for name in sorted(names - own)}


def buses_elsewhere(made: Made) -> dict[str, str]:
    """Return the names of the buses that rules listen to and the template has not, by rule."""
    own = {each["Properties"].get("Name") for each in made.values() if each["Type"] == BUS}
    buses = {
        rule: str(each["Properties"].get("EventBusName", "default")).rpartition(_ARN_OF_A_BUS)[2]
        for rule, each in made.items()
        if each["Type"] == RULE
    }
    return {
        rule: name
        for rule, name in buses.items()
        if name not in own | {"default"} and not name.startswith(_OF_AWS)
    }
