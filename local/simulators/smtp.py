"""An SMTP server that takes every mail: RFC 5321 with PIPELINING, SIZE, 8BITMIME and SMTPUTF8.

What becomes of a mail is its taker's concern. It is our own because of its cost: aiosmtpd 1.4.6 on
uvloop took 490 us of CPU a mail at full speed and 580 at 250/s (five connections, 800 bytes a mail,
each appended to a file), this one with its journal 90 and 160.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from local.simulators.serving import Connections

MAIL_BYTES_MAX = 1024 * 1024  # four times the largest body of the API
LINE_BYTES_MAX = 1000  # RFC 5321 asks for 512, SMTPUTF8 and parameters for more
RECIPIENTS_MAX = 100  # the least that RFC 5321 4.5.3.1.8 asks for
COMMAND_DEADLINE_S = 300.0  # RFC 5321 4.5.3.2.7
MAIL_DEADLINE_S = 30.0  # from 354 to the last byte

END = b"\r\n.\r\n"
MAIL = re.compile(rb"FROM:\s*<([^<>\s]{0,320})>((?:\s+\S+)*)\s*", re.IGNORECASE)
RECIPIENT = re.compile(rb"TO:\s*<([^<>\s]{1,320})>\s*", re.IGNORECASE)
SIZE = re.compile(rb"SIZE=(\d{1,20})")
FLAGS = {b"BODY=7BIT", b"BODY=8BITMIME", b"SMTPUTF8"}

# A page of any site can have a browser send a request here, whose body would be mails.
HTTP_METHODS = frozenset((b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH"))

GREETING = b"220 mailbox.local takes every mail\r\n"
CAPABILITIES = (
    b"250-mailbox.local\r\n250-PIPELINING\r\n250-SIZE %d\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
    % MAIL_BYTES_MAX
)
TOO_BIG = b"552 5.3.4 a mail has at most %d bytes\r\n" % MAIL_BYTES_MAX
STOPPING = b"421 4.3.2 stopping\r\n"
OK = b"250 2.0.0 ok\r\n"
SIMULATOR = "simulator."  # begins the domain of addresses whose local part says what happens
REFUSALS = {
    "refuse": b"550 5.1.1 refused, as the address asks\r\n",
    "defer": b"451 4.7.1 deferred, as the address asks\r\n",
}


def simulated(address: str) -> str:
    """Return what an address asks the mailbox to do with its mails: "" where it asks nothing."""
    local_part, _, domain = address.lower().rpartition("@")
    return local_part if domain.startswith(SIMULATOR) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail as it came: envelope and bytes, dots unstuffed."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes


class SmtpConnection(asyncio.Protocol):
    """One client: commands in, replies out, each mail to `take`, which calls back later."""

    def __init__(
        self, take: Callable[[Mail, Callable[[], None]], None], connections: Connections
    ) -> None:
        self._take = take
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._replies: list[bytes] = []
        self._is_writable = True
        self._is_closing = False
        self._is_greeted = False
        self._is_taking = False
        self._since = self._loop.time()
        self._sender: str | None
        self._recipients: list[str]
        self._reset()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._connections.admit(self):
            self._transport.write(GREETING)
        else:
            self._leave(b"421 4.3.2 too many connections\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        self._connections.remove(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._advance()

    def pause_writing(self) -> None:
        self._is_writable = False
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_writable = True
        self._transport.resume_reading()
        self._advance()

    def sweep(self, now: float) -> None:
        """End a connection on which nothing was finished for too long."""
        deadline_s = MAIL_DEADLINE_S if self._is_reading_mail else COMMAND_DEADLINE_S
        waited = now - self._since
        if waited > deadline_s and not self._is_closing:
            self._leave(b"421 4.4.2 waited too long\r\n")
        elif waited > deadline_s + MAIL_DEADLINE_S:
            self.abort()

    def drain(self) -> None:
        """Close once the mail in hand is stored; the client sends an unfinished one again."""
        if not self._is_taking:
            self._leave(STOPPING)

    def abort(self) -> None:
        """Close at once."""
        self._is_closing = True
        self._transport.abort()

    def _advance(self) -> None:
        """Work through the buffer until a mail is being stored, then reply to all of it at once."""
        while self._is_writable and not (self._is_taking or self._is_closing):
            finished = self._read_mail() if self._is_reading_mail else self._read_command()
            if not finished:
                break
            self._since = self._loop.time()
        self._flush()

    def _read_command(self) -> bool:
        end = self._buffer.find(b"\r\n", 0, LINE_BYTES_MAX)
        if end < 0:
            if len(self._buffer) >= LINE_BYTES_MAX:
                self._leave(b"500 5.5.6 line too long\r\n")
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        verb, _, argument = line.partition(b" ")
        if verb.upper() == b"QUIT":
            self._leave(b"221 2.0.0 bye\r\n")
            return False
        if verb.upper() in HTTP_METHODS:
            self._leave(b"421 4.7.0 this is no web server\r\n")
            return False
        command = COMMANDS.get(verb.upper(), SmtpConnection._unknown)
        self._replies.append(command(self, argument))
        return True

    def _unknown(self, argument: bytes) -> bytes:
        return b"500 5.5.1 unknown command\r\n"

    def _hello(self, argument: bytes) -> bytes:
        self._reset()
        self._is_greeted = True
        return CAPABILITIES

    def _helo(self, argument: bytes) -> bytes:
        self._hello(argument)
        return b"250 mailbox.local\r\n"

    def _mail(self, argument: bytes) -> bytes:
        if not self._is_greeted or self._sender is not None:
            return b"503 5.5.1 EHLO, then one MAIL at a time\r\n"
        match = MAIL.fullmatch(argument)
        if match is None:
            return b"501 5.5.4 use MAIL FROM:<address>\r\n"
        parameters = match[2].upper().split()
        sizes = [size for parameter in parameters if (size := SIZE.fullmatch(parameter))]
        if len(sizes) + sum(parameter in FLAGS for parameter in parameters) < len(parameters):
            return b"555 5.5.4 unknown parameter\r\n"
        if any(int(size[1]) > MAIL_BYTES_MAX for size in sizes):
            return TOO_BIG
        self._is_utf8 = b"SMTPUTF8" in parameters
        sender = self._address(match[1])
        if sender is None:
            return b"553 5.6.7 not an ASCII address; use SMTPUTF8\r\n"
        self._sender = sender
        return OK

    def _rcpt(self, argument: bytes) -> bytes:
        if self._sender is None:
            return b"503 5.5.1 MAIL comes first\r\n"
        if len(self._recipients) >= RECIPIENTS_MAX:
            return b"452 4.5.3 too many recipients\r\n"
        match = RECIPIENT.fullmatch(argument)
        if match is None:
            return b"501 5.5.4 use RCPT TO:<address>\r\n"
        recipient = self._address(match[1])
        if recipient is None:
            return b"553 5.6.7 not an ASCII address; use SMTPUTF8\r\n"
        if refusal := REFUSALS.get(simulated(recipient)):
            return refusal
        self._recipients.append(recipient)
        return OK

    def _data(self, argument: bytes) -> bytes:
        if not self._recipients:
            return b"503 5.5.1 RCPT comes first\r\n"
        self._is_reading_mail = True
        self._buffer[:0] = b"\r\n"  # so that a dot that begins the first line is one like others
        self._searched = 0
        return b"354 end with a dot on a line of its own\r\n"

    def _read_mail(self) -> bool:
        """Read a mail to CRLF dot CRLF: taking less opens the door to smuggled ones."""
        end = self._buffer.find(END, self._searched)
        if end < 0:
            self._searched = max(0, len(self._buffer) - len(END) + 1)
            if len(self._buffer) > MAIL_BYTES_MAX:
                self._is_mail_too_big = True
                del self._buffer[: self._searched]
                self._searched = 0
            return False
        raw = bytes(self._buffer[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]
        del self._buffer[: end + len(END)]
        if self._is_mail_too_big or len(raw) > MAIL_BYTES_MAX:
            self._reset()
            self._replies.append(TOO_BIG)
        else:
            self._is_taking = True
            mail = Mail(sender=self._sender or "", recipients=tuple(self._recipients), raw=raw)
            self._take(mail, self._acknowledge)
        return True

    def _acknowledge(self) -> None:
        self._is_taking = False
        self._reset()
        self._replies.append(OK)
        if self._connections.is_draining:
            self._leave(STOPPING)
        else:
            self._advance()

    def _rset(self, argument: bytes) -> bytes:
        self._reset()
        return OK

    def _noop(self, argument: bytes) -> bytes:
        return OK

    def _vrfy(self, argument: bytes) -> bytes:
        return b"252 2.1.5 send it and see\r\n"

    def _address(self, address: bytes) -> str | None:
        try:
            return address.decode("utf-8" if self._is_utf8 else "ascii")
        except UnicodeDecodeError:
            return None

    def _reset(self) -> None:
        """Forget the mail in hand."""
        self._sender = None
        self._recipients = []
        self._is_utf8 = False
        self._is_reading_mail = False
        self._is_mail_too_big = False

    def _flush(self) -> None:
        if self._replies and not self._is_closing:
            self._transport.write(b"".join(self._replies))
            self._replies.clear()

    def _leave(self, reply: bytes) -> None:
        if self._is_closing:
            return
        self._replies.append(reply)
        self._flush()
        self._is_closing = True
        self._transport.close()


COMMANDS: dict[bytes, Callable[[SmtpConnection, bytes], bytes]] = {
    b"EHLO": SmtpConnection._hello,
    b"HELO": SmtpConnection._helo,
    b"MAIL": SmtpConnection._mail,
    b"RCPT": SmtpConnection._rcpt,
    b"DATA": SmtpConnection._data,
    b"RSET": SmtpConnection._rset,
    b"NOOP": SmtpConnection._noop,
    b"VRFY": SmtpConnection._vrfy,
}
