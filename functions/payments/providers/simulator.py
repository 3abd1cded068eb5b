"""The simulator's protocol, at an http: or https: URL: orders and answers as our shapes in JSON."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from backend.errors import ProviderUnavailable
from backend.telemetry import logger
from payments import webhooks
from payments.provider import Answer, Ask, Effect, Outcome
from payments.providers.connections import Connections, Reply, Request


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
        reply = self._connections.get(f"/effects?after={after}")
        try:
            effects = msgspec.json.decode(reply.body, type=EffectPage).effects
        except msgspec.DecodeError as error:
            raise ProviderUnavailable("The provider does not show what it did.") from error
        if effects and effects[0].sequence > after + 1:
            gone = {"first": after + 1, "last": effects[0].sequence - 1}
            logger.error("effects were dropped before they were compared", extra=gone)
        return effects

    def hear(self, body: bytes, headers: Mapping[str, str], *, now_s: float) -> list[Answer]:
        """Return what a webhook answers; see `payments.provider`."""
        webhooks.check(body, headers, secret=self._webhook_secret, now_s=now_s)
        answer = webhooks.answer(body)
        return [answer] if answer else []


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
    except msgspec.DecodeError:
        return None
