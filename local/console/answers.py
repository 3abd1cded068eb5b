"""The console's answers: a page of bytes or of JSON, and the refusal in one sentence."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

# A page of another site cannot send it: its browser would ask first, and nobody says yes.
ACTION_HEADER = "x-console-action"
# Nothing comes from elsewhere, nothing is put into a frame, and what the browser thinks that it
# sees is not asked for. The page writes widths and colours as attributes of elements, not as text.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)
# The page of a load run's report has its style and its charts in itself, and runs nothing.
REPORT_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
)
_HEADER_LINES = (
    "X-Content-Type-Options: nosniff\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cache-Control: no-store\r\n"
)


class Refused(Exception):
    """A request that is not done; the message says why and what to do."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Page:
    """The answer of a view or an action."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    policy: str = CONTENT_SECURITY_POLICY

    @property
    def header_lines(self) -> str:
        policy = f"Content-Security-Policy: {self.policy}\r\n"
        return f"Content-Type: {self.content_type}\r\n{policy}{_HEADER_LINES}"


def as_json(value: object, status: int = 200) -> Page:
    """Return `value` as a page of JSON."""
    return Page(orjson.dumps(value), status=status)


def in_thread(
    read: Callable[[Mapping[str, str]], object],
) -> Callable[[Mapping[str, str]], Any]:
    """Return a view that reads in a thread, because reading blocks. `read` may raise Refused."""

    async def view(parameters: Mapping[str, str]) -> Page:
        return as_json(await asyncio.to_thread(read, parameters))

    return view


def number(parameters: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Return the parameter as a number from 0 to `most`. Raises Refused."""
    text = parameters.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) <= most):
        raise Refused(400, f"{name} must be a whole number from 0 to {most}, not {text[:40]!r}")
    return int(text)
