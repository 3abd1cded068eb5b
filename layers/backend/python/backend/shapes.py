"""Shapes that more than one domain takes from outside."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from backend.clock import parse_rfc3339

# Python's `$` also matches before a newline that ends the text; the lookahead refuses that.
END = r"$(?!\n)"
Currency = Annotated[
    str,
    Meta(
        pattern="^[A-Z]{3}" + END,
        description="ISO 4217",
        extra={"expected": "three capital letters such as EUR (ISO 4217)"},
    ),
]
Moment = Annotated[
    str,
    Meta(
        max_length=40,
        extra_json_schema={"format": "date-time"},
        extra={
            "expected": "an RFC 3339 time such as 2026-01-31T12:00:00Z",
            "check": lambda text, name: parse_rfc3339(text, param=name),
        },
    ),
]
# What SMTP takes unquoted (RFC 5321 4.1.2), so that an accepted address can be delivered to. Each
# character has one way to match, so that no input is slow.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL = rf"^(?=.{{3,254}}$)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*" + END
Email = Annotated[
    str, Meta(pattern=EMAIL, extra={"expected": "an e-mail address such as ada@example.com"})
]


class Deleted(Struct, frozen=True, kw_only=True):
    """The answer to a deletion."""

    id: str
    deleted: Literal[True] = True
