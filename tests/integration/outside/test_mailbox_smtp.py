"""The mailbox's SMTP: commands, envelopes, pipelines, and when a session ends."""

import asyncio
import socket
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from local.simulators.serving import CONNECTIONS_MAX, Connections
from local.simulators.smtp import SmtpConnection
from tests.conftest import wait_until
from tests.integration.outside.clock import first_line_after
from tests.integration.outside.processes import Mailbox, receipt

ENVELOPE = b"MAIL FROM:<shop@spillway.example>\r\nRCPT TO:<ada@example.com>\r\nDATA\r\n"


def test_a_utf8_address_needs_smtputf8(mailbox: Mailbox) -> None:
    commands = "MAIL FROM:<ü@example.com>{}\r\nRCPT TO:<ß@example.com>\r\nDATA\r\n\r\n.\r\n"
    refused = mailbox.session(commands.format("").encode())
    accepted = mailbox.session(commands.format(" SMTPUTF8").encode())

    assert refused[0].startswith(b"553")
    assert [reply[:3] for reply in accepted] == [b"250", b"250", b"354", b"250", b"221"]
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


def test_a_request_of_a_browser_ends_before_its_body_is_read_as_mails(mailbox: Mailbox) -> None:
    with socket.create_connection(("127.0.0.1", mailbox.smtp_port), timeout=10) as client:
        body = b"EHLO x\r\n" + ENVELOPE + b"Subject: a\r\n\r\n.\r\n"
        client.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1:1025\r\n\r\n" + body)
        client.shutdown(socket.SHUT_WR)
        replies = b"".join(iter(lambda: client.recv(65536), b""))

    assert replies.endswith(b"421 4.7.0 this is no web server\r\n")
    assert mailbox.messages() == []


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("refuse@simulator.example", b"550"),
        ("Defer@Simulator.Spillway.example", b"451"),
        ("bounce@simulator.example", b"250"),
        ("ada@simulator.example", b"250"),
        ("refuse@example.com", b"250"),
        ("refuse@a.simulator.example", b"250"),
    ],
)
def test_an_address_says_whether_its_mails_are_refused_or_deferred(
    mailbox: Mailbox, address: str, code: bytes
) -> None:
    replies = mailbox.session(f"MAIL FROM:<a@b.c>\r\nRCPT TO:<{address}>\r\n".encode())

    assert replies[1][:3] == code


def test_a_mail_to_an_address_that_bounces_comes_back_to_its_sender_once(mailbox: Mailbox) -> None:
    envelope = ENVELOPE.replace(b"ada@example.com", b"bounce@simulator.example")
    mailbox.session(envelope + b"Message-ID: <1@a>\r\nSubject: Hello\r\n\r\n.\r\n")
    envelope = envelope.replace(b"shop@spillway.example", b"")
    mailbox.session(envelope + b"Subject: nobody sent this\r\n\r\n.\r\n")

    assert [(each["to"], each["subject"]) for each in mailbox.messages()] == [
        ("bounce@simulator.example", "Hello"),
        ("shop@spillway.example", "Undelivered Mail Returned to Sender"),
        ("bounce@simulator.example", "nobody sent this"),
    ]
    assert b"In-Reply-To: <1@a>" in mailbox.raw(2)


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


def test_sigterm_tells_idle_clients_and_exits_0(mailbox: Mailbox) -> None:
    with mailbox.client() as client:
        client.send_message(receipt())
        started = time.monotonic()
        code, _ = mailbox.stop()
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
        (b"NOOP\r\n", 299, None),
        (b"NOOP\r\n", 301, b"421 4.4.2 waited too long"),
        (b"EHLO x\r\n" + ENVELOPE + b"Subject: never", 29, None),
        (b"EHLO x\r\n" + ENVELOPE + b"Subject: never", 31, b"421 4.4.2 waited too long"),
    ],
)
def test_a_client_that_keeps_the_server_waiting_is_let_go(
    sent: bytes, later_s: float, reply: bytes | None
) -> None:
    async def first_line() -> bytes | None:
        connections = Connections()
        protocol = partial(SmtpConnection, lambda mail, acknowledge: acknowledge(), connections)
        return await first_line_after(protocol, connections, sent, later_s)

    replied = asyncio.run(first_line())

    assert replied == reply


def test_a_taken_port_is_one_sentence_and_exit_2(mailbox: Mailbox, tmp_path: Path) -> None:
    second = Mailbox(tmp_path / "second.jsonl", smtp_port=mailbox.smtp_port)
    code, errors = second.fail_to_start()

    assert code == 2
    assert len(errors.splitlines()) == 1
    assert f"port {mailbox.smtp_port} is taken" in errors
    assert "--smtp-port" in errors
