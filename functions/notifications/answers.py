"""The answers of channels: what became of one attempt to send a notification.

They are stored as they are: an attempt in the notification's log holds one of them.
"""

from msgspec import Struct, field


class _Answer(Struct, frozen=True, kw_only=True, tag_field="result"):
    code: int | None = None  # SMTP's or HTTP's, None where there was none


class Accepted(_Answer, frozen=True, kw_only=True, tag="delivered"):
    """The other side has it; `reference` is what it calls it, or said."""

    reference: str = field(name="reason")


class RetryAfter(_Answer, frozen=True, kw_only=True, tag="deferred"):
    """A send to repeat later, after `seconds` where the other side asked for a wait."""

    reason: str
    seconds: int | None = None


class Permanent(_Answer, frozen=True, kw_only=True, tag="refused"):
    """A failure that is never to be tried again."""

    reason: str


class Suppressed(_Answer, frozen=True, kw_only=True, tag="suppressed"):
    """A notification whose recipient is not to be written to; no channel answers this."""

    reason: str


Answer = Accepted | RetryAfter | Permanent | Suppressed
