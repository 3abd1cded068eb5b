"""The form of an address for each channel."""

import re
from typing import Annotated

from msgspec import Meta

from backend.errors import InvalidRequest
from backend.shapes import EMAIL, END

Address = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=254,
        description="E-mail address, phone number (E.164), or id of a webhook endpoint",
    ),
]
SHAPES = {
    "email": (re.compile(EMAIL), "an e-mail address such as ada@example.com"),
    "sms": (re.compile(r"^\+[1-9][0-9]{6,14}" + END), "a phone number such as +4915112345678"),
    "webhook": (re.compile("^we_[a-z2-7]{26}" + END), "the id of a webhook endpoint"),
}


def check(channel: str, to: str) -> None:
    """Raise InvalidRequest where `to` is no address of the channel."""
    shape, example = SHAPES[channel]
    if not shape.match(to):
        raise InvalidRequest(f"Give {example}.", param="to")
