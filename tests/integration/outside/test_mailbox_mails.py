"""Mails as they were sent are the mails that the mailbox lists and shows."""

import time

import pytest

from tests.integration.outside.processes import Mailbox, receipt


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
        "channel": "email",
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
