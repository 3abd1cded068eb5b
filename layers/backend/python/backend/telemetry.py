"""Metrics and logs of a function: Powertools' Metrics and its JSON logger.

Each line names the event in hand by `request_id` and `trace_id`, and the message of the object that
it is about by `message_id`.
"""

import functools
import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import aws_lambda_powertools
import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider import cold_start
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
    AmazonCloudWatchEMFProvider,
)

from backend.clock import now_ms, rfc3339
from backend.settings import settings

SERVICE = "spillway"
TRACE = "_X_AMZN_TRACE_ID"  # the variable that Lambda sets for each event
TRACEPARENT = re.compile(
    r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{8})([0-9a-f]{24})-([0-9a-f]{16})-[0-9a-f]([0-9a-f])"
)
OBJECTS = ("object_id", "payment_id", "notification_id", "event_id")  # in a line, what it is about

# Its own `xray_trace_id` is that of the event, which for a batch of messages is nobody's.
logger = Logger(service=SERVICE, level="INFO", xray_trace_id=None)


class Origin(NamedTuple):
    """The message that an object's work came by, and the trace that it carried."""

    message_id: str
    trace: str


class Invocation(NamedTuple):
    """The event in hand as its log lines name it."""

    request_id: str = ""
    trace: str = ""  # as AWS writes it: Root=1-67891233-abcdef012345678912345678
    traceparent: str = ""  # as the client sent it (W3C)
    origins: Mapping[str, Origin] = {}  # of a batch, by the ids of the objects it is about


_invocation = Invocation()


def begin(
    request_id: str, *, traceparent: str = "", origins: Mapping[str, Origin] | None = None
) -> None:
    """Name the event in hand; `traceparent` goes before a trace that AWS made beside it."""
    global _invocation  # noqa: PLW0603  # an environment has one event at a time
    trace = os.environ.get(TRACE, "")
    if traceparent:
        match = TRACEPARENT.fullmatch(traceparent)
        if match is None:
            traceparent = ""
        elif not trace.startswith(root := f"Root=1-{match[1]}-{match[2]}"):
            trace = f"{root};Parent={match[3]};Sampled={int(match[4], 16) & 1}"
    _invocation = Invocation(request_id, trace, traceparent, origins or {})


def traces() -> list[str]:
    """Return the traces of the event in hand and of its messages, as AWS writes them."""
    return [_invocation.trace, *(each.trace for each in _invocation.origins.values())]


def trace_of(object_id: str, stored: str = "") -> str:
    """Return the trace that messages about an object carry on; empty where there is none.

    It is the one that the object's message carried; where the event in hand is in the same, the
    trace goes on below the event. Without a message it is the one that the object's document has
    `stored`, or else that of the event.
    """
    origin = _invocation.origins.get(object_id)
    if origin is None:
        return stored or _invocation.trace
    if _root(origin.trace) == _root(_invocation.trace):
        return _invocation.trace
    return origin.trace


def _root(trace: str) -> str:
    return trace.partition(";")[0]


def report(message: str, **fields: str) -> None:
    """Write that something was done, in one line like the logger's at a tenth of its cost."""
    line = {"level": "INFO", "message": message, "timestamp": rfc3339(now_ms()), "service": SERVICE}
    line |= fields
    line |= _ids(next((fields[name] for name in OBJECTS if name in fields), ""))
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")


def _ids(object_id: str) -> dict[str, str]:
    """Return the fields that name the event in hand, and the message about this object."""
    request_id, trace, traceparent, origins = _invocation
    ids = {"request_id": request_id} if request_id else {}
    origin = origins.get(object_id)
    if origin:
        ids["message_id"], trace = origin
    if trace:
        ids["trace_id"] = _root(trace).removeprefix("Root=")
    if traceparent:
        ids["traceparent"] = traceparent
    return ids


def _name_event(record: logging.LogRecord) -> bool:
    values = vars(record)
    ids = _ids(next((values[name] for name in OBJECTS if values.get(name)), ""))
    values.update((name, value) for name, value in ids.items() if name not in values)
    return True


logger.addFilter(_name_event)


class Metrics(aws_lambda_powertools.Metrics):
    """Powertools' metrics of one domain; its counts are not shared with another instance."""

    def __init__(self, service: str) -> None:
        namespace = settings.metrics_namespace
        super().__init__(provider=AmazonCloudWatchEMFProvider(namespace=namespace, service=service))

    def count(self, name: str, value: int = 1) -> None:
        """Add `value` to the counter `name` (CamelCase, as CloudWatch's own metrics)."""
        if value:
            self.add_metric(name, MetricUnit.Count, value)

    def finish(self, context: Any) -> None:
        """Write the counts of an event, and the cold start where the event was the first.

        Most of a worker's polls and health checks count nothing; Powertools' decorator, and its
        `flush_metrics`, would warn of each of them.
        """
        if cold_start.is_cold_start:
            self.provider.add_cold_start_metric(context)
            cold_start.is_cold_start = False
        if self.provider.metric_set:
            self.flush_metrics()


@functools.cache
def metrics_of(service: str) -> Metrics:
    """Return the metrics of domain `service`; domains count, the entry points write."""
    return Metrics(service)
