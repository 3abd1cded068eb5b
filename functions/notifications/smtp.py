"""E-mail by SMTP over one kept connection, pipelined as RFC 2920 allows.

The end of one mail travels with the envelope of the next: one round trip a mail, not smtplib's
four. Where the server does not offer PIPELINING each command waits for its reply.
"""

import re
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from email.utils import parseaddr
from typing import NamedTuple
from urllib.parse import urlsplit

from notifications import mail
from notifications.channels import (
    BATCH_TIMEOUT_S,
    Accepted,
    Answer,
    Permanent,
    RetryAfter,
)
from notifications.schema import Notification

# Mail servers that greylist take it a few minutes later; the last one is eleven hours after the
# first, when a server that is down for a night has come back.
SCHEDULE_S = (30, 300, 900, 3600, 7200, 14_400, 14_400)
REPLY_LINES_MAX = 100  # more than any server has capabilities
REPLY_LINE_BYTES_MAX = 1_000  # RFC 5321 4.5.3.1.5 asks for 512
GO_ON = 354
ADDRESS = re.compile(r"[^\s<>@\x00-\x1f\x7f-\U0010ffff]{1,64}@[A-Za-z0-9.-]{1,189}")


class Reply(NamedTuple):
    """A server's reply: three digits and the text of its last line."""

    code: int
    text: str


class SmtpSender:
    """Implements notifications.channels.Channel; connects at the first mail and stays connected."""

    schedule_s = SCHEDULE_S

    def __init__(self, url: str, *, mail_from: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 25)
        self._mail_from = mail_from
        self._return_path = parseaddr(mail_from)[1]
        self._connection: SmtpConnection | None = None

    def send_all(self, batch: Sequence[Notification]) -> list[Answer]:
        """Send one mail for each notification and return what became of each."""
        able = [each for each in batch if ADDRESS.fullmatch(each.to)]
        answers = iter(self._send(able))
        refused = Permanent(reason="No mail can go to this address.")
        return [next(answers) if each in able else refused for each in batch]

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, batch: Sequence[Notification]) -> list[Answer]:
        answers: list[Answer] = []
        if not batch:
            return answers
        mails = [(each.to, mail.encode(each, mail_from=self._mail_from)) for each in batch]
        try:
            answers.extend(self._connected().send_all(self._return_path, mails))
        except OSError as error:
            self.close()
            # Of the first of these nobody knows whether it was taken: at least once means again.
            unknown = RetryAfter(reason=f"No reply by SMTP: {error}.")
            answers += [unknown] * (len(mails) - len(answers))
        return answers

    def _connected(self) -> "SmtpConnection":
        if self._connection is not None and not self._connection.is_idle():
            self.close()
        if self._connection is None:
            self._connection = SmtpConnection(self._address)
        return self._connection


class SmtpConnection:
    """One connection; every method raises OSError when the server does not answer in time."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=BATCH_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")
        self._is_pipelining = False
        try:
            self._greet()
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

    def is_idle(self) -> bool:
        """Tell whether the server still waits for us: it has neither closed nor said anything."""
        self._socket.settimeout(0)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close at once; the server forgets the mail in hand."""
        self._lines.close()
        self._socket.close()

    def _greet(self) -> None:
        greeting, _ = self._reply()
        capabilities: list[str] = []
        if greeting.code == 220:
            self._socket.sendall(b"EHLO spillway.example\r\n")
            greeting, capabilities = self._reply()
        if greeting.code not in (220, 250):
            raise ConnectionRefusedError(f"{greeting.code} {greeting.text}")
        self._is_pipelining = "PIPELINING" in capabilities

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
