"""The commands that Redis or Valkey took long for, as its slow log remembers them."""

from collections.abc import Mapping
from typing import Any

import redis

from local.machine.queue_carrier import carrier_of
from local.machine.queue_depths import QueuesUnreadable
from redis_sqs.redis_scripts import client

COMMANDS_MAX = 128  # as many as redis.conf has the server remember


def slow_commands(variables: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the slow commands of the server that carries the queues, the newest first.

    `id` counts all that ever were, so a gap says how many are forgotten. A command is its name
    only: what follows it may be somebody's data. Queues on SQS have none. Raises QueuesUnreadable.
    """
    carrier = carrier_of(variables)
    if carrier.kind == "sqs":
        return []
    try:
        with client(carrier.redis_url) as server:
            entries = server.slowlog_get(COMMANDS_MAX)
    except redis.RedisError as error:
        raise QueuesUnreadable(f"the slow log cannot be read: {error}") from error
    return [
        {
            "id": entry["id"],
            "at_s": entry["start_time"],
            "duration_ms": entry["duration"] / 1000,
            "command": _text(entry["command"]).partition(" ")[0].upper(),
        }
        for entry in entries
    ]


def _text(command: bytes | str) -> str:
    return command.decode("utf-8", "replace") if isinstance(command, bytes) else command
