"""One connection to a mail server, pipelined (RFC 2920), and encrypted where its URL says so.

The end of one mail travels with the envelope of the next: one round trip a mail, not smtplib's
four. Where the server does not offer PIPELINING each command waits for its reply.
"""

import base64
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from backend import stale_connections
from notifications.answers import Accepted, Answer, Permanent, RetryAfter
from notifications.channels.protocol import BATCH_TIMEOUT_S

REPLY_LINES_MAX = 100  # more than any server has capabilities
REPLY_LINE_BYTES_MAX = 1_000  # RFC 5321 4.5.3.1.5 asks for 512
GO_ON = 354
NAME = b"spillway.example"
PORT_OF = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A mail server, and how to speak to it."""

    host: str
    port: int
    scheme: str = "smtp"  # or smtp+starttls, smtps
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str) -> "Server":
        """Return the server that a URL of the settings names."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or PORT_OF[parts.scheme],
            scheme=parts.scheme,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )


class Reply(NamedTuple):
    """A server's reply: three digits and the text of its last line."""

    code: int
    text: str


class SmtpConnection:
    """One connection; every method raises OSError when the server does not answer in time."""

    def __init__(self, server: Server) -> None:
        address = (server.host, server.port)
        self._socket = socket.create_connection(address, timeout=BATCH_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")
        self._is_pipelining = False
        try:
            self._begin(server)
        except OSError:
            self.close()
            raise

    def send_all(self, sender: str, mails: Iterable[tuple[str, bytes]]) -> Iterator[Answer]:
        """Send mails, each to its recipient; yields one answer a mail, in their order."""
        give_up_at = time.monotonic() + BATCH_TIMEOUT_S
        content: list[bytes] = []  # of the mail whose envelope was taken last
        for to, raw in mails:
            self._socket.settimeout(max(0.001, give_up_at - time.monotonic()))
            envelope = [b"MAIL FROM:<%s>\r\n" % sender.encode(), b"RCPT TO:<%s>\r\n" % to.encode()]
            replies = self._exchange([*content, *envelope, b"DATA\r\n"])
            if content:
                yield _answer(replies.pop(0))
            refusal = _refusal(replies)
            if refusal is None:
                content = [raw.replace(b"\r\n.", b"\r\n..") + b".\r\n"]
            else:
                content = []
                self._abandon(is_open=replies[-1].code == GO_ON)
                yield _answer(refusal)
        if content:
            yield _answer(self._exchange(content)[0])

    def is_open(self) -> bool:
        """Tell whether the server still waits for us: it has neither closed nor said anything."""
        return stale_connections.is_open(self._socket)

    def close(self) -> None:
        """Close at once; the server forgets the mail in hand."""
        self._lines.close()
        self._socket.close()

    def _begin(self, server: Server) -> None:
        if server.scheme == "smtps":
            self._encrypt(server.host)
        self._expect(self._reply()[0], 220)
        capabilities = self._hello()
        if server.scheme == "smtp+starttls":
            # Whoever sits in between may strike it from the list, so it is asked for regardless.
            self._expect(self._command(b"STARTTLS\r\n"), 220)
            self._encrypt(server.host)
            capabilities = self._hello()
        if server.user:
            secret = f"\0{server.user}\0{server.password}".encode()
            self._expect(self._command(b"AUTH PLAIN %s\r\n" % base64.b64encode(secret)), 235)
        self._is_pipelining = "PIPELINING" in capabilities

    def _hello(self) -> list[str]:
        self._socket.sendall(b"EHLO %s\r\n" % NAME)
        reply, capabilities = self._reply()
        self._expect(reply, 250)
        return capabilities

    def _encrypt(self, host: str) -> None:
        """Go on encrypted with a server that proves its name; what came in clear is forgotten."""
        self._lines.close()
        context = ssl.create_default_context()
        self._socket = context.wrap_socket(self._socket, server_hostname=host)
        self._lines = self._socket.makefile("rb")

    def _expect(self, reply: Reply, code: int) -> None:
        if reply.code != code:
            raise ConnectionRefusedError(f"{reply.code} {reply.text}")

    def _abandon(self, *, is_open: bool) -> None:
        """Make the server forget an envelope; where it waits for the mail already, give it none."""
        self._exchange([b".\r\n", b"RSET\r\n"] if is_open else [b"RSET\r\n"])

    def _exchange(self, commands: Sequence[bytes]) -> list[Reply]:
        if not self._is_pipelining:
            return [self._command(each) for each in commands]
        self._socket.sendall(b"".join(commands))
        return [self._reply()[0] for _ in commands]

    def _command(self, command: bytes) -> Reply:
        self._socket.sendall(command)
        return self._reply()[0]

    def _reply(self) -> tuple[Reply, list[str]]:
        """Return the reply and the texts of all its lines."""
        texts: list[str] = []
        for _ in range(REPLY_LINES_MAX):
            line = self._lines.readline(REPLY_LINE_BYTES_MAX)
            if not line.endswith(b"\n") or not line[:3].isdigit():
                raise ConnectionResetError("the connection was closed or does not speak SMTP")
            texts.append(line[4:].decode("ascii", "replace").strip())
            if line[3:4] != b"-":
                return Reply(int(line[:3]), texts[-1]), texts
        raise ConnectionResetError(f"a reply has more than {REPLY_LINES_MAX} lines")


def _refusal(replies: Sequence[Reply]) -> Reply | None:
    """Return the first reply to MAIL, RCPT and DATA that is not a yes."""
    *envelope, data = replies
    for reply in envelope:
        if not 200 <= reply.code < 300:
            return reply
    return None if data.code == GO_ON else data


def _answer(reply: Reply) -> Answer:
    match reply.code // 100:
        case 2:
            return Accepted(code=reply.code, reference=reply.text)
        case 5:
            return Permanent(code=reply.code, reason=reply.text)
        case _:
            return RetryAfter(code=reply.code, reason=reply.text)
