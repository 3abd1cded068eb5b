"""Sample events for the form that invokes a function: one of each source, and those that are kept.

Kept ones are files below the state directory, `events/FUNCTION/NAME.json`, and stay there.
"""

import re
from pathlib import Path
from typing import Any

import orjson

from local import sample_events
from local.console.answers import Refused
from local.template import Route, Template
from local.template.intrinsics import ACCOUNT_ID, REGION

SOURCES = {"API": "api", "SQS": "sqs", "Schedule": "schedule", "S3": "s3", "SNS": "sns"}
WITHOUT_BODY = ("GET", "DELETE")
KEPT_MAX = 50  # of one function
EVENT_MAX_BYTES = 1024 * 1024
_NAME = re.compile(r"[\w][\w .-]{0,59}")


def samples(template: Template, function: str) -> dict[str, Any]:
    """Return an event of each source by its name; that of its own triggers comes first."""
    events = {name: orjson.loads(sample_events.text(file)) for name, file in SOURCES.items()}
    route = _route(template, function)
    mapping = next((each for each in template.mappings if each.function == function), None)
    if route and route.payload == "2.0":
        events["API"] = _with_route_of_http(orjson.loads(sample_events.text("http-api")), route)
    elif route:
        events["API"] = _with_route(events["API"], route)
    if mapping:
        queue = template.queues[mapping.queue].name
        events["SQS"]["Records"][0]["eventSourceARN"] = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{queue}"
    first = [
        *(["API"] if route else []),
        *(["SQS"] if mapping else []),
        *(["Schedule"] if any(each.function == function for each in template.schedules) else []),
    ]
    names = [*first, *(name for name in events if name not in first)]
    return {name: events[name] for name in names}


def own_events(state: Path, function: str) -> dict[str, Any]:
    """Return the events that somebody has kept for a function, by their names."""
    events = {}
    for path in sorted(_folder(state, function).glob("*.json"))[:KEPT_MAX]:
        try:
            events[path.stem] = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError):
            continue  # it was removed, or written by somebody else
    return events


def keep(state: Path, function: str, name: str, event: object) -> None:
    """Keep an event under a name, in place of the one that has it. Raises Refused."""
    folder, text = _folder(state, function), orjson.dumps(event, option=orjson.OPT_INDENT_2)
    path = folder / f"{_checked(name)}.json"
    if len(text) > EVENT_MAX_BYTES:
        raise Refused(413, f"an event is kept up to {EVENT_MAX_BYTES} bytes")
    folder.mkdir(parents=True, exist_ok=True)
    if not path.exists() and len(list(folder.glob("*.json"))) >= KEPT_MAX:
        raise Refused(409, f"{KEPT_MAX} events are kept already; remove one from {folder}")
    path.write_bytes(text)


def remove(state: Path, function: str, name: str) -> None:
    """Remove a kept event. Raises Refused where there is none."""
    try:
        (_folder(state, function) / f"{_checked(name)}.json").unlink()
    except FileNotFoundError:
        raise Refused(404, f"there is no kept event {name}") from None


def _route(template: Template, function: str) -> Route | None:
    """Return the first route of a function."""
    routes = (route for api in template.apis for route in api.routes)
    return next((route for route in routes if route.function == function), None)


def _folder(state: Path, function: str) -> Path:
    return state / "events" / function


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise Refused(400, "a name has letters, digits, blanks, dots and dashes, 60 at most")
    return name


def _with_route(event: dict[str, Any], route: Route) -> dict[str, Any]:
    """Return the event of a request to a REST API as one to that route."""
    method, path, parameters = _request(route)
    return event | {
        "resource": route.path,
        "path": path,
        "httpMethod": method,
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": parameters or None,
        "requestContext": event["requestContext"]
        | {
            "authorizer": {"principalId": "someone"},
            "httpMethod": method,
            "path": path,
            "resourcePath": route.path,
        },
        "body": None if method in WITHOUT_BODY else "{}",
    }


def _with_route_of_http(event: dict[str, Any], route: Route) -> dict[str, Any]:
    """Return the event of a request to an HTTP API as one to that route."""
    method, path, parameters = _request(route)
    key = f"{method} {route.path}"
    context = event["requestContext"]
    http = context["http"] | {"method": method, "path": path}
    without_query = {name: event[name] for name in event if name != "queryStringParameters"}
    return without_query | {
        "routeKey": key,
        "rawPath": path,
        "rawQueryString": "",
        "pathParameters": parameters,
        "requestContext": context | {"http": http, "routeKey": key},
        "body": "" if method in WITHOUT_BODY else "{}",
    }


def _request(route: Route) -> tuple[str, str, dict[str, str]]:
    """Return the method, the path and the path's parameters of a request to a route."""
    method = "GET" if route.key.startswith("ANY ") else route.method
    parameters = {name: f"{name}-1" for name in re.findall(r"\{(\w+)\+?\}", route.path)}
    return method, re.sub(r"\{(\w+)\+?\}", r"\1-1", route.path), parameters
