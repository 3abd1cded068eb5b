"""Relays in front of a store, which see and hold up what goes through them."""

import socket
import socketserver
import threading
from collections.abc import Callable
from typing import Self


class Relay:
    """A relay to `port` on a port of its own; use as a context manager."""

    def __init__(self, port: int) -> None:
        relay = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", port)) as server:
                    back = threading.Thread(target=relay.back, args=(server, self.request))
                    back.start()
                    relay.forward(self.request, server)
                    server.shutdown(socket.SHUT_RDWR)
                    back.join()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def forward(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what a client sends, until it ends."""
        while data := received(client):
            server.sendall(data)

    def back(self, server: socket.socket, client: socket.socket) -> None:
        """Pass on what the server answers, until it ends."""
        while data := received(server):
            try:
                client.sendall(data)
            except OSError:
                return


class KillAt(Relay):
    """A relay that calls `kill` when a client says `word`, which it does not pass on, nor the rest.

    The server has then seen everything before it.
    """

    def __init__(self, port: int, word: bytes) -> None:
        super().__init__(port)
        self.word = word
        self.kill: Callable[[], None] = lambda: None
        self.has_killed = threading.Event()

    def forward(self, client: socket.socket, server: socket.socket) -> None:
        while data := received(client):
            if self.word in data:
                self.kill()
                self.has_killed.set()
                return
            server.sendall(data)


class StopAt(KillAt):
    """A relay that calls `kill` once, when `word` comes, and then passes everything on."""

    def forward(self, client: socket.socket, server: socket.socket) -> None:
        while data := received(client):
            if self.word in data and not self.has_killed.is_set():
                self.has_killed.set()
                self.kill()
            server.sendall(data)


def received(source: socket.socket) -> bytes:
    """Return what comes next, nothing at its end or when the connection breaks."""
    try:
        return source.recv(65536)
    except OSError:
        return b""
