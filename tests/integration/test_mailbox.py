"""The mailbox as its clients see it: a process of its own, fed by SMTP and read by HTTP."""

import asyncio
import http.client
import json
import signal
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from local.outside.serving import CONNECTIONS_MAX, Connections
from local.outside.smtp import SmtpConnection
from tests.conftest import free_port, wait_until

ENVELOPE = b"MAIL FROM:<shop@spillway.example>\r\nRCPT TO:<ada@example.com>\r\nDATA\r\n"


@dataclass
class Mailbox:
    """A mailbox process on a journal; may be started again."""

    journal: Path
    smtp_port: int = field(default_factory=free_port)
    http_port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = self.spawn()
        wait_until(self.answers)

    def spawn(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "local.outside.mailbox"),
                *("--smtp-port", str(self.smtp_port), "--http-port", str(self.http_port)),
                *("--journal", str(self.journal)),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )

    def fail_to_start(self) -> tuple[int, str]:
        process = self.spawn()
        try:
            errors = process.communicate(timeout=10)[1]
        finally:
            process.kill()
        return process.returncode, errors

    def answers(self) -> bool:
        try:
            return self.get("/health") == (200, {"status": "ok"})
        except OSError:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        process.communicate(timeout=10)
        return process.returncode

    def get(self, path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.get("/messages")[1]["messages"]
        return messages

    def raw(self, sequence: int) -> bytes:
        mail = self.get(f"/messages/{sequence}")[1]
        return bytes(mail["raw"], mail["charset"])

    def client(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.smtp_port, "client.example", timeout=10)

    def session(self, commands: bytes) -> list[bytes]:
        """Send everything at once, with a QUIT behind it; give the replies after EHLO's."""
        with socket.create_connection(("127.0.0.1", self.smtp_port), timeout=10) as client:
            client.sendall(b"EHLO client.example\r\n" + commands + b"QUIT\r\n")
            replies = b"".join(iter(lambda: client.recv(65536), b""))
        return replies.partition(b"250 SMTPUTF8\r\n")[2].splitlines()


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Mailbox]:
    mailbox = Mailbox(tmp_path / "data" / "mailbox.jsonl")
    yield mailbox
    mailbox.stop(signal.SIGKILL)


@pytest.fixture
def mailbox(stopped: Mailbox) -> Mailbox:
    stopped.start()
    return stopped


def receipt(number: int = 1, text: str = "Thank you.\n") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "shop@spillway.example"
    mail["To"] = "ada@example.com"
    mail["Subject"] = "Your receipt"
    mail["Message-ID"] = f"<ntf_{number}@spillway.example>"
    mail.set_content(text)
    return mail


def test_a_mail_is_listed_and_shown_whole(mailbox: Mailbox) -> None:
    with mailbox.client() as client:
        client.send_message(receipt())
    (summary,) = mailbox.messages()
    status, mail = mailbox.get("/messages/1")

    received_ms = summary.pop("received_ms")
    assert abs(received_ms - time.time() * 1000) < 10_000
    assert summary == {
        "sequence": 1,
        "message_id": "<ntf_1@spillway.example>",
        "to": "ada@example.com",
        "subject": "Your receipt",
    }
    assert (status, mail["from"]) == (200, "shop@spillway.example")
    assert mail["raw"].endswith("\r\n\r\nThank you.\r\n")


def test_a_connection_carries_several_mails(mailbox: Mailbox) -> None:
    with mailbox.client() as client:
        for number in range(5):
            client.send_message(receipt(number))

    ids = [message["message_id"] for message in mailbox.messages()]
    assert ids == [f"<ntf_{number}@spillway.example>" for number in range(5)]


def test_the_recipients_are_those_of_the_envelope(mailbox: Mailbox) -> None:
    with mailbox.client() as client:
        client.send_message(receipt(), to_addrs=["a@example.com", "b@example.com"])

    assert mailbox.messages()[0]["to"] == "a@example.com, b@example.com"


def test_leading_dots_come_through(mailbox: Mailbox) -> None:
    text = ".first\n..two\n.\nlast.\n"
    with mailbox.client() as client:
        client.sendmail("shop@spillway.example", "ada@example.com", f"Subject: dots\n\n{text}")
        client.sendmail("shop@spillway.example", "ada@example.com", ".x: the very first line\n")

    assert mailbox.raw(1) == f"Subject: dots\n\n{text}".replace("\n", "\r\n").encode()
    assert mailbox.raw(2) == b".x: the very first line\r\n"


def test_every_byte_comes_through(mailbox: Mailbox) -> None:
    latin = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nGr\xfc\xdfe \x00\xff\r\n"
    with mailbox.client() as client:
        client.sendmail("shop@spillway.example", "ada@example.com", latin, ["BODY=8BITMIME"])
        client.sendmail("shop@spillway.example", "ada@example.com", "ü\r\n".encode())

    assert [mailbox.raw(1), mailbox.raw(2)] == [latin, "ü\r\n".encode()]
    assert mailbox.messages()[0]["subject"] == "Grüße"


def test_a_folded_header_is_read_whole(mailbox: Mailbox) -> None:
    mail = b"subject: a long\r\n one\r\nMESSAGE-ID:\r\n\t<ntf_9@x>\r\n\r\nSubject: not this\r\n"
    with mailbox.client() as client:
        client.sendmail("shop@spillway.example", "ada@example.com", mail)

    message = mailbox.messages()[0]
    assert (message["subject"], message["message_id"]) == ("a long one", "<ntf_9@x>")


@pytest.mark.parametrize(
    "subject",
    ["=?nothing?q?x?=", "=?utf-8?q?=FF?=", "=?utf-8?b?x?=", "=?punycode?q?=C3?=", "=?a\0?q?x?="],
)
def test_a_subject_that_cannot_be_decoded_stays_as_it_is(mailbox: Mailbox, subject: str) -> None:
    with mailbox.client() as client:
        client.sendmail("shop@spillway.example", "ada@example.com", f"Subject: {subject}\n\n")

    assert mailbox.messages()[0]["subject"] == subject


def test_a_subject_that_is_no_text_does_not_lose_the_mail(mailbox: Mailbox) -> None:
    with mailbox.client() as client:
        client.sendmail("a@example.com", "b@example.com", "Subject: =?utf-7?q?+2AA-?=\n\n")

    assert mailbox.messages()[0]["subject"] == "?"


def test_a_utf8_address_needs_smtputf8(mailbox: Mailbox) -> None:
    commands = "MAIL FROM:<ü@example.com>{}\r\nRCPT TO:<ß@example.com>\r\nDATA\r\n\r\n.\r\n"
    refused = mailbox.session(commands.format("").encode())
    taken = mailbox.session(commands.format(" SMTPUTF8").encode())

    assert refused[0].startswith(b"553")
    assert [reply[:3] for reply in taken] == [b"250", b"250", b"354", b"250", b"221"]
    assert mailbox.messages()[0]["to"] == "ß@example.com"


def test_pipelined_mails_are_replied_to_in_order(mailbox: Mailbox) -> None:
    mails = b"".join(ENVELOPE + b"Subject: %d\r\n\r\n.\r\n" % number for number in range(100))
    replies = mailbox.session(mails)

    assert [reply[:3] for reply in replies] == [b"250", b"250", b"354", b"250"] * 100 + [b"221"]
    assert [message["subject"] for message in mailbox.messages()] == [str(n) for n in range(100)]


def test_a_mail_that_arrives_byte_by_byte_is_the_same(mailbox: Mailbox) -> None:
    with socket.create_connection(("127.0.0.1", mailbox.smtp_port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"EHLO x\r\n" + ENVELOPE + b"Subject: a\r\n\r\n..b\r\n.\r\nQUIT\r\n":
            client.send(bytes([byte]))
        assert b"".join(iter(lambda: client.recv(65536), b"")).endswith(b"bye\r\n")

    assert mailbox.raw(1) == b"Subject: a\r\n\r\n.b\r\n"


def test_only_crlf_dot_crlf_ends_a_mail(mailbox: Mailbox) -> None:
    smuggled = b"\n.\nMAIL FROM:<evil@example.com>\r\n\n.\r\n"
    mailbox.session(ENVELOPE + b"Subject: one\r\n\r\n" + smuggled + b".\r\n")

    assert len(mailbox.messages()) == 1
    assert mailbox.raw(1).endswith(smuggled)


@pytest.mark.parametrize(
    ("commands", "reply"),
    [
        (b"RCPT TO:<ada@example.com>\r\n", b"503"),
        (b"DATA\r\n", b"503"),
        (b"MAIL FROM:<a@x>\r\nMAIL FROM:<a@x>\r\n", b"503"),
        (b"MAIL FROM:a@x\r\n", b"501"),
        (b"MAIL FROM:<a@x> WHAT=1\r\n", b"555"),
        (b"MAIL FROM:<a@x> SIZE=99999999\r\n", b"552"),
        (b"MAIL FROM:<a@x>\r\nRCPT TO:<>\r\n", b"501"),
        (b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nRSET\r\nDATA\r\n", b"503"),
        (b"MAIL FROM:<a@x>\r\n" + b"RCPT TO:<b@x>\r\n" * 101, b"452"),
        (b"NOOP\r\n", b"250"),
        (b"STARTTLS\r\n", b"500"),
        (b"HELP" + b"x" * 2000, b"500"),
    ],
)
def test_a_command_out_of_order_or_shape_is_refused(
    mailbox: Mailbox, commands: bytes, reply: bytes
) -> None:
    replies = [line for line in mailbox.session(commands) if not line.startswith(b"221")]

    assert replies[-1].startswith(reply)
    assert mailbox.messages() == []


def test_a_mail_too_large_is_refused_and_the_next_taken(mailbox: Mailbox) -> None:
    large = b"x" * 998 + b"\r\n"
    replies = mailbox.session(
        ENVELOPE + large * 2000 + b".\r\n" + ENVELOPE + b"Subject: small\r\n\r\n.\r\n"
    )

    assert [reply[:3] for reply in replies[3:]] == [b"552", b"250", b"250", b"354", b"250", b"221"]
    assert [message["subject"] for message in mailbox.messages()] == ["small"]


def test_messages_are_listed_in_pages(mailbox: Mailbox) -> None:
    with mailbox.client() as client:
        for number in range(5):
            client.send_message(receipt(number))

    pages = []
    after: int | None = 0
    while after is not None:
        page = mailbox.get(f"/messages?after={after}&limit=2")[1]
        pages.append([message["sequence"] for message in page["messages"]])
        after = page["next"]
    assert pages == [[1, 2], [3, 4], [5]]


def test_a_page_of_large_mails_is_shorter_than_its_limit(mailbox: Mailbox) -> None:
    large = b"Subject: large\r\n\r\n" + (b"x" * 998 + b"\r\n") * 900
    with mailbox.client() as client:
        for _ in range(6):
            client.sendmail("shop@spillway.example", "ada@example.com", large)
    first = mailbox.get("/messages")[1]
    second = mailbox.get(f"/messages?after={first['next']}")[1]

    assert (len(first["messages"]), first["next"]) == (4, 4)
    assert (len(second["messages"]), second["next"]) == (2, None)


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("/messages/1", (404, "not_found")),
        ("/messages/0", (404, "not_found")),
        ("/messages/x", (404, "not_found")),
        ("/nothing", (404, "not_found")),
        ("/messages?limit=1e3", (400, "invalid_query")),
    ],
)
def test_what_is_not_there_is_refused(
    mailbox: Mailbox, path: str, refusal: tuple[int, str]
) -> None:
    status, problem = mailbox.get(path)

    assert (status, problem["code"]) == refusal


def test_kill_9_after_250_loses_no_mail(mailbox: Mailbox) -> None:
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_send_until_refused, mailbox)
        wait_until(lambda: len(mailbox.messages()) > 50)
        mailbox.stop(signal.SIGKILL)
        taken = sending.result(timeout=20)
    mailbox.start()

    kept = {message["message_id"] for message in mailbox.messages()}
    assert len(taken) > 50
    assert taken <= kept
    assert len(kept) <= len(taken) + 1


def test_a_torn_mail_is_cut_at_the_next_start(mailbox: Mailbox) -> None:
    with mailbox.client() as client:
        client.send_message(receipt(1))
    mailbox.stop(signal.SIGKILL)
    with mailbox.journal.open("ab") as journal:
        journal.write(b'{"sequence":2,"message_id":"<ntf_')
    mailbox.start()
    with mailbox.client() as client:
        client.send_message(receipt(2))

    ids = [message["message_id"] for message in mailbox.messages()]
    assert ids == ["<ntf_1@spillway.example>", "<ntf_2@spillway.example>"]


def test_sigterm_tells_idle_clients_and_exits_0(mailbox: Mailbox) -> None:
    with mailbox.client() as client:
        client.send_message(receipt())
        started = time.monotonic()
        code = mailbox.stop()
        farewell = client.getreply()[0]

    assert (code, farewell) == (0, 421)
    assert time.monotonic() - started < 3


def test_a_connection_too_many_is_told_so_and_may_come_later(mailbox: Mailbox) -> None:
    address = ("127.0.0.1", mailbox.smtp_port)
    with ExitStack() as stack:
        for _ in range(CONNECTIONS_MAX):
            client = stack.enter_context(socket.create_connection(address, timeout=10))
            assert client.recv(100).startswith(b"220")
        with socket.create_connection(address, timeout=10) as client:
            assert client.recv(100).startswith(b"421")

    assert wait_until(mailbox.answers)


@pytest.mark.parametrize(
    ("sent", "later_s", "reply"),
    [
        (b"NOOP\r\n", 299, b""),
        (b"NOOP\r\n", 301, b"421 4.4.2 waited too long\r\n"),
        (b"EHLO x\r\n" + ENVELOPE + b"Subject: never", 29, b""),
        (b"EHLO x\r\n" + ENVELOPE + b"Subject: never", 31, b"421 4.4.2 waited too long\r\n"),
    ],
)
def test_a_client_that_keeps_the_server_waiting_is_let_go(
    sent: bytes, later_s: float, reply: bytes
) -> None:
    assert asyncio.run(_reply_after(sent, later_s)) == reply


def test_a_taken_port_is_one_sentence_and_exit_2(mailbox: Mailbox, tmp_path: Path) -> None:
    second = Mailbox(tmp_path / "second.jsonl", smtp_port=mailbox.smtp_port)
    code, errors = second.fail_to_start()

    assert code == 2
    assert len(errors.splitlines()) == 1
    assert f"port {mailbox.smtp_port} is taken" in errors
    assert "--smtp-port" in errors


def _send_until_refused(mailbox: Mailbox) -> set[str]:
    """Send mails until the mailbox is gone; gives the ids of those it took."""
    taken: set[str] = set()
    client = mailbox.client()
    try:
        for number in range(900):
            mail = receipt(number)
            client.send_message(mail)
            taken.add(mail["Message-ID"])
    except (OSError, smtplib.SMTPException):
        pass
    finally:
        client.close()
    return taken


async def _reply_after(sent: bytes, later_s: float) -> bytes:
    """Send bytes to a server whose clock then jumps; gives what it says to that."""
    loop = asyncio.get_running_loop()
    connections = Connections()
    server = await loop.create_server(
        lambda: SmtpConnection(lambda mail, kept: kept(), connections), "127.0.0.1", 0
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent)
        await asyncio.sleep(0.05)
        await reader.read(65536)
        connections.sweep(loop.time() + later_s)
        try:
            return await asyncio.wait_for(reader.read(65536), 0.2)
        except TimeoutError:
            return b""
        finally:
            writer.close()
            connections.sweep(loop.time() + 1000)
            connections.sweep(loop.time() + 2000)
            await asyncio.sleep(0.01)
