"""The system's own measures, as its console shows them: pools of environments, slow commands."""

import contextlib
from dataclasses import dataclass, fields

import orjson

from loadtest.witnesses.api import Api, ApiError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The environments of one function; what is counted is counted since the system's start."""

    environments: int
    busy: int
    queued: int  # events that wait for an environment now
    throttled: int
    timed_out: int
    invocations: int  # that their environment has answered
    worked_s: float  # time in which an environment had an event in hand
    waits: tuple[int, ...]  # for an environment, by length: up to each of `bounds_ms`, and longer
    bounds_ms: tuple[int, ...]
    waited_s: float  # all waits together
    memory_mb: int
    concurrency: int  # events that the function may have in hand at most


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowCommand:
    """A command that Valkey took long for."""

    id: int
    at_s: float  # epoch
    ms: float
    command: str


_NAMES = {field.name for field in fields(Pool)} - {"waits", "bounds_ms"}


def pools(console: Api) -> dict[str, Pool]:
    """Return the pool of every function. KeyError or TypeError where the console is another's."""
    answer = console.get("/api/functions")
    bounds_ms = tuple(answer["bounds_ms"])
    return {
        each["name"]: Pool(
            waits=tuple(each["waits"]),
            bounds_ms=bounds_ms,
            **{name: each[name] for name in _NAMES},
        )
        for each in answer["functions"]
    }


def slow_commands(console: Api) -> list[SlowCommand]:
    """Return the commands that Valkey remembers, the newest first."""
    return [
        SlowCommand(
            id=each["id"],
            at_s=each["at_s"],
            ms=each["duration_ms"],
            command=each["command"],
        )
        for each in console.get("/api/slow_commands")["commands"]
    ]


def mark(console: Api | None, text: str) -> None:
    """Have the console mark this moment in its charts; without one, or an older one, nothing."""
    if console is None:
        return
    fields_of_head = ("Content-Type: application/json", "X-Console-Action: yes")
    head = "\r\n".join(("POST /api/marks HTTP/1.1", *fields_of_head, "", ""))
    with contextlib.suppress(ApiError):
        console.send(head.encode() + orjson.dumps({"text": text}))
