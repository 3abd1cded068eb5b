"""One HTTP request between the server, which parsed it, and the application that answers it."""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Request:
    """A parsed request. Whoever handles it calls `reply` once, or `cut` to close the connection.

    `dropped` is called if the client goes before; `reply` and `cut` then do nothing.
    `headers` keeps order and casing; `fields` has the last value by lower-case name, for look-ups.
    """

    __slots__ = (
        "body",
        "cut",
        "dropped",
        "fields",
        "headers",
        "keep_alive",
        "method",
        "peer",
        "protocol",
        "received_s",
        "reply",
        "switch",
        "target",
    )

    def __init__(self, peer: str, received_s: float) -> None:
        self.method = ""
        self.target = ""
        self.protocol = "HTTP/1.1"
        self.headers: list[tuple[str, str, str]] = []  # as sent, lower case, value
        self.fields: dict[str, str] = {}
        self.body = b""
        self.keep_alive = True
        self.peer = peer
        self.received_s = received_s  # the monotonic clock at its first byte
        self.reply: Callable[[int, str, bytes], None] = no_reply
        self.cut: Callable[[], None] = _no_cut
        self.dropped: Callable[[], None] | None = None
        # Of a request for another protocol: gives the connection away, False where it is closed.
        self.switch: Callable[[asyncio.Protocol], bool] | None = None


class Application(Protocol):
    """The part of a program that answers the requests of a server."""

    def handle(self, request: Request) -> None:
        """Answer `request`, now or later, by `request.reply(status, header_lines, body)`."""

    def refuse(self, request: Request, status: int) -> None:
        """Answer a request that is not HTTP as it should be; it is incomplete."""


def no_reply(status: int, header_lines: str, body: bytes) -> None:
    """Answer nobody: no connection waits."""


def _no_cut() -> None:
    """Close nothing: there is no connection."""
