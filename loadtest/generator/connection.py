"""One connection of the driver: it sends one request at a time and hands over its response.

Callbacks run in gevent's hub and never block. The read watcher stays for the connection's life.
"""

import errno
import socket as sockets
import ssl
from collections.abc import Callable
from typing import Any

from gevent import monkey

from loadtest.generator.http1 import BadResponse, Response, parse
from loadtest.generator.tls import Records

RECEIVE_BYTES = 64 * 1024
READ, WRITE = 1, 2  # libev's event bits
IDLE = -1

# The patched class would park a greenlet where this one says that it would block.
_Socket: type[sockets.socket] = monkey.get_original("socket", "socket")


class Connection:
    __slots__ = (
        "_index",
        "_on_answer",
        "_on_close",
        "_on_failure",
        "_reader",
        "_received",
        "_socket",
        "_tls",
        "_unsent",
        "_writer",
    )

    def __init__(
        self,
        loop: Any,
        address: tuple[int, tuple[str, int]],
        *,
        on_answer: "Callable[[Connection, int, Response], None]",
        on_failure: Callable[[int, str], None],
        on_close: "Callable[[Connection], None]",
        tls: Records | None = None,
    ):
        family, where = address
        self._socket = _Socket(family, sockets.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        begun = self._socket.connect_ex(where)
        if begun not in (0, errno.EINPROGRESS):  # no port left, say; a refusal comes with the send
            self._socket.close()
            raise OSError(begun, "connect")
        self._reader = loop.io(self._socket.fileno(), READ)
        self._writer = loop.io(self._socket.fileno(), WRITE)
        self._on_answer = on_answer
        self._on_failure = on_failure
        self._on_close = on_close
        self._tls = tls
        self._index = IDLE
        self._received = b""
        self._unsent = b""
        self._reader.start(self._readable)

    def send(self, index: int, request: bytes) -> None:
        """Send the request of one arrival; the rest follows when the socket takes it."""
        self._index = index
        self._received = b""
        if self._tls is None:
            self._write(request)
            return
        try:
            sealed = self._tls.seal(request)
        except ssl.SSLError as error:
            self.abandon(error_name(error))
            return
        self._write(sealed)

    def abandon(self, error: str) -> None:
        """Close; the arrival in flight, if there is one, failed with this error."""
        index, self._index = self._index, IDLE
        self.close()
        if index != IDLE:
            self._on_failure(index, error)

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._reader.stop()
        self._writer.stop()
        self._reader.close()
        self._writer.close()
        self._socket.close()
        self._on_close(self)

    def _writable(self) -> None:
        self._writer.stop()
        unsent, self._unsent = self._unsent, b""
        self._write(unsent)

    def _write(self, raw: bytes) -> None:
        if self._unsent:
            self._unsent += raw
            return
        try:
            sent = self._socket.send(raw)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.abandon(error_name(error))
            return
        if sent < len(raw):
            self._unsent = raw[sent:]
            self._writer.start(self._writable)

    def _readable(self) -> None:
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.abandon(error_name(error))
            return
        if self._tls is None:
            self._take(data, ended=not data)
            return
        try:
            plain, answer = self._tls.open(data)
        except ssl.SSLError as error:
            self.abandon(error_name(error))
            return
        if answer:
            self._write(answer)
        if plain or self._tls.is_ended:
            self._take(plain, ended=self._tls.is_ended)

    def _take(self, data: bytes, *, ended: bool) -> None:
        if self._index == IDLE or not (data or self._received):
            self.abandon("ECONNRESET")  # closed by the server, or bytes that answer nothing
            return
        self._received = self._received + data if self._received else data
        try:
            response = parse(self._received, ended=ended)
        except BadResponse:
            self.abandon("bad_body")
            return
        if response is not None:
            index, self._index = self._index, IDLE
            self._on_answer(self, index, response)
        elif ended:
            self.abandon("ECONNRESET")


def error_name(error: OSError) -> str:
    """Return the error class as Node and Artillery name it, so that reports can be compared."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "CERT_INVALID"
    if isinstance(error, ssl.SSLError):
        return "EPROTO"
    if isinstance(error, BrokenPipeError):
        return "ECONNRESET"  # the same event, seen by the sender
    return errno.errorcode.get(error.errno or 0, "EIO")
