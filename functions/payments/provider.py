"""The client of the payment provider: many charges at once over kept connections.

Every charge has a key of its own that never changes, so repeating one is always safe. Only a
definitive answer is returned; a time-out, a reset or a 5xx means "unknown", never "failed".
"""

import http.client
import select
import time
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

CONNECTIONS_MAX = 10  # one per record of the largest batch


class ChargeRequest(Struct, frozen=True, kw_only=True):
    """What the provider is asked to charge; `reference` is the payment's id."""

    amount: int  # minor units
    currency: str
    payment_method: str
    capture: bool
    reference: str


class Charge(Struct, frozen=True, kw_only=True):
    """The provider's definitive answer."""

    id: str
    reference: str
    status: Literal["succeeded", "failed", "requires_action"]
    amount: int
    currency: str
    captured: bool
    decline_code: str | None = None


class Provider:
    """One environment's connections to the provider at `url`."""

    def __init__(self, url: str, *, timeout_ms: int) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._path = parts.path.rstrip("/")
        self._timeout_s = timeout_ms / 1000
        self._idle: list[http.client.HTTPConnection] = []

    def charge_all(self, requests: Sequence[ChargeRequest]) -> dict[str, Charge]:
        """Ask for all charges, then read all answers; returns the definitive ones by reference.

        The answers are awaited together, at most `timeout_ms` in all: ten slow charges take as
        long as one.
        """
        charges: dict[str, Charge] = {}
        for start in range(0, len(requests), CONNECTIONS_MAX):
            deadline = time.monotonic() + self._timeout_s
            asked = [
                (request, self._ask(request))
                for request in requests[start : start + CONNECTIONS_MAX]
            ]
            for request, connection in asked:
                charge = self._answer(connection, deadline) if connection else None
                if charge and _matches(charge, request):
                    charges[request.reference] = charge
        return charges

    def _ask(self, request: ChargeRequest) -> http.client.HTTPConnection | None:
        connection = self._connection()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": f"{request.reference}:charge",
        }
        try:
            connection.request(
                "POST", f"{self._path}/charges", msgspec.json.encode(request), headers
            )
        except OSError:
            connection.close()
            return None
        return connection

    def _answer(self, connection: http.client.HTTPConnection, deadline: float) -> Charge | None:
        try:
            connection.sock.settimeout(max(0.001, deadline - time.monotonic()))
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return None
        self._idle.append(connection)
        if response.status != 200:
            return None
        try:
            return msgspec.json.decode(body, type=Charge)
        except msgspec.DecodeError:
            return None

    def _connection(self) -> http.client.HTTPConnection:
        while self._idle:
            connection = self._idle.pop()
            if not _closed_by_peer(connection):
                return connection
            connection.close()
        return http.client.HTTPConnection(*self._address, timeout=self._timeout_s)


def _closed_by_peer(connection: http.client.HTTPConnection) -> bool:
    """Tell whether an idle connection is readable: nothing was asked, so that is its end."""
    return connection.sock is None or bool(select.select([connection.sock], [], [], 0)[0])


def _matches(charge: Charge, request: ChargeRequest) -> bool:
    """Never trust an answer that speaks of another payment or of other money."""
    return (charge.reference, charge.amount, charge.currency) == (
        request.reference,
        request.amount,
        request.currency,
    )
