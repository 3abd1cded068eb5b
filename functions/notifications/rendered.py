"""A template filled in, as a notification keeps it."""

from msgspec import Struct


class Rendered(Struct, frozen=True, kw_only=True):
    """A template with its variables filled in."""

    template: str
    version: int
    subject: str
    text: str
    html: str
