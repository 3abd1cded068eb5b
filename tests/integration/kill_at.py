"""A relay in front of the document store that kills a process when it sends a given command."""

import socket
import socketserver
import threading
from collections.abc import Callable


class KillAt:
    """Relays to `port` on a port of its own; use as a context manager.

    When `word` comes from a client, `kill` is called and the bytes do not travel on: the server has
    seen everything before them and nothing after.
    """

    def __init__(self, port: int, word: bytes) -> None:
        self.kill: Callable[[], None] = lambda: None
        self.has_killed = threading.Event()
        relay = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", port)) as server:
                    back = threading.Thread(target=_copy, args=(server, self.request))
                    back.start()
                    relay._forward(self.request, server, word)
                    server.shutdown(socket.SHUT_RDWR)
                    back.join()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "KillAt":
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _forward(self, client: socket.socket, server: socket.socket, word: bytes) -> None:
        while data := _received(client):
            if word in data:
                self.kill()
                self.has_killed.set()
                return
            server.sendall(data)


def _copy(source: socket.socket, target: socket.socket) -> None:
    while data := _received(source):
        try:
            target.sendall(data)
        except OSError:
            return


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(65536)
    except OSError:
        return b""
