"""Sample events for the form that invokes a function: one of each source, and those that are kept.

Kept ones are files below the state directory, `events/FUNCTION/NAME.json`, and stay there.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from local.console.answers import Refused
from local.template import Route, Template
from local.template.intrinsics import ACCOUNT_ID, REGION

KEPT_MAX = 50  # of one function
EVENT_MAX_BYTES = 1024 * 1024
_NAME = re.compile(r"[\w][\w .-]{0,59}")


def samples(template: Template, function: str) -> dict[str, Any]:
    """Return an event of each source by its name; that of its own triggers comes first."""
    events = {name: make(template, function) for name, make in _SOURCES.items()}
    if _payload(template, function) == "2.0":
        events["API"] = _api_of_http(template, function)
    first = [
        *(["API"] if _route(template, function) else []),
        *(["SQS"] if any(each.function == function for each in template.mappings) else []),
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


def _payload(template: Template, function: str) -> str:
    route = _route(template, function)
    return route.payload if route else "1.0"


def _folder(state: Path, function: str) -> Path:
    return state / "events" / function


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise Refused(400, "a name has letters, digits, blanks, dots and dashes, 60 at most")
    return name


def _api_of_http(template: Template, function: str) -> dict[str, Any]:
    event = _api(template, function)
    context = event["requestContext"]
    return {
        "version": "2.0",
        "routeKey": f"{event['httpMethod']} {event['resource']}",
        "rawPath": event["path"],
        "rawQueryString": "",
        "headers": {name.lower(): value for name, value in event["headers"].items()},
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": "local",
            "http": {
                "method": event["httpMethod"],
                "path": event["path"],
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "console",
            },
            "requestId": context["requestId"],
            "routeKey": f"{event['httpMethod']} {event['resource']}",
            "stage": "$default",
            "timeEpoch": context["requestTimeEpoch"],
        },
        "pathParameters": event["pathParameters"] or {},
        "body": event["body"] or "",
        "isBase64Encoded": False,
    }


def _api(template: Template, function: str) -> dict[str, Any]:
    route = _route(template, function)
    path, method = (route.path, route.method) if route else ("/hello", "GET")
    if route and route.key.startswith("ANY "):
        method = "GET"
    names = re.findall(r"\{(\w+)\+?\}", path)
    filled = re.sub(r"\{(\w+)\+?\}", r"\1-1", path)
    headers = {"Content-Type": "application/json", "Host": "127.0.0.1"}
    return {
        "resource": path,
        "path": filled,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {name: f"{name}-1" for name in names} or None,
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": "local",
            "authorizer": {"principalId": "someone"},
            "httpMethod": method,
            "identity": {"sourceIp": "127.0.0.1", "userAgent": "console"},
            "path": filled,
            "protocol": "HTTP/1.1",
            "requestId": "00000000-0000-4000-a000-000000000000",
            "requestTimeEpoch": int(time.time() * 1000),
            "resourcePath": path,
            "stage": "local",
        },
        "body": None if method in ("GET", "DELETE") else "{}",
        "isBase64Encoded": False,
    }


def _sqs(template: Template, function: str) -> dict[str, Any]:
    mapping = next((each for each in template.mappings if each.function == function), None)
    queue = template.queues[mapping.queue].name if mapping else "queue"
    return {
        "Records": [
            {
                "messageId": "00000000-0000-4000-a000-000000000000",
                "receiptHandle": "none",
                "body": "{}",
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": str(int(time.time() * 1000)),
                    "SenderId": ACCOUNT_ID,
                    "ApproximateFirstReceiveTimestamp": str(int(time.time() * 1000)),
                },
                "messageAttributes": {},
                "md5OfBody": "99914b932bd37a50b983c5e7c90ae93b",
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{queue}",
                "awsRegion": REGION,
            }
        ]
    }


def _schedule(template: Template, function: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "00000000-0000-4000-a000-000000000000",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT_ID,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/schedule"],
        "detail": {},
    }


def _s3(template: Template, function: str) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": REGION,
                "eventTime": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": "bucket", "arn": "arn:aws:s3:::bucket"},
                    "object": {"key": "folder/file.txt", "size": 11, "eTag": "0" * 32},
                },
            }
        ]
    }


def _sns(template: Template, function: str) -> dict[str, Any]:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:topic"
    return {
        "Records": [
            {
                "EventVersion": "1.0",
                "EventSource": "aws:sns",
                "EventSubscriptionArn": f"{topic}:00000000-0000-4000-a000-000000000000",
                "Sns": {
                    "Type": "Notification",
                    "MessageId": "00000000-0000-4000-a000-000000000000",
                    "TopicArn": topic,
                    "Subject": "subject",
                    "Message": "message",
                    "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
                    "MessageAttributes": {},
                },
            }
        ]
    }


_SOURCES: dict[str, Callable[[Template, str], dict[str, Any]]] = {
    "API": _api,
    "SQS": _sqs,
    "Schedule": _schedule,
    "S3": _s3,
    "SNS": _sns,
}
