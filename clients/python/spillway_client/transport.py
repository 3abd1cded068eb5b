"""Requests and their answers: connections that stay open, and what is sent again."""

import http.client
import itertools
import random
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from spillway_client.errors import ApiError, ConnectionFailed, SpillwayError, error_of

MAX_ANSWER_BYTES = 64 * 2**20  # a hundred of the largest payments are a tenth of it
CHUNK_BYTES = 2**20
USER_AGENT = "spillway-client"  # firewalls refuse requests without one
MAX_IDLE = 32  # connections that wait for the next request
FAILURES = (OSError, http.client.HTTPException)


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often a request is sent, and how long it waits in between.

    A wait is random between nothing and twice the one before (full jitter), on top of what the API
    asks for by `Retry-After`. Where it asks for more than `longest_wait_s`, its error is raised at
    once. No request is sent again after `deadline_s`.

    All requests of a client share a budget: `spare` may be sent again at any time, and beyond them
    no more than `share` of those that were sent. So clients add a tenth to what an API in trouble
    has to bear, and not four times as much.
    """

    attempts: int = 5
    first_wait_s: float = 0.5
    longest_wait_s: float = 30
    deadline_s: float = 120
    spare: int = 10
    share: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The time, the waiting and the chance that a client uses."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request; `repeatable` where it does no harm that it is done twice."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    repeatable: bool = True


class Redirected(SpillwayError):
    """The answer is at another address, which needs no token."""

    def __init__(self, location: str) -> None:
        super().__init__(f"the answer is at {location}")
        self.location = location


class Transport:
    """The way to one address, for any number of threads."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float,
        retries: Retries,
        clock: Clock,
        tls: ssl.SSLContext | None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ValueError(f"base_url is not an address such as https://host/stage: {base_url!r}")
        self._host, self._port = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")
        self._tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self._timeout_s = timeout_s
        self._retries = retries
        self._spare = float(retries.spare)  # threads may lose a part of one, which does no harm
        self._clock = clock
        self._elsewhere = build_opener(ProxyHandler({}), HTTPSHandler(context=tls))
        self._idle: deque[http.client.HTTPConnection] = deque(maxlen=MAX_IDLE)

    def close(self) -> None:
        """Close the connections that no request uses."""
        while self._idle:
            self._idle.pop().close()

    def send(self, request: Request) -> bytes:
        """Return the body of a successful answer; send the request again where that may help."""
        deadline_s = self._clock.now() + self._retries.deadline_s
        self._spare = min(self._retries.spare, self._spare + self._retries.share)
        for attempt in itertools.count(1):
            try:
                return self._send_once(request)
            except (ApiError, ConnectionFailed) as error:
                wait_s = self._wait_s(error, attempt, request.repeatable)
                if wait_s is None or self._clock.now() + wait_s > deadline_s:
                    raise
            self._clock.sleep(wait_s)
        raise AssertionError("the loop ends with an answer or an error")

    def stream(self, url: str) -> Iterator[bytes]:
        """Yield what is at another address, without a token and whatever its length."""
        try:
            with self._elsewhere.open(url, timeout=self._timeout_s) as answer:
                while chunk := answer.read(CHUNK_BYTES):
                    yield chunk
                if answer.length:
                    raise http.client.HTTPException("the answer ends early")
        except FAILURES as error:
            raise ConnectionFailed(f"no whole content: {error!r}", sent=True) from error

    def _wait_s(self, error: SpillwayError, attempt: int, repeatable: bool) -> float | None:
        """Return after which time to send the request again, or None where that is no use."""
        retries = self._retries
        may_repeat = _is_worth_repeating(error) and (repeatable or _was_not_done(error))
        if attempt >= retries.attempts or not may_repeat:
            return None
        least_s = (error.retry_after_s if isinstance(error, ApiError) else None) or 0.0
        if least_s > retries.longest_wait_s or self._spare < 1:
            return None
        self._spare -= 1
        most_s = min(retries.longest_wait_s, retries.first_wait_s * 2 ** (attempt - 1))
        return least_s + self._clock.uniform(0, most_s)

    def _send_once(self, request: Request) -> bytes:
        connection = self._connected()
        try:
            connection.request(
                request.method,
                self._prefix + request.path,
                request.body,
                {"User-Agent": USER_AGENT, **request.headers},
            )
            answer = connection.getresponse()
            body = answer.read(MAX_ANSWER_BYTES)
            if answer.length or not answer.isclosed():
                raise http.client.HTTPException("the answer ends early, or is too long")
        except FAILURES as error:
            connection.close()
            raise ConnectionFailed(f"no whole answer: {error!r}", sent=True) from error
        if connection.sock is not None and len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        else:
            connection.close()
        location = answer.getheader("Location")
        if answer.status == http.client.FOUND and location:
            raise Redirected(location)
        if not 200 <= answer.status < 300:
            headers = {name.lower(): value for name, value in answer.getheaders()}
            raise error_of(answer.status, headers, body)
        return body

    def _connected(self) -> http.client.HTTPConnection:
        """Return an open connection that no other thread uses."""
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if connection.sock is not None and not _has_ended(connection.sock):
                return connection
            connection.close()
        return self._connect()

    def _connect(self) -> http.client.HTTPConnection:
        connection = (
            http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
            if self._tls is None
            else http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout_s, context=self._tls
            )
        )
        try:
            connection.connect()
        except FAILURES as error:
            connection.close()
            where = f"{self._host}:{connection.port}"
            raise ConnectionFailed(f"cannot connect to {where}: {error}", sent=False) from error
        return connection


def _is_worth_repeating(error: SpillwayError) -> bool:
    if isinstance(error, ApiError):
        return error.retryable
    return not isinstance(error.__cause__, ssl.SSLCertVerificationError)


def _was_not_done(error: SpillwayError) -> bool:
    if isinstance(error, ConnectionFailed):
        return not error.sent
    return isinstance(error, ApiError) and error.status == http.client.TOO_MANY_REQUESTS


def _has_ended(connection: socket.socket) -> bool:
    """Return whether the server closed an idle connection: only then there is something to read."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        return bool(selector.select(timeout=0))
