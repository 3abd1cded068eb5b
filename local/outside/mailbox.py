"""The mailbox: `python -m local.outside.mailbox` takes mails by SMTP and shows them by HTTP.

A mail is in the journal before it is answered 250. Memory holds where each mail lies, never a mail.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from functools import partial
from typing import Literal

import msgspec

from local import arguments
from local.outside import http, serving
from local.outside.http import Exchange, Refusal
from local.outside.journal import Journal
from local.outside.smtp import Mail, SmtpConnection

NUMBER_MAX = 10**9  # eight bytes of memory a mail: the disk ends before
PAGE_MAX = 1000
LIST_FIELDS = frozenset(("after", "limit"))
ALLOWED = {"/messages": "GET", "/messages/N": "GET", "/health": "GET"}

NUMBER = re.compile(r"[1-9][0-9]{0,9}")
FOLD = re.compile(rb"\r\n[ \t]+")
MESSAGE_ID = re.compile(rb"^message-id:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
SUBJECT = re.compile(rb"^subject:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows of a mail; `to` are the recipients of the envelope."""

    sequence: int
    message_id: str
    to: str
    subject: str
    received_ms: int


class StoredMail(Summary, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A line of the journal: `raw` in `charset` gives back the mail's very bytes."""

    sender: str
    charset: Literal["utf-8", "latin-1"]
    raw: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /messages; `next` is the `after` of the following page."""

    messages: list[Summary]
    next: int | None


SUMMARY = msgspec.json.Decoder(Summary)


class Mailbox:
    """Takes mails into the journal and finds them there."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        for _ in journal.replay():
            pass

    def take(self, mail: Mail, kept: Callable[[], None]) -> None:
        """Keep a mail, then call `kept`."""
        stored = _stored(mail, sequence=self._journal.next_number)
        self._journal.append(msgspec.json.encode(stored), kept)

    def dispatch(self, exchange: Exchange) -> None:
        """Route one request."""
        match exchange.method, exchange.path.split("/"):
            case "GET", ["", "messages"]:
                exchange.answer(200, msgspec.json.encode(self._page(exchange.query)))
            case "GET", ["", "messages", number]:
                exchange.answer(200, self._whole(number))
            case "GET", ["", "health"]:
                exchange.answer(200, b'{"status":"ok"}')
            case _:
                raise http.no_route(exchange, ALLOWED)

    def _page(self, query: bytes) -> Page:
        fields = http.query_fields(query, LIST_FIELDS)
        after = http.query_number(fields, "after", 0, low=0, high=NUMBER_MAX)
        limit = http.query_number(fields, "limit", PAGE_MAX, low=1, high=PAGE_MAX)
        lines = self._journal.page(after, limit)
        reached = after + len(lines)
        return Page(
            messages=[SUMMARY.decode(line) for line in lines],
            next=reached if reached < len(self._journal) else None,
        )

    def _whole(self, number: str) -> bytes:
        if NUMBER.fullmatch(number) and int(number) <= len(self._journal):
            return self._journal.line(int(number))
        raise Refusal(404, "not_found", "there is no such message")


def _stored(mail: Mail, *, sequence: int) -> StoredMail:
    head = FOLD.sub(b" ", mail.raw.partition(b"\r\n\r\n")[0])
    charset: Literal["utf-8", "latin-1"] = "utf-8"
    try:
        raw = mail.raw.decode("utf-8")
    except UnicodeDecodeError:
        charset = "latin-1"
        raw = mail.raw.decode("latin-1")
    return StoredMail(
        sequence=sequence,
        message_id=_header(MESSAGE_ID, head),
        to=", ".join(mail.recipients),
        subject=_decoded(_header(SUBJECT, head)),
        received_ms=time.time_ns() // 1_000_000,
        sender=mail.sender,
        charset=charset,
        raw=raw,
    )


def _header(pattern: re.Pattern[bytes], head: bytes) -> str:
    match = pattern.search(head)
    return match[1].decode("utf-8", "replace").strip() if match else ""


def _decoded(value: str) -> str:
    """Undo the encoded words of RFC 2047; a value that is none stays as it is."""
    if "=?" not in value:
        return value
    try:
        decoded = str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        return value
    return decoded.encode("utf-8", "replace").decode("utf-8")  # UTF-7 can hide a lone surrogate


async def _serve(options: argparse.Namespace) -> None:
    connections = serving.Connections()
    # Without fdatasync: a kill loses nothing, and what only a power failure could lose is mail.
    journal = Journal(options.journal, sync=False)
    mailbox = Mailbox(journal)
    doors = [
        serving.Door(
            "SMTP",
            "--smtp-port",
            options.smtp_port,
            partial(SmtpConnection, mailbox.take, connections),
        ),
        serving.Door(
            "mails",
            "--http-port",
            options.http_port,
            partial(http.HttpConnection, mailbox.dispatch, connections),
        ),
    ]
    await serving.serve(options.listen, doors, connections)
    journal.close()


def main() -> int:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local.outside.mailbox", description=__doc__)
    serving.add_options(parser)
    arguments.add_port(parser, "--smtp-port", 1025, "port that takes mails")
    arguments.add_port(parser, "--http-port", 8025, "port that shows mails, /messages")
    return serving.run("mailbox", _serve(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
