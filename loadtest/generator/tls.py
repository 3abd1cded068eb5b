"""TLS for the load test: the context that checks certificates, and one connection's records.

`Records` does no input or output of its own: the driver's connection sends and receives for it.
"""

import ssl

PLAIN_BYTES = 64 * 1024


def context_for(ca_file: str = "") -> ssl.SSLContext:
    """Return a context that checks certificate and host name.

    Trusted are the authorities of `ca_file`, a PEM file, or the machine's where it is empty.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    context.set_alpn_protocols(["http/1.1"])
    return context


class Records:
    """One connection's encryption. ssl.SSLError where the peer is not who it should be."""

    __slots__ = ("_incoming", "_object", "_outgoing", "_waiting", "is_ended", "is_shaken")

    def __init__(self, context: ssl.SSLContext, host: str):
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._waiting = b""  # plain text to send after the handshake
        self.is_shaken = False
        self.is_ended = False  # the peer sends no more

    def seal(self, plain: bytes) -> bytes:
        """Return the bytes to send so that the peer reads `plain`, now or after the handshake."""
        if self.is_shaken:
            self._object.write(plain)
        else:
            self._waiting += plain
            self._shake()
        return self._outgoing.read()

    def open(self, received: bytes) -> tuple[bytes, bytes]:
        """Return the plain text of the bytes received, and the bytes to send in answer."""
        if received:
            self._incoming.write(received)
        else:
            self._incoming.write_eof()
            self.is_ended = True
        if not self.is_shaken:
            self._shake()
        plain = self._read() if self.is_shaken else b""
        return plain, self._outgoing.read()

    def _shake(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.is_shaken = True
        if self._waiting:
            self._object.write(self._waiting)
            self._waiting = b""

    def _read(self) -> bytes:
        pieces = []
        try:
            while piece := self._object.read(PLAIN_BYTES):
                pieces.append(piece)
            self.is_ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.is_ended = True  # closed, with a farewell or without
        return b"".join(pieces)
