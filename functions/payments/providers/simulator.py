"""The simulator's protocol, at an http: or https: URL: orders and answers as our shapes in JSON."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from backend.errors import ProviderUnavailable
from backend.telemetry import logger
from payments import webhooks
from payments.provider import Ask, Effect, Outcome, Word
from payments.providers.connections import UNREADABLE, Connections, Reply, Request


class EffectPage(Struct, frozen=True, kw_only=True):
    """The answer of GET /effects."""

    effects: list[Effect]


class Simulator:
    """One environment's access to the provider at `url`."""

    def __init__(self, url: str, *, timeout_ms: int, webhook_secret: str) -> None:
        self._connections = Connections(url, timeout_ms=timeout_ms)
        self._webhook_secret = webhook_secret

    @property
    def is_left_alone(self) -> bool:
        """Return whether it failed so often that it is only probed just now."""
        return self._connections.is_left_alone

    def ask_all(self, asks: Sequence[Ask]) -> dict[str, Outcome]:
        """Give orders; see `payments.provider`."""
        outcomes, _ = self._connections.ask_all(asks, write=_request, read=_outcome)
        return outcomes

    def effects(self, after: int) -> list[Effect]:
        """Return the next page of what the provider did; raises ProviderUnavailable."""
        effects = _effects(self._connections.get(f"/effects?after={after}"))
        if effects and effects[0].sequence > after + 1:
            gone = {"first": after + 1, "last": effects[0].sequence - 1}
            logger.error("effects were dropped before they were compared", extra=gone)
        return effects

    def line_before(self, time_ms: int) -> int | None:
        """Look for the last line before a time by halves; see `payments.provider`.

        Lines are looked at one by one: some forty of millions.
        """
        first = self._line(0)
        if first is None or first.created_ms >= time_ms:
            return 0 if first is None or first.sequence == 1 else None
        low, high = first.sequence, 2 * first.sequence
        while (line := self._line(high - 1)) and line.created_ms < time_ms:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            line = self._line(middle - 1)
            is_before = line is not None and line.created_ms < time_ms
            low, high = (middle, high) if is_before else (low, middle)
        return low

    def _line(self, after: int) -> Effect | None:
        """Return the first line after that one."""
        effects = _effects(self._connections.get(f"/effects?after={after}&limit=1"))
        return effects[0] if effects else None

    def move_clock(self, clock_id: str, now_ms: int) -> list[Effect]:
        """Have happen what is due by a test clock, and return all that ever was by its time.

        Raises ProviderUnavailable.
        """
        body = msgspec.json.encode({"test_clock": clock_id, "now_ms": now_ms})
        return _effects(self._connections.post(Request(path="/clocks", headers={}, body=body)))

    def hear(self, body: bytes, headers: Mapping[str, str], *, now_s: float) -> list[Word]:
        """Return what a webhook answers; see `payments.provider`."""
        webhooks.check(body, headers, secret=self._webhook_secret, now_s=now_s)
        word = webhooks.word(body)
        return [word] if word else []


def _effects(reply: Reply) -> list[Effect]:
    try:
        return msgspec.json.decode(reply.body, type=EffectPage).effects
    except UNREADABLE as error:
        raise ProviderUnavailable("The provider does not show what it did.") from error


def _request(ask: Ask) -> Request:
    return Request(
        path=ask.path,
        headers={"Content-Type": "application/json", "Idempotency-Key": ask.key},
        body=msgspec.json.encode(ask.order),
    )


def _outcome(ask: Ask, reply: Reply) -> Outcome | None:
    if reply.status != 200:
        return None
    try:
        return msgspec.json.decode(reply.body, type=Outcome)
    except UNREADABLE:
        what = {"payment_id": ask.order.reference, "key": ask.key}
        logger.error("the provider's answer has an unknown shape", extra=what)
        return None
