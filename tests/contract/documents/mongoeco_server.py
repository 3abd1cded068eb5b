"""The oracle of the contract: mongoeco, an independent MongoDB in Python, on a port."""

import asyncio
import sys

from mongoeco.engines.memory import MemoryEngine
from mongoeco.wire.proxy import AsyncMongoEcoProxyServer


async def serve(port: int) -> None:
    async with AsyncMongoEcoProxyServer(engine=MemoryEngine(), port=port, mongodb_dialect="7.0"):
        await asyncio.Event().wait()


asyncio.run(serve(int(sys.argv[1])))
