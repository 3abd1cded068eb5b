"""Names that two resources of one template cannot share: on AWS the second one is not made."""

from collections.abc import Iterator, Mapping
from typing import Any

from local.template.model import Function, Queue
from local.template.service_kinds import (
    BUCKET,
    BUS,
    GLOBAL_TABLE,
    KINDS,
    PARAMETER,
    STATE_MACHINE,
    STREAM,
    TABLE,
    TOPIC,
)

# Those of whose names an account, or the world, has each once.
_UNIQUE = (BUCKET, BUS, GLOBAL_TABLE, PARAMETER, STATE_MACHINE, STREAM, TABLE, TOPIC)


def repeated_name(
    functions: Mapping[str, Function],
    queues: Mapping[str, Queue],
    made: Mapping[str, Mapping[str, Any]],
) -> tuple[str, str, str] | None:
    """Return a resource, its property and a sentence where another has its name, else None."""
    owners: dict[tuple[str, str], str] = {}
    for property, logical_id, name in _named(functions, queues, made):
        owner = owners.setdefault((property, name), logical_id)
        if owner != logical_id:
            return logical_id, property, f"{name!r} is the name of {owner} already; give another"
    return None


def _named(
    functions: Mapping[str, Function],
    queues: Mapping[str, Queue],
    made: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[str, str, str]]:
    for function in functions.values():
        yield "FunctionName", function.logical_id, function.name
    for queue in queues.values():
        yield "QueueName", queue.logical_id, queue.name
    for logical_id, resource in made.items():
        if resource["Type"] in _UNIQUE:
            property = KINDS[resource["Type"]].name
            yield property, logical_id, str(resource["Properties"][property])
