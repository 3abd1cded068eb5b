"""The mailbox's messages, each made of a mail or of a text message."""

import re
import time
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP
from typing import Literal

import msgspec

from local.simulators.smtp import Mail, simulated

FOLD = re.compile(rb"\r\n[ \t]+")
NOT_VISIBLE = re.compile(r"[^\x21-\x7e]+")
MESSAGE_ID = re.compile(rb"^message-id:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
SUBJECT = re.compile(rb"^subject:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class TextMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /sms."""

    id: str
    to: str
    text: str


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a list; `to` are the recipients of a mail's envelope."""

    sequence: int
    message_id: str
    to: str
    subject: str
    received_ms: int
    channel: Literal["email", "sms"] = "email"


class StoredMessage(Summary, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A line of the journal: `raw` in `charset` gives back a mail's very bytes, or a text."""

    sender: str
    charset: Literal["utf-8", "latin-1"]
    raw: str


def of_mail(mail: Mail, *, sequence: int) -> StoredMessage:
    """Return a mail as it is stored."""
    head = FOLD.sub(b" ", mail.raw.partition(b"\r\n\r\n")[0])
    charset: Literal["utf-8", "latin-1"] = "utf-8"
    try:
        raw = mail.raw.decode("utf-8")
    except UnicodeDecodeError:
        charset = "latin-1"
        raw = mail.raw.decode("latin-1")
    return StoredMessage(
        sequence=sequence,
        message_id=_header(MESSAGE_ID, head),
        to=", ".join(mail.recipients),
        subject=_decoded(_header(SUBJECT, head)),
        received_ms=time.time_ns() // 1_000_000,
        sender=mail.sender,
        charset=charset,
        raw=raw,
    )


def of_text(message: TextMessage, *, sequence: int) -> StoredMessage:
    """Return a text message as it is stored."""
    return StoredMessage(
        sequence=sequence,
        message_id=f"<{message.id}>",
        to=message.to,
        subject="",
        received_ms=time.time_ns() // 1_000_000,
        channel="sms",
        sender="",
        charset="utf-8",
        raw=message.text,
    )


def bounce_of(mail: Mail) -> Mail | None:
    """Return the mail that tells a sender that theirs came back, if its recipients ask for one."""
    bounced = [each for each in mail.recipients if simulated(each) == "bounce"]
    if not bounced or not mail.sender:  # a bounce has no sender, and never bounces itself
        return None
    head = FOLD.sub(b" ", mail.raw.partition(b"\r\n\r\n")[0])
    report = EmailMessage(policy=SMTP)
    report["From"] = "Mail Delivery System <mailer-daemon@mailbox.local>"
    report["To"] = mail.sender
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["In-Reply-To"] = NOT_VISIBLE.sub("", _header(MESSAGE_ID, head))
    recipients = ", ".join(bounced)
    report.set_content(f"It could not be delivered to {recipients}: 550 5.1.1 no such mailbox.\n")
    return Mail(sender="", recipients=(mail.sender,), raw=report.as_bytes())


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
