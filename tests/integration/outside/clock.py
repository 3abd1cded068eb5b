"""A server whose clock leaps, so that no test has to wait for a deadline."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from local.simulators.serving import Group


async def first_line_after(
    protocol: Callable[[], asyncio.Protocol], connections: Group, sent: bytes, later_s: float
) -> bytes | None:
    """Return the line that a client who sent `sent` gets when the clock leaps by `later_s`.

    b"" if the connection is closed without a word, None if nothing happens.
    """
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent)
        await asyncio.sleep(0.05)
        with suppress(TimeoutError):  # the greeting before the leap
            await asyncio.wait_for(reader.read(65536), 0.01)
        connections.sweep(time.monotonic() + later_s)
        try:
            return (await asyncio.wait_for(reader.readline(), 0.2)).strip()
        except TimeoutError:
            return None
        finally:
            writer.close()
            connections.sweep(time.monotonic() + 1000)
            connections.sweep(time.monotonic() + 2000)
            await asyncio.sleep(0.01)
