"""The readiness of the system as its own route tells it, where the template names one.

It is asked while a page is open, once in five seconds at most: the route may look at every store.
The request asks not to be traced, so it is recorded only when it fails.
"""

import time

import orjson

from local.console import own_requests
from local.console.answers import Page, as_json
from local.console.pages import Console, Parameters
from local.console.parts import Parts
from local.traces.context import TraceContext, new_span_id, new_trace_id

KEPT_S = 5.0


def add(console: Console, parts: Parts) -> None:
    """Serve what the route answers, if there is one: `status`, and `answer` where that is JSON."""
    path = parts.template.ready_path
    if path is None:
        return
    cached: tuple[float, Page] | None = None

    async def readiness(parameters: Parameters) -> Page:
        nonlocal cached
        if cached is None or time.monotonic() - cached[0] > KEPT_S:
            context = TraceContext(new_trace_id(time.time()), new_span_id(), is_sampled=False)
            untraced = ("traceparent", "traceparent", context.traceparent)
            request = own_requests.new("GET", path, peer="127.0.0.1", headers=[untraced])
            status, body = await own_requests.send(parts.apis[0], request)
            cached = (time.monotonic(), as_json({"status": status, "answer": _json(body)}))
        return cached[1]

    console.add_view("/api/readiness", readiness)


def _json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
