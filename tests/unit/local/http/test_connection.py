"""What a connection leaves behind; everything else about it is asked of a running gateway."""

import asyncio
import gc
import weakref

import pytest

from local.http.connection import Connection
from local.http.request import Request
from local.http.server import Server

PLAIN = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n"


class Hanging(asyncio.Protocol):
    """Another protocol, which ends with the connection it was given."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class Answering:
    """An application that answers at once, or gives the connection away where it may."""

    def handle(self, request: Request) -> None:
        if request.switch is None:
            request.reply(204, "", b"")
        else:
            request.switch(Hanging())

    def refuse(self, request: Request, status: int) -> None:
        request.reply(status, "", b"")


async def ended(data: bytes) -> list["weakref.ref[Connection]"]:
    """Send `data` on a connection of its own and return what is left of the server's end of it."""
    server, made = Server(Answering()), []

    def connection() -> Connection:
        one = server.connection()
        made.append(weakref.ref(one))
        return one

    listener = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    async with listener, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        writer.write(data)
        await reader.read()  # to its end
        writer.close()
        await writer.wait_closed()
    return made


@pytest.mark.parametrize("data", [PLAIN, UPGRADE, b"not HTTP\r\n\r\n"])
def test_an_ended_connection_leaves_nothing_to_the_garbage_collector(data):
    gc.disable()
    try:
        left = asyncio.run(ended(data))
        assert len(left) == 1
        assert left[0]() is None
    finally:
        gc.enable()
