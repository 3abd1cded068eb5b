"""The mailbox: `python -m local.simulators.mailbox` takes mails by SMTP and text messages by HTTP.

It shows them by HTTP, as JSON and as pages. A message is in the journal before it is answered 250;
memory holds where each lies, never one.
"""

import argparse
import re
import sys
from collections.abc import Callable
from functools import partial

import msgspec

from local.daemon import arguments
from local.simulators import mailbox_pages, messages, serving
from local.simulators.exchange import (
    Exchange,
    Refusal,
    no_route,
    query_fields,
    query_number,
    server_of,
)
from local.simulators.journal import Journal, Retention
from local.simulators.messages import StoredMessage, Summary, TextMessage
from local.simulators.reading import read
from local.simulators.smtp import Mail, SmtpConnection

NUMBER_MAX = 10**9  # eight bytes of memory a mail: the disk ends before
# Some 700,000 mails a file. No load run lasts two hours, and its audit wants all of its mails.
RETENTION = Retention(file_bytes=2**30, least_s=7200)
PAGE_MAX = 1000
PAGE_SHOWN = 50  # on the page for people
LIST_FIELDS = frozenset(("after", "limit", "last"))
ALLOWED = {
    "/": "GET",
    "/mails/N": "GET",
    "/messages": "GET",
    "/messages/N": "GET",
    "/sms": "POST",
    "/health": "GET",
}

NUMBER = re.compile(r"[1-9][0-9]{0,9}")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /messages; `next` is the `after` of the following page."""

    messages: list[Summary]
    next: int | None


SUMMARY = msgspec.json.Decoder(Summary)
STORED = msgspec.json.Decoder(StoredMessage)


class Mailbox:
    """The mailbox: it takes mails into the journal and finds them there."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        for _ in journal.replay():
            pass

    def take(self, mail: Mail, acknowledge: Callable[[], None]) -> None:
        """Keep a mail, and after it the bounce that its address asks for; then acknowledge it."""
        bounce = messages.bounce_of(mail)
        for each in (mail, bounce) if bounce else (mail,):
            stored = messages.of_mail(each, sequence=self._journal.next_number)
            after = acknowledge if each is mail else _nothing
            self._journal.append(msgspec.json.encode(stored), after)

    def dispatch(self, exchange: Exchange) -> None:
        """Route one request."""
        match exchange.method, exchange.path.split("/"):
            case "GET", ["", ""]:
                exchange.answer(200, self._inbox(exchange.query), mailbox_pages.HEADERS)
            case "GET", ["", "mails", number]:
                exchange.answer(200, self._readable(number), mailbox_pages.HEADERS)
            case "POST", ["", "sms"]:
                self._take_text(exchange)
            case "GET", ["", "messages"]:
                exchange.answer(200, msgspec.json.encode(self._page(exchange.query)))
            case "GET", ["", "messages", number]:
                exchange.answer(200, self._whole(number))
            case "GET", ["", "health"]:
                exchange.answer(200, b'{"status":"ok"}')
            case _:
                raise no_route(exchange, ALLOWED)

    def _page(self, query: str) -> Page:
        fields = query_fields(query, LIST_FIELDS)
        after = query_number(fields, "after", 0, low=0, high=NUMBER_MAX)
        limit = query_number(fields, "limit", PAGE_MAX, low=1, high=PAGE_MAX)
        if last := query_number(fields, "last", 0, low=0, high=PAGE_MAX):
            after, limit = max(0, len(self._journal) - last), last
        lines, reached = self._journal.page(after, limit)
        return Page(
            messages=[SUMMARY.decode(line) for line in lines],
            next=reached if reached < len(self._journal) else None,
        )

    def _inbox(self, query: str) -> bytes:
        fields = query_fields(query, frozenset(("before",)))
        total = len(self._journal)
        before = query_number(fields, "before", total + 1, low=1, high=NUMBER_MAX)
        end = min(before - 1, total)
        start = max(self._journal.first - 1, end - PAGE_SHOWN)
        lines, _ = self._journal.page(start, max(0, end - start))
        shown = [SUMMARY.decode(line) for line in reversed(lines)]
        return mailbox_pages.inbox(shown, total=total)

    def _readable(self, number: str) -> bytes:
        stored = STORED.decode(self._whole(number))
        if stored.channel == "sms":
            return mailbox_pages.text_message(stored, stored.raw)
        return mailbox_pages.mail(stored, read(stored.raw.encode(stored.charset)))

    def _take_text(self, exchange: Exchange) -> None:
        try:
            message = msgspec.json.decode(exchange.body, type=TextMessage)
        except msgspec.DecodeError as error:
            raise Refusal(422, "invalid_request", f"not a text message: {error}") from error
        stored = messages.of_text(message, sequence=self._journal.next_number)
        answer = msgspec.json.encode({"sequence": stored.sequence})
        line = msgspec.json.encode(stored)
        self._journal.append(line, lambda: exchange.answer(200, answer))

    def _whole(self, number: str) -> bytes:
        if NUMBER.fullmatch(number):
            try:
                return self._journal.line(int(number))
            except IndexError:
                pass  # not sent yet, or dropped
        raise Refusal(404, "not_found", "there is no such message")


def _nothing() -> None:
    """Acknowledge to nobody: a bounce has no sender who waits."""


async def _serve(options: argparse.Namespace) -> None:
    # Without fdatasync: a kill loses nothing, and what only a power failure could lose is mail.
    journal = Journal(options.journal, RETENTION, sync=False)
    mailbox = Mailbox(journal)
    mails, pages = serving.Connections(), server_of(mailbox.dispatch)
    smtp = partial(SmtpConnection, mailbox.take, mails)
    await serving.serve(
        options.listen,
        serving.Door("SMTP", "--smtp-port", options.smtp_port, smtp, mails),
        serving.Door(
            "mails", "--http-port", options.http_port, pages.connection, pages.connections
        ),
    )
    journal.close()


def main() -> int:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m local.simulators.mailbox", description=__doc__)
    serving.add_options(parser)
    arguments.add_port(parser, "--smtp-port", 1025, "port that takes mails")
    arguments.add_port(parser, "--http-port", 8025, "port of the pages and of text messages")
    return serving.run("mailbox", _serve(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
