"""Many requests at once to a provider, over kept connections.

The answers are awaited together: ten slow orders take as long as one.
"""

import http.client
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from email.message import Message
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from backend import stale_connections, tracing
from backend.breaker import breaker_of
from backend.errors import ProviderUnavailable
from backend.telemetry import logger, trace_of
from payments.provider import Ask, Outcome, matches

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # of a body of any shape
CONNECTIONS_MAX = 10  # one per record of the largest batch


class Request(Struct, frozen=True, kw_only=True):
    """An order as it is posted."""

    path: str
    headers: dict[str, str]
    body: bytes


class Reply(Struct, frozen=True):
    """An answer as it was read."""

    status: int
    headers: Message
    body: bytes


Undecided = Literal["undecided"]  # the provider is well, and does not say how the order ended
Reading = Callable[[Ask, Reply], Outcome | Undecided | None]


class Connections:
    """One environment's connections to the provider at `url`."""

    def __init__(self, url: str, *, timeout_ms: int) -> None:
        parts = urlsplit(url)
        self._tls: ssl.SSLContext | None = None
        if parts.scheme == "https":  # checked by the system's authorities, or SSL_CERT_FILE's
            self._tls = ssl.create_default_context()
        self._address = (parts.hostname or "127.0.0.1", parts.port or (443 if self._tls else 80))
        self._path = parts.path.rstrip("/")
        self._timeout_s = timeout_ms / 1000
        self._idle: list[http.client.HTTPConnection] = []
        self._breaker = breaker_of("payment provider")

    @property
    def is_left_alone(self) -> bool:
        """Return whether the provider failed so often that it is only probed just now."""
        return self._breaker.is_open

    def ask_all(
        self, asks: Sequence[Ask], *, write: Callable[[Ask], Request], read: Reading
    ) -> tuple[dict[str, Outcome], list[Ask]]:
        """Send all orders, then read all answers; returns the definitive ones by key.

        Beside them stand the orders that the provider does not decide. Raises CircuitOpen, with
        nothing sent, while the provider fails too often; to find out that it does no more, only
        the first order is sent.
        """
        outcomes: dict[str, Outcome] = {}
        undecided: list[Ask] = []
        for start in range(0, len(asks), CONNECTIONS_MAX):
            now_s = time.monotonic()
            batch = asks[start : start + CONNECTIONS_MAX]
            batch = batch[: self._breaker.admit(len(batch), now_s=now_s)]
            spans = [self._span(ask) for ask in batch]
            connections = [
                self._send(connection, ask, write(ask), span)
                for connection, ask, span in zip(self._take(len(batch)), batch, spans, strict=True)
            ]
            failed = 0
            for ask, span, connection in zip(batch, spans, connections, strict=True):
                until_s = now_s + self._timeout_s
                reply = self._reply(connection, until_s, span) if connection else None
                outcome = read(ask, reply) if reply else None
                if outcome == "undecided":
                    undecided.append(ask)
                elif outcome and matches(outcome, ask):
                    outcomes[ask.key] = outcome
                else:
                    failed += 1
                    if outcome:
                        ours = {"payment_id": ask.order.reference, "key": ask.key}
                        logger.error("an answer speaks of another order", extra=ours)
            self._breaker.learn(
                succeeded=len(batch) - failed, failed=failed, now_s=time.monotonic()
            )
        return outcomes, undecided

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Return what stands at `path`; raises ProviderUnavailable where nothing answers."""
        return self._exchange("GET", path, None, headers or {})

    def post(self, request: Request) -> Reply:
        """Return the answer to one request; raises ProviderUnavailable where nothing answers."""
        return self._exchange("POST", request.path, request.body, request.headers)

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        (connection,) = self._take(1)
        try:
            if isinstance(connection, OSError):
                raise connection
            connection.request(method, f"{self._path}{path}", body, headers)
            return self._read(connection)
        except (OSError, http.client.HTTPException) as error:
            if not isinstance(connection, OSError):
                connection.close()
            raise ProviderUnavailable("The provider does not show what it did.") from error

    def _span(self, ask: Ask) -> tracing.Span | None:
        """Begin the span of an order, in the trace that its payment's message carried."""
        host, port = self._address
        attributes: dict[str, str | int] = {
            "http.request.method": "POST",
            "url.template": ask.path,
            "server.address": host,
            "server.port": port,
        }
        return tracing.start(f"POST {ask.path}", attributes, trace=trace_of(ask.order.reference))

    def _send(
        self,
        connection: http.client.HTTPConnection | OSError,
        ask: Ask,
        request: Request,
        span: tracing.Span | None,
    ) -> http.client.HTTPConnection | None:
        if isinstance(connection, OSError):
            tracing.end_http(span, connection)
            return None
        headers = request.headers | tracing.headers(span, trace_of(ask.order.reference))
        try:
            connection.request("POST", f"{self._path}{request.path}", request.body, headers)
        except OSError as error:
            connection.close()
            tracing.end_http(span, error)
            return None
        return connection

    def _reply(
        self,
        connection: http.client.HTTPConnection,
        deadline: float,
        span: tracing.Span | None,
    ) -> Reply | None:
        try:
            connection.sock.settimeout(max(0.001, deadline - time.monotonic()))
            reply = self._read(connection)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            tracing.end_http(span, error)
            return None
        tracing.end_http(span, reply.status)
        return reply

    def _read(self, connection: http.client.HTTPConnection) -> Reply:
        response = connection.getresponse()
        reply = Reply(response.status, response.headers, response.read())
        self._idle.append(connection)
        return reply

    def _take(self, count: int) -> list[http.client.HTTPConnection | OSError]:
        """Return so many connections, and for each that cannot be opened why."""
        connections: list[http.client.HTTPConnection | OSError] = []
        while self._idle and len(connections) < count:
            connection = self._idle.pop()
            if connection.sock is not None and stale_connections.is_open(connection.sock):
                connection.sock.settimeout(self._timeout_s)  # an answer may have shortened it
                connections.append(connection)
            else:
                connection.close()
        return connections + self._open(count - len(connections))

    def _open(self, count: int) -> list[http.client.HTTPConnection | OSError]:
        """Open connections, many at once: one after another, ten take a distant provider's time.

        So an address that swallows what is sent to it takes the time of one, too.
        """
        if count < 2:
            return [self._opened() for _ in range(count)]
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # not at a cold start

        with ThreadPoolExecutor(count) as pool:
            return [*pool.map(lambda _: self._opened(), range(count))]

    def _opened(self) -> http.client.HTTPConnection | OSError:
        connection = (
            http.client.HTTPSConnection(*self._address, timeout=self._timeout_s, context=self._tls)
            if self._tls
            else http.client.HTTPConnection(*self._address, timeout=self._timeout_s)
        )
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            return error
        return connection
