"""The provider's webhooks: events signed as Standard Webhooks says, sent until they are taken.

They are sent in the background, so that no order waits for them, and kept in memory only: who must
not miss what was not taken before the process ended finds it in GET /effects.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import time
from urllib.parse import urlsplit

from local.simulators.faults import Dice
from local.simulators.serving import StartError

log = logging.getLogger(__name__)

PREFIX = "whsec_"
TIMEOUT_S = 5.0  # an answer that takes longer counts as none
RETRIES_S = (1, 2, 5, 10, 30, 60, 300, 600)  # after a webhook that was not taken
UNDER_WAY_MAX = 10_000  # about 2 KiB of memory each


class Webhooks:
    """The sender of events to `url`, as often and as late as the dice say."""

    def __init__(self, url: str, secret: str, dice: Dice) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise StartError(
                f"--webhook-url {url!r} must begin with http:// or https:// and a host"
            )
        self._is_tls = parts.scheme == "https"
        self._address = (parts.hostname, parts.port or (443 if self._is_tls else 80))
        self._target = f"POST {parts.path or '/'} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
        self._key = _key(secret)
        self._dice = dice
        self._under_way: set[asyncio.Task[None]] = set()

    def tell(self, event_id: str, body: bytes, after_s: float = 0.0) -> None:
        """Have an event sent, not before `after_s`; nobody waits for it."""
        for delay_s in self._dice.webhook_delays_s():
            if len(self._under_way) >= UNDER_WAY_MAX:
                log.warning("webhook %s is dropped: %d are under way", event_id, UNDER_WAY_MAX)
                return
            task = asyncio.create_task(self._deliver(event_id, body, after_s + delay_s))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _deliver(self, event_id: str, body: bytes, delay_s: float) -> None:
        for pause_s in (delay_s, *RETRIES_S):
            await asyncio.sleep(pause_s)
            if await self._is_taken(event_id, body):
                return
        log.warning("webhook %s was never taken", event_id)

    async def _is_taken(self, event_id: str, body: bytes) -> bool:
        head = self._target + _headers(event_id, body, self._key, now_s=int(time.time()))
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._post(head.encode() + b"\r\n" + body) // 100 == 2
        except (OSError, TimeoutError, ValueError):  # refused, silent, or no HTTP
            return False

    async def _post(self, request: bytes) -> int:
        """Send one request over a connection of its own; returns the status of its answer."""
        reader, writer = await asyncio.open_connection(*self._address, ssl=self._is_tls or None)
        try:
            writer.write(request)
            _, status, *_ = (await reader.readline()).split()
            return int(status)
        finally:
            writer.close()


def _headers(event_id: str, body: bytes, key: bytes, *, now_s: int) -> str:
    digest = hmac.digest(key, f"{event_id}.{now_s}.".encode() + body, hashlib.sha256)
    fields = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "webhook-id": event_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "connection": "close",
    }
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items())


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(PREFIX) or not key:
        raise StartError(
            f"--webhook-url needs PROVIDER_WEBHOOK_SECRET to be {PREFIX} and base64 of random bytes"
        )
    return key
