"""`python -m local.documents`: serve one data file on one address until SIGTERM."""

import argparse
import asyncio
import logging
import os
import signal
import sqlite3
import sys
from pathlib import Path

import uvloop

from local.daemon import arguments
from local.documents.server import Connection, Server
from local.documents.store import Store

BACKLOG = 1024
FLUSH_S = 1.0  # for clients to take their last answers


async def serve(host: str, port: int, path: Path, unix_socket: Path | None) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    store = Store(path)
    server = Server(store)
    listeners: list[asyncio.AbstractServer] = [
        await loop.create_server(lambda: Connection(server), host, port, backlog=BACKLOG)
    ]
    if unix_socket is not None:
        listening = loop.create_unix_server(
            lambda: Connection(server), str(unix_socket), backlog=BACKLOG
        )
        listeners.append(await listening)
        unix_socket.chmod(0o600)
    housekeeping = asyncio.create_task(server.keep_house())
    logging.info("documents on %s:%d, data in %s", host, port, path)
    await stopped.wait()
    # No new requests, then what is written becomes durable and is answered, then the file.
    for listener in listeners:
        listener.close()
    housekeeping.cancel()
    server.commit()
    await server.close(FLUSH_S)
    store.close()


def main() -> int:
    os.umask(0o077)  # the data are for nobody else
    parser = argparse.ArgumentParser(
        prog="python -m local.documents",
        description="Serve one data file to MongoDB's drivers until SIGTERM.",
    )
    arguments.add_host(parser)
    arguments.add_port(parser, "--port", 27017, "port to listen on")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE",
        help="the SQLite file; made if missing",
    )
    parser.add_argument(
        "--socket", type=Path, metavar="PATH", help="a unix socket besides, half as costly a call"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        uvloop.run(serve(options.host, options.port, options.data, options.socket))
    except (OSError, sqlite3.Error) as error:
        sys.stderr.write(f"documents cannot serve on {options.host}:{options.port}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
