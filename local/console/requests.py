"""Requests as JSON: the access log's last lines, and those that were recorded whole.

One that was recorded can be sent again, with the secrets that the page does not show.
"""

from pathlib import Path
from typing import Any

import orjson

from local.console import own_requests, secrets
from local.console.answers import Page, Refused, as_json, in_thread, number
from local.console.pages import Console, Parameters
from local.console.parts import Parts
from local.daemon import logs
from local.gateway.api import ApiGateway
from local.gateway.recording import KEPT_MAX, Recorded

REQUESTS_SHOWN = 50
SLOW_MS_MAX = 1_000_000
# What is about the connection, and the id, which the second request is not to share.
DROPPED = ("connection", "content-length", "expect", "transfer-encoding", "x-amzn-requestid")


def add(console: Console, parts: Parts) -> None:
    """Serve the lists and the recorded requests; what is in a file is read in a thread."""

    def listed(parameters: Parameters) -> object:
        return {"requests": _listed(parts, parameters)}

    async def opened(parameters: Parameters) -> Page:
        _, recorded = _recorded(parts, parameters["id"])
        return as_json(detail(recorded))

    async def again(parameters: Parameters, body: Any) -> Page:
        api, recorded = _recorded(parts, parameters["id"])
        return as_json(await _again(api, recorded))

    console.add_view("/api/requests", in_thread(lambda _: requests(parts.state)))
    console.add_view("/api/recorded", in_thread(listed))
    console.add_view("/api/recorded/{id}", opened)
    console.add_action("/api/recorded/{id}/again", again)


def requests(state: Path) -> list[Any]:
    """Return the last lines of the access log, the newest first.

    Each as it was read; a line whose form the template has chosen may be no JSON.
    """
    lines = logs.tail(logs.path_of(state, "access"), REQUESTS_SHOWN)
    return [_fields(line) for line in reversed(lines)]


def _fields(line: str) -> dict[str, Any] | str:
    try:
        read = orjson.loads(line)
    except orjson.JSONDecodeError:
        return line
    return read if isinstance(read, dict) else line


def _listed(parts: Parts, parameters: Parameters) -> list[dict[str, Any]]:
    """Return the recorded requests that the filters let through, the newest first."""
    slow_ms = number(parameters, "slow_ms", 0, SLOW_MS_MAX)
    limit = number(parameters, "limit", KEPT_MAX, KEPT_MAX)
    status, route = parameters.get("status", ""), parameters.get("route", "")
    text = parameters.get("text", "").lower()
    listed = []
    for _, each in _newest_first(parts):
        row = _row(each)
        if (
            row["ms"] >= slow_ms
            and (not route or row["route"] == route)
            and _has_status(each.status, status)
            and (not text or text in _searchable_text(each))
        ):
            listed.append(row)
    return listed[:limit]


def _has_status(status: int, query: str) -> bool:
    """Return whether a status fits: to `404`, `4xx` or `errors`; any fits to an empty query."""
    if query == "errors":
        return status >= 400
    return not query or str(status) == query or f"{status // 100}xx" == query


def _searchable_text(recorded: Recorded) -> str:
    """Return the text of a request that a search looks into, in lower case and without secrets."""
    parts = (recorded.body, recorded.answer, recorded.log)
    line = f"{recorded.method} {recorded.target} {recorded.context.request_id} {recorded.route} "
    text = line + " ".join(part.decode(errors="replace") for part in parts)
    return secrets.without(text, secrets.of_headers(_headers(recorded))).lower()


def _row(recorded: Recorded) -> dict[str, Any]:
    return {
        "id": recorded.context.request_id,
        "at_s": recorded.context.epoch_s,
        "method": recorded.method,
        "path": secrets.without(recorded.target),
        "route": recorded.route,
        "function": recorded.function,
        "status": recorded.status,
        "ms": round((recorded.ended_s - recorded.received_s) * 1000, 2),
        "bytes": recorded.answer_bytes,
    }


def detail(recorded: Recorded) -> dict[str, Any]:
    """Return all that is known of a recorded request, without its secrets."""
    headers = _headers(recorded)
    hidden = secrets.of_headers(headers)

    def shown(part: bytes) -> str:
        return secrets.without(part.decode(errors="replace"), hidden)

    return {
        **_row(recorded),
        "peer": recorded.peer,
        "headers": secrets.headers_without(headers),
        "body": shown(recorded.body),
        "body_bytes": recorded.body_bytes,
        "is_whole": len(recorded.body) == recorded.body_bytes,
        "event": shown(recorded.event),
        "event_bytes": recorded.event_bytes,
        "answer_headers": secrets.headers_without(_answer_headers(recorded)),
        "answer": shown(recorded.answer),
        "answer_bytes": recorded.answer_bytes,
        "refusal": recorded.refusal
        and {"kind": recorded.refusal.kind, "message": recorded.refusal.message},
        "authorizer": _decision(recorded),
        "times": _times(recorded),
        "log": shown(recorded.log),
        "invocation_id": recorded.context.invocation_id,
        "trace": recorded.trace,
        "trace_id": trace_id(recorded.trace),
    }


def trace_id(header: str) -> str:
    """Return the W3C trace id of an X-Ray header, empty where it has none."""
    root = next((part[5:] for part in header.split(";") if part.startswith("Root=")), "")
    digits = root.removeprefix("1-").replace("-", "")
    return digits if len(digits) == 32 else ""


def _decision(recorded: Recorded) -> dict[str, Any] | None:
    """Return the authorizer's decision; None where the route has none."""
    if not recorded.has_authorizer:
        return None
    if recorded.grant is None:
        return {"decision": "refused" if recorded.refusal else "none", "context": {}}
    text = secrets.without(orjson.dumps(dict(recorded.grant.caller), default=str).decode())
    return {"decision": "allowed", "context": orjson.loads(text)}


def _times(recorded: Recorded) -> list[dict[str, Any]]:
    """Return the parts of a request's time in their order, in ms."""
    began = "route and authorizer" if recorded.has_authorizer else "route"
    received_s, ended_s = recorded.received_s, recorded.ended_s
    invoked_s, taken_s = recorded.invoked_s, recorded.taken_s
    if not invoked_s:
        parts = [(f"{began}, answer", received_s, ended_s)]
    elif not taken_s:
        parts = [(began, received_s, invoked_s), ("wait for an environment", invoked_s, ended_s)]
    else:
        parts = [
            (began, received_s, invoked_s),
            ("wait for an environment", invoked_s, taken_s),
            ("function", taken_s, ended_s),
        ]
    return [
        {"part": part, "from_ms": _ms(begin - received_s), "ms": _ms(end - begin)}
        for part, begin, end in parts
    ]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _headers(recorded: Recorded) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in recorded.headers]


def _answer_headers(recorded: Recorded) -> list[tuple[str, str]]:
    lines = (line.partition(": ") for line in recorded.answer_lines.split("\r\n") if line)
    return [(name, value) for name, _, value in lines]


def _newest_first(parts: Parts) -> list[tuple[ApiGateway, Recorded]]:
    """Return what is kept of all APIs' requests, each with its API."""
    pairs = [(api, each) for api in parts.apis for each in api.recent.newest_first()]
    return sorted(pairs, key=lambda pair: pair[1].ended_s, reverse=True)


def _recorded(parts: Parts, request_id: str) -> tuple[ApiGateway, Recorded]:
    pairs = (pair for pair in _newest_first(parts) if pair[1].context.request_id == request_id)
    pair = next(pairs, None)
    if pair is None:
        sentence = f"the request {request_id[:60]} is not kept any more: the last {KEPT_MAX} are"
        raise Refused(404, sentence)
    return pair


async def _again(api: ApiGateway, recorded: Recorded) -> dict[str, Any]:
    """Send a request again, and return the status and id of its answer."""
    if len(recorded.body) < recorded.body_bytes:
        raise Refused(409, f"its body of {recorded.body_bytes} bytes was not kept whole")
    headers = (each for each in recorded.headers if each[1] not in DROPPED)
    request = own_requests.new(
        recorded.method, recorded.target, peer=recorded.peer, headers=headers
    )
    request.body = recorded.body
    api.recent.want(request)
    status, _ = await own_requests.send(api, request)
    again = (
        each.context.request_id
        for each in api.recent.newest_first()
        if each.received_s == request.received_s
    )
    return {"status": status, "id": next(again, "")}
