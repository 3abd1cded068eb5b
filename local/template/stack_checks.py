"""The refusals of AWS when a table or bucket is made, said while the template is read."""

import re
from collections.abc import Iterator
from typing import Any

from local.template.service_kinds import (
    BUCKET,
    PIPE,
    RULE,
    SCHEDULE,
    SUBSCRIPTION,
    TABLE,
    TOPIC,
)

_BUCKET_NAME = re.compile(
    r"(?!\d+\.\d+\.\d+\.\d+$)(?!xn--)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]"
)
# The services at the ends of pipes that run here.
_ENDS = {
    "Source": ("dynamodb", "kinesis", "sqs"),
    "Enrichment": ("lambda",),
    "Target": ("events", "kinesis", "lambda", "sns", "sqs", "states"),
}
BY_MAIL = ("email", "email-json")
_KEY_KINDS = ("S", "N", "B")


def refused(kind: str, properties: dict[str, Any]) -> tuple[str, str] | None:
    """Return the property to blame and a sentence, None where nothing is wrong."""
    if kind == BUCKET and not _BUCKET_NAME.fullmatch(str(properties["BucketName"])):
        sentence = "has to be 3 to 63 of a-z 0-9 . - with a letter or digit at both ends"
        return "BucketName", f"{properties['BucketName']!r} {sentence}"
    return _refused_table(properties) if kind == TABLE else None


def each_target(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the targets of a rule or a schedule; of another resource there are none."""
    properties = resource["Properties"]
    if resource["Type"] == RULE:
        yield from _entries(properties, "Targets")
    elif resource["Type"] == SCHEDULE and isinstance(properties.get("Target"), dict):
        yield properties["Target"]


def mail_subscriptions(kind: str, properties: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the subscriptions by mail of a resource: itself, or those that a topic lists."""
    entries = [properties] if kind == SUBSCRIPTION else []
    if kind == TOPIC:
        entries = _entries(properties, "Subscription")
    return [each for each in entries if each.get("Protocol") in BY_MAIL]


def idle_end(kind: str, properties: dict[str, Any]) -> str | None:
    """Return the end of a pipe by which nothing goes through it here, None where all is well."""
    if kind != PIPE:
        return None
    for end, services in _ENDS.items():
        arn = str(properties.get(end) or "")
        is_reference = "{{" in arn  # which the services resolve
        is_here = is_reference or arn.split(":")[2:3] in [[each] for each in services]
        if not is_here and (arn or end != "Enrichment"):
            return end
    return None


def _refused_table(properties: dict[str, Any]) -> tuple[str, str] | None:
    defined = {
        str(each.get("AttributeName")): each.get("AttributeType")
        for each in _entries(properties, "AttributeDefinitions")
    }
    keys = [*_keys(properties)]
    if not _entries(properties, "KeySchema"):
        return "KeySchema", "is missing; a table needs a key"
    for name, kind in defined.items():
        if kind not in _KEY_KINDS:
            return "AttributeDefinitions", f"the type of {name} has to be S, N or B, not {kind!r}"
    for section, name in keys:
        if name not in defined:
            return section, f"{name} is no attribute of AttributeDefinitions; add it there"
    if spare := sorted(defined.keys() - {name for _, name in keys}):
        return "AttributeDefinitions", f"{spare[0]} is no key of the table or an index; remove it"
    return None


def _keys(properties: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name of each key, of the table and its indexes, with the property it is in."""
    blocks = [("KeySchema", properties)]
    for section in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        blocks += [(section, index) for index in _entries(properties, section)]
    for section, block in blocks:
        for key in _entries(block, "KeySchema"):
            yield section, str(key.get("AttributeName"))


def _entries(block: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = block.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
