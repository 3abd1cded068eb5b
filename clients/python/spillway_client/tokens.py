"""The access token of a client, and its renewal before it expires."""

import threading
from collections.abc import Callable

from spillway_client.records import Token

MARGIN_S = 60  # a request that waits to be tried again still has a token that holds
MARGIN_SHARE = 0.1  # of a short life


class Tokens:
    """The token of one client, shared by its threads; `fetch` gets another."""

    def __init__(self, fetch: Callable[[], Token], now: Callable[[], float]) -> None:
        self._fetch = fetch
        self._now = now
        self._lock = threading.Lock()
        self._text = ""
        self._renew_at_s = 0.0

    def current(self) -> str:
        """Return a token that holds for a while."""
        with self._lock:
            if not self._text or self._now() >= self._renew_at_s:
                self._renew()
            return self._text

    def instead_of(self, refused: str) -> str:
        """Return another token than one that was refused; of several threads one renews it."""
        with self._lock:
            if self._text == refused:
                self._renew()
            return self._text

    def _renew(self) -> None:
        start_s = self._now()  # its life begins before its answer is here
        token = self._fetch()
        margin_s = min(MARGIN_S, token.expires_in * MARGIN_SHARE)
        self._text = token.access_token
        self._renew_at_s = start_s + token.expires_in - margin_s
