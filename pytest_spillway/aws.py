"""The fixture's object: what a test does with the running system of its template."""

import base64
import json
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from local.daemon.logs import path_of
from local.lambda_service.event_store import QUEUE as ASYNCHRONOUS
from local.machine import other_services
from local.machine.queue_carrier import carrier_of
from local.machine.running import running
from local.template.intrinsics import QUEUE_URL, REGION
from pytest_spillway.contents import Contents
from pytest_spillway.exchange import exchange
from pytest_spillway.queues import Queue
from redis_sqs import Depth

LOOK_S = 0.01
IN_HAND_S = 10.0  # how long a reset waits for handlers that still run
# What services have to tell is under way for so long before anybody can see it; without them a
# message can only move from one queue to another between two looks.
SETTLED_S = 0.02
SERVICES_SETTLED_S = 0.3


class FunctionError(Exception):
    """The failure of a function: its type and message, the stack trace and the end of the log."""

    def __init__(self, error: Any, log: str) -> None:
        members: dict[str, Any] = error if isinstance(error, dict) else {"errorMessage": error}
        self.type = str(members.get("errorType", ""))
        self.message = str(members.get("errorMessage", ""))
        self.trace: list[str] = members.get("stackTrace", [])
        self.log = log
        super().__init__("".join([f"{self.type}: {self.message}\n", *self.trace]).rstrip())


class Answer:
    """The end of an invocation: a result, or an error; and the end of the function's log."""

    def __init__(self, result: Any, error: FunctionError | None, log: str) -> None:
        self._result = result
        self.error = error
        self.log = log

    @property
    def result(self) -> Any:
        """The handler's result. Raises FunctionError where it failed."""
        if self.error:
            raise self.error
        return self._result

    def __repr__(self) -> str:
        return f"Answer(error={self.error!r})" if self.error else f"Answer({self._result!r})"


class NotIdle(AssertionError):
    """Something is still under way; the message names it."""


class Aws:
    """The system of one template."""

    def __init__(self, state: Path, *, are_services_own: bool) -> None:
        self._state = state
        self._status, self.template = running(state)
        addresses = {each.name: each.address.split() for each in self._status.processes}
        names = [api.name for api in self.template.apis]
        urls = addresses["gateway"]  # of the APIs, then of the console and of AWS's APIs
        self.url = urls[0]
        self.urls = dict(zip(names, urls, strict=False))
        self._console, self._invoke = urls[len(names) : len(names) + 2]
        self.services_url = "".join(addresses.get("services", []))
        self._carrier = carrier_of(self._status.variables)
        emptied = self.services_url if are_services_own else ""
        self._contents = Contents(self._status.variables, emptied)
        self._marks: dict[Path, int] = {}  # how long each log was at the last reset
        self._clients: dict[str, Any] = {}

    def invoke(self, name: str, event: Any = None) -> Answer:
        """Give a function, by its name or logical id, an event and wait for the end."""
        path = f"/2015-03-31/functions/{quote(name, safe='')}/invocations"
        answer, body = exchange(
            *(self._invoke, "POST", path),
            json.dumps({} if event is None else event).encode(),
            {"X-Amz-Log-Type": "Tail"},
        )
        content = json.loads(body or b"null")
        if answer.status == 404:
            raise LookupError(f"no function {name!r}; there are: {', '.join(self._functions)}")
        if answer.status >= 300:
            kind = answer.getheader("x-amzn-ErrorType", "")
            message = content.get("message")
            return Answer(None, FunctionError({"errorType": kind, "errorMessage": message}, ""), "")
        log = base64.b64decode(answer.getheader("X-Amz-Log-Result", "")).decode(errors="replace")
        if answer.getheader("X-Amz-Function-Error"):
            return Answer(None, FunctionError(content, log), log)
        return Answer(content, None, log)

    def client(self, service: str) -> Any:
        """Return boto3's client of a service on this machine."""
        if service not in self._clients:
            self._clients[service] = self._new_client(service)
        return self._clients[service]

    def _new_client(self, service: str) -> Any:
        import boto3  # noqa: PLC0415 - 200 ms, for tests that want it
        from botocore.config import Config  # noqa: PLC0415 - as above

        url = self._invoke if service in ("lambda", "sqs") else self.services_url
        if not url:
            raise LookupError(
                f"no {service} here: nothing in the template needs AWS's other services;"
                " services=True in the mark starts them"
                if other_services.is_installed()
                else f"no {service} here: `pip install 'spillway[services]'`"
            )
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(proxies={}),  # a proxy of the shell is not for this machine
        )

    def queue(self, name: str) -> Queue:
        """Return a queue of the template, by its name or logical id."""
        for queue in self.template.queues.values():
            if name in (queue.name, queue.logical_id):
                return Queue(queue.name, self._carrier)
        names = ", ".join(sorted(each.name for each in self.template.queues.values()))
        raise LookupError(f"no queue {name!r}; there are: {names or 'none'}")

    def logs(self, function: str | None = None) -> str:
        """Return what a function, or all of them, printed since the last reset."""
        if function and function not in self._functions:
            raise LookupError(f"no function {function!r}; there are: {', '.join(self._functions)}")
        exchange(self._console, "GET", "/api/flush")
        names = [self._functions[function]] if function else sorted({*self._functions.values()})
        return "".join(self._since_mark(self._log_of(name)) for name in names)

    def reset(self) -> None:
        """Empty queues, documents and services, and begin the logs anew.

        Waits for the handlers that still run, so that none writes afterwards. Raises NotIdle.
        """
        self._wait_until_none(self._in_hand, IN_HAND_S, 0.0)
        self._contents.empty()
        exchange(self._console, "GET", "/api/flush")
        paths = [self._log_of(name) for name in self.template.functions]
        self._marks = {path: path.stat().st_size for path in paths if path.exists()}

    def wait_idle(self, timeout_s: float = 10.0) -> None:
        """Wait until no queue that a function reads has a message, and no event is in hand.

        Raises NotIdle, which names what is still there.
        """
        settled_s = SERVICES_SETTLED_S if self.services_url else SETTLED_S
        self._wait_until_none(self._under_way, timeout_s, settled_s)

    @cached_property
    def _functions(self) -> dict[str, str]:
        """Logical ids by name and by themselves."""
        functions = self.template.functions
        return {each.name: name for name, each in functions.items()} | {n: n for n in functions}

    def _wait_until_none(self, remaining: Any, timeout_s: float, settled_s: float) -> None:
        ends_s = time.monotonic() + timeout_s
        idle_from_s = None
        while True:
            left, now_s = list(remaining()), time.monotonic()
            if left and now_s > ends_s:
                raise NotIdle(f"not idle within {timeout_s:g} s: {'; '.join(left)}")
            if left:
                idle_from_s = None
            elif now_s - (idle_from_s := idle_from_s or now_s) >= settled_s:
                return
            time.sleep(LOOK_S)

    def _in_hand(self) -> Iterator[str]:
        """Yield a sentence for each function that has an event in hand."""
        _, body = exchange(self._console, "GET", "/api/functions")
        for each in json.loads(body)["functions"]:
            if count := each["busy"] + each["queued"]:
                yield f"{each['name']} has {_counted(count, 'event')} in hand"
        for name, depth in self._depths():
            if depth.in_flight:
                yield f"{name}: {_counted(depth.in_flight, 'message')} in flight"

    def _under_way(self) -> Iterator[str]:
        """Yield those of `_in_hand`, and one for each queue whose messages wait."""
        yield from self._in_hand()
        for name, depth in self._depths():
            waiting = (
                *((depth.visible, "visible"), (depth.delayed, "delayed")),
                (depth.retrying, "failed, which come again"),
            )
            counts = [f"{_counted(count, 'message')} {what}" for count, what in waiting if count]
            if counts:
                yield f"{name}: {', '.join(counts)}"

    def _depths(self) -> Iterator[tuple[str, Depth]]:
        """Yield the queues that functions read, with the asynchronous events of all functions."""
        read = {self.template.queues[mapping.queue].name for mapping in self.template.mappings}
        for name in sorted(read):
            yield f"the queue {name}", self._carrier.connect(f"{QUEUE_URL}{name}").depth()
        yield "asynchronous events", self._carrier.connect(f"{QUEUE_URL}{ASYNCHRONOUS}").depth()

    def _log_of(self, function: str) -> Path:
        return path_of(self._state, f"functions/{function}")

    def _since_mark(self, path: Path) -> str:
        if not path.exists():
            return ""
        with path.open("rb") as file:
            size, mark = path.stat().st_size, self._marks.get(path, 0)
            file.seek(mark if mark <= size else 0)  # it was begun anew when it was full
            return file.read().decode(errors="replace")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
