"""The client of the payment provider: many orders at once over kept connections.

Every order has a key of its own that never changes, so repeating one is always safe. Only a
definitive answer is returned; a time-out, a reset or a 5xx means "unknown", never "failed". Nothing
is repeated here: the message comes back by itself.
"""

import http.client
import ssl
import time
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Struct, UnsetType

from backend import stale_connections, tracing
from backend.breaker import breaker_of
from backend.errors import ProviderUnavailable
from backend.telemetry import trace_of

Path = Literal["/charges", "/captures", "/voids", "/refunds"]

CONNECTIONS_MAX = 10  # one per record of the largest batch


class ChargeOrder(Struct, frozen=True, kw_only=True):
    """A charge to make; `reference` is the payment's id."""

    amount: int  # minor units
    currency: str
    payment_method: str
    capture: bool
    reference: str
    off_session: bool | UnsetType = UNSET  # true where no customer is there to confirm it


class MoneyOrder(Struct, frozen=True, kw_only=True):
    """An amount of a charge to capture, release or refund; `reference` is the payment's id."""

    charge: str
    amount: int  # minor units
    currency: str
    reference: str


class Ask(Struct, frozen=True, kw_only=True):
    """One order with the key under which it has its effect once, and where it goes."""

    key: str
    path: Path
    order: ChargeOrder | MoneyOrder


class Outcome(Struct, frozen=True, kw_only=True):
    """The provider's definitive answer."""

    id: str
    reference: str
    status: Literal["succeeded", "failed", "requires_action"]
    amount: int
    currency: str
    captured: bool = False
    decline_code: str | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """An outcome that came otherwise than in answer to its order, with the order's key."""

    key: str
    outcome: Outcome


class Effect(Struct, frozen=True, kw_only=True):
    """A line of the provider's own record; `sequence` counts from 1."""

    sequence: int
    id: str
    idempotency_key: str
    reference: str
    kind: Literal["charge", "capture", "void", "refund", "confirmation"] = "charge"
    status: Literal["succeeded", "failed", "requires_action"]
    amount: int
    currency: str
    created_ms: int
    captured: bool = False
    decline_code: str | None = None
    charge: str | None = None  # of everything that is done to a charge

    def answer(self) -> Answer:
        """Return it as the answer that the order got, or missed."""
        of_charge = self.charge if self.kind == "confirmation" else None
        outcome = Outcome(
            id=of_charge or self.id,
            reference=self.reference,
            status=self.status,
            amount=self.amount,
            currency=self.currency,
            captured=self.captured,
            decline_code=self.decline_code,
        )
        return Answer(key=self.idempotency_key, outcome=outcome)


class EffectPage(Struct, frozen=True, kw_only=True):
    """The answer of GET /effects."""

    effects: list[Effect]


class Provider:
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

    def ask_all(self, asks: Sequence[Ask]) -> dict[str, Outcome]:
        """Send all orders, then read all answers; returns the definitive ones by key.

        The answers are awaited together, at most `timeout_ms` in all: ten slow orders take as
        long as one. Raises CircuitOpen, with nothing sent, while the provider fails too often;
        to find out that it does no more, only the first order is sent.
        """
        outcomes: dict[str, Outcome] = {}
        for start in range(0, len(asks), CONNECTIONS_MAX):
            now_s = time.monotonic()
            batch = asks[start : start + CONNECTIONS_MAX]
            batch = batch[: self._breaker.admit(len(batch), now_s=now_s)]
            spans = [self._span(ask) for ask in batch]
            connections = [self._send(*each) for each in zip(batch, spans, strict=True)]
            answers: dict[str, Outcome] = {}
            for ask, span, connection in zip(batch, spans, connections, strict=True):
                until_s = now_s + self._timeout_s
                outcome = self._answer(connection, until_s, span) if connection else None
                if outcome and matches(outcome, ask):
                    answers[ask.key] = outcome
            self._breaker.learn(
                succeeded=len(answers), failed=len(batch) - len(answers), now_s=time.monotonic()
            )
            outcomes |= answers
        return outcomes

    @property
    def is_left_alone(self) -> bool:
        """Return whether it failed so often that it is only probed just now."""
        return self._breaker.is_open

    def effects(self, after: int) -> list[Effect]:
        """Return the next page of what the provider did; raises ProviderUnavailable."""
        connection = self._connection()
        try:
            connection.request("GET", f"{self._path}/effects?after={after}")
            response = connection.getresponse()
            page = msgspec.json.decode(response.read(), type=EffectPage)
        except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
            connection.close()
            raise ProviderUnavailable("The provider does not show what it did.") from error
        self._idle.append(connection)
        return page.effects

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

    def _send(self, ask: Ask, span: tracing.Span | None) -> http.client.HTTPConnection | None:
        connection = self._connection()
        headers = {"Content-Type": "application/json", "Idempotency-Key": ask.key}
        headers |= tracing.headers(span, trace_of(ask.order.reference))
        body = msgspec.json.encode(ask.order)
        try:
            connection.request("POST", f"{self._path}{ask.path}", body, headers)
        except OSError as error:
            connection.close()
            tracing.end_http(span, error)
            return None
        return connection

    def _answer(
        self,
        connection: http.client.HTTPConnection,
        deadline: float,
        span: tracing.Span | None,
    ) -> Outcome | None:
        try:
            connection.sock.settimeout(max(0.001, deadline - time.monotonic()))
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            tracing.end_http(span, error)
            return None
        tracing.end_http(span, response.status)
        self._idle.append(connection)
        if response.status != 200:
            return None
        try:
            return msgspec.json.decode(body, type=Outcome)
        except msgspec.DecodeError:
            return None

    def _connection(self) -> http.client.HTTPConnection:
        while self._idle:
            connection = self._idle.pop()
            if connection.sock is not None and stale_connections.is_open(connection.sock):
                return connection
            connection.close()
        if self._tls:
            return http.client.HTTPSConnection(
                *self._address, timeout=self._timeout_s, context=self._tls
            )
        return http.client.HTTPConnection(*self._address, timeout=self._timeout_s)


def matches(outcome: Outcome, ask: Ask) -> bool:
    """Tell whether an answer speaks of this payment and this money; never trust another."""
    order = ask.order
    return (outcome.reference, outcome.amount, outcome.currency) == (
        order.reference,
        order.amount,
        order.currency,
    )
