"""The log of each invocation, and the form that invokes a function with an event."""

import asyncio
import base64
import os
import time
from typing import Any
from urllib.parse import quote

import orjson

from local.console import fields, host_log, invocations, samples, secrets
from local.console.answers import Page, as_json, in_thread, number
from local.console.functions import named
from local.console.pages import Console, Parameters
from local.console.parts import Parts
from local.console.requests import trace_id
from local.http.request import Request

INVOCATIONS_MAX = 200  # in one answer
RESULT_MAX_CHARS = 256 * 1024
PLACE_MAX = 1 << 50  # in a log


def add(console: Console, parts: Parts) -> None:
    """Serve logs and events, and invoke; files are read in a thread."""

    def log(parameters: Parameters) -> object:
        return _log(parts, named(parts, parameters), parameters)

    def of_hosts(parameters: Parameters) -> object:
        return {"lines": host_log.last_lines(parts.state, named(parts, parameters))}

    def events(parameters: Parameters) -> object:
        name = named(parts, parameters)
        own = samples.own_events(parts.state, name)
        return {"samples": samples.samples(parts.template, name), "kept": own}

    async def invoke(parameters: Parameters, body: Any) -> Page:
        name = named(parts, parameters)
        return as_json(await _invoke(parts, name, fields.anything(body, "event")))

    async def keep(parameters: Parameters, body: Any) -> Page:
        name, title = named(parts, parameters), fields.text(body, "name")
        event = fields.anything(body, "event")
        await asyncio.to_thread(samples.keep, parts.state, name, title, event)
        return as_json({"kept": title}, 201)

    async def remove(parameters: Parameters, body: Any) -> Page:
        name, title = named(parts, parameters), fields.text(body, "name")
        await asyncio.to_thread(samples.remove, parts.state, name, title)
        return as_json({"removed": title})

    console.add_view("/api/functions/{name}/log", in_thread(log))
    console.add_view("/api/functions/{name}/host_log", in_thread(of_hosts))
    console.add_view("/api/functions/{name}/events", in_thread(events))
    console.add_action("/api/functions/{name}/invoke", invoke)
    console.add_action("/api/functions/{name}/events", keep)
    console.add_action("/api/functions/{name}/events/remove", remove)


def _log(parts: Parts, name: str, parameters: Parameters) -> dict[str, Any]:
    """Return the invocations that stand behind a place in a function's log, the newest first.

    `end` is the place to go on from; the first call gets the last part of the file.
    """
    after = number(parameters, "after", 0, PLACE_MAX)
    limit = number(parameters, "limit", INVOCATIONS_MAX, INVOCATIONS_MAX)
    path = parts.state / "logs" / "functions" / f"{name}.log"
    text, end = invocations.read(path, after)
    matching = list(
        invocations.matching(
            invocations.invocations(secrets.without(text)),
            level=parameters.get("level", ""),
            text=parameters.get("text", "").lower(),
            request_id=parameters.get("request_id", ""),
        )
    )
    return {"invocations": matching[::-1][:limit], "end": end}


async def _invoke(parts: Parts, name: str, event: object) -> dict[str, Any]:
    """Invoke a function as the Invoke API does, and return its result with its log."""
    answered: asyncio.Future[tuple[int, str, bytes]] = asyncio.get_running_loop().create_future()

    def reply(status: int, header_lines: str, body: bytes) -> None:
        if not answered.done():
            answered.set_result((status, header_lines, body))

    trace = f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()};Sampled=1"
    request = Request("127.0.0.1", time.monotonic())
    request.method = "POST"
    request.target = f"/2015-03-31/functions/{quote(name)}/invocations"
    request.fields = {"x-amz-log-type": "Tail", "x-amzn-trace-id": trace, "host": "127.0.0.1"}
    request.body, request.reply = orjson.dumps(event), reply
    began_s = time.monotonic()
    parts.aws.handle(request)
    status, lines, body = await answered
    headers = dict(line.split(": ", 1) for line in lines.split("\r\n") if line)
    log = base64.b64decode(headers.get("X-Amz-Log-Result", "")).decode(errors="replace")
    return {
        "status": status,
        "failed": "X-Amz-Function-Error" in headers or status != 200,
        "ms": round((time.monotonic() - began_s) * 1000, 1),
        "result": body.decode(errors="replace")[:RESULT_MAX_CHARS],
        "request_id": headers.get("x-amzn-RequestId", ""),
        "log": secrets.without(log),
        "trace_id": trace_id(trace),
    }
