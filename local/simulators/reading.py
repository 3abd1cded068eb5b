"""A mail's bytes as people read it: its headers decoded, its text, its HTML."""

import email
import email.policy
import re
from dataclasses import dataclass
from email.message import EmailMessage

PARTS_MAX = 100  # in one another: the parser recurses
# The parser takes time by the square of a header's length, minutes for 100 KB of parameters.
LONG_HEADER = re.compile(
    rb"^(?:content-[a-z-]+:(?:[^\n]|\n[ \t]){2000}|[a-z0-9-]+:(?:[^\n]|\n[ \t]){8000})",
    re.IGNORECASE | re.MULTILINE,
)
SHOWN = ("From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe")


@dataclass(frozen=True, slots=True)
class ReadableMail:
    """A mail as people read it."""

    headers: tuple[tuple[str, str], ...]
    text: str
    html: str


def read(raw: bytes) -> ReadableMail:
    """Return a mail decoded; what cannot be decoded is shown as far as it goes, or as it came."""
    if raw.count(b"multipart/") > PARTS_MAX or LONG_HEADER.search(raw):
        return ReadableMail(headers=(), text=raw.decode("utf-8", "replace"), html="")
    mail = email.message_from_bytes(raw, EmailMessage, policy=email.policy.default)
    return ReadableMail(
        headers=tuple((name, _header(mail, name)) for name in SHOWN if name in mail),
        text=_content(mail, "plain"),
        html=_content(mail, "html"),
    )


def _header(mail: EmailMessage, name: str) -> str:
    try:
        return str(mail[name])
    except (ValueError, LookupError, AttributeError, IndexError):  # the parser's, on hostile ones
        return str(dict(mail.raw_items()).get(name, ""))


def _content(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    if part is None:
        return ""
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    try:
        text = raw.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):  # a charset that is none, or of names only
        text = raw.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")
