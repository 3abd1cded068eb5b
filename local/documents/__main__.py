"""`python -m local.documents`: serve one data file on one address until SIGTERM."""

import argparse
import asyncio
import logging
import os
import signal
import sqlite3
import sys
from pathlib import Path
from typing import NoReturn

import uvloop

from local.daemon import arguments
from local.documents import data_file, metrics
from local.documents.connections import Connection
from local.documents.server import Server
from local.documents.store import Store
from local.documents.write_ahead_log import Unsynced, WriteAheadLog

BACKLOG = 1024
RECURSION_MAX = 3_000  # calls: a filter may be as deep as a document, 200 levels of five each
FLUSH_S = 1.0  # for clients to take their last answers


async def serve(host: str, port: int, path: Path, unix_socket: Path | None) -> None:
    """Serve until SIGTERM, or end the process where nothing can become durable any more."""
    stopped = _stop_signal()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = data_file.lock(path)
    wal = WriteAheadLog(path)
    store = Store(path)
    server = Server(store, wal)
    listeners = await _listen(server, host, port, unix_socket)
    writing = asyncio.create_task(server.write())
    housekeeping = asyncio.create_task(server.keep_house())
    stopping = asyncio.create_task(stopped.wait())
    logging.info("documents on %s:%d, data in %s", host, port, path)
    tasks = {stopping, writing, housekeeping}
    ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    # No new requests, then what is written becomes durable and is answered, then the file.
    for listener in listeners:
        listener.close()
    try:
        for task in ended:
            task.result()
        server.stop()
        await writing
    except Unsynced as error:
        _end_unsynced(error)
    housekeeping.cancel()
    await server.connections.close(FLUSH_S)
    store.close()
    wal.close()
    lock.close()


def _stop_signal() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _listen(
    server: Server, host: str, port: int, unix_socket: Path | None
) -> list[asyncio.AbstractServer]:
    loop = asyncio.get_running_loop()

    def connection() -> Connection:
        return Connection(server.connections, server.answer)

    listeners: list[asyncio.AbstractServer] = [
        await loop.create_server(connection, host, port, backlog=BACKLOG)
    ]
    if unix_socket is not None:
        path = str(unix_socket)
        listeners.append(await loop.create_unix_server(connection, path, backlog=BACKLOG))
        unix_socket.chmod(0o600)
    return listeners


def _end_unsynced(error: Unsynced) -> NoReturn:
    """End at once: closing the file in order would count what the disk never took as stored."""
    logging.critical("the server ends, what it has not answered may be lost: %s", error)
    logging.shutdown()
    os._exit(1)


def main() -> int:
    os.umask(0o077)  # the data are for nobody else
    sys.setrecursionlimit(RECURSION_MAX)
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
    arguments.add_host(parser, "--metrics-host")
    parser.add_argument(
        "--metrics-port", type=arguments.port, metavar="PORT", help="port of /metrics, if any"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        if options.metrics_port:
            metrics.serve(options.metrics_host, options.metrics_port)
        uvloop.run(serve(options.host, options.port, options.data, options.socket))
    except (OSError, sqlite3.Error) as error:
        sys.stderr.write(f"documents cannot serve on {options.host}:{options.port}: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
