"""Requests that the console sends through an API itself, as a client of it would."""

import asyncio
import time
from collections.abc import Iterable

from local.gateway.api import ApiGateway
from local.http.request import Request


def new(
    method: str, target: str, *, peer: str, headers: Iterable[tuple[str, str, str]] = ()
) -> Request:
    """Return a request that begins now, without a body.

    A header is its name as sent, the name in lower case, and the value.
    """
    request = Request(peer, time.monotonic())
    request.method, request.target = method, target
    request.headers = list(headers)
    request.fields = {name: value for _, name, value in request.headers}
    return request


async def send(api: ApiGateway, request: Request) -> tuple[int, bytes]:
    """Send it, and return the status and body of its answer; a time-out of the API's bounds it."""
    answered: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

    def reply(status: int, header_lines: str, body: bytes) -> None:
        if not answered.done():
            answered.set_result((status, body))

    request.reply = reply
    api.handle(request)
    return await answered
