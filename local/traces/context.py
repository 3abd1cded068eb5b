"""The trace that a request or message belongs to, as W3C and AWS write it.

Both name the same trace: `4bf92f35...` of a `traceparent` is `Root=1-4bf92f35-...` of AWS's header.
A header of any other shape is passed over, and a new trace begins.
"""

import random
import re
from typing import NamedTuple

HEADER_MAX_CHARS = 1_024  # AWS's own with all its fields has less than 200
_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_ROOT = re.compile(r"1-(?!0{8}-0{24})([0-9a-f]{8})-([0-9a-f]{24})")
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}")
_SAMPLED = {"0": False, "1": True}
_ids = random.Random(random.SystemRandom().getrandbits(64))


class TraceContext(NamedTuple):
    """The trace and the span that something is done for."""

    trace_id: str  # 32 hexadecimal digits
    parent_id: str = ""  # 16 hexadecimal digits; empty where nobody names the span
    is_sampled: bool | None = None  # None where nobody has decided

    @property
    def root(self) -> str:
        """The trace's id as AWS writes it."""
        return f"1-{self.trace_id[:8]}-{self.trace_id[8:]}"

    @property
    def header(self) -> str:
        """The context as AWS's header and `_X_AMZN_TRACE_ID` have it."""
        return header(self.trace_id, self.parent_id, is_sampled=bool(self.is_sampled))

    @property
    def traceparent(self) -> str:
        """The context as W3C's header has it; it needs a parent."""
        return f"00-{self.trace_id}-{self.parent_id}-{int(bool(self.is_sampled)):02x}"


def header(trace_id: str, parent_id: str, *, is_sampled: bool) -> str:
    """Return what `X-Amzn-Trace-Id` and `_X_AMZN_TRACE_ID` have."""
    parent = f";Parent={parent_id}" if parent_id else ""
    return f"Root=1-{trace_id[:8]}-{trace_id[8:]}{parent};Sampled={int(is_sampled)}"


def of_traceparent(text: str | None) -> TraceContext | None:
    """Return the context of a `traceparent`, None where it is none."""
    match = _TRACEPARENT.fullmatch(text) if text and len(text) <= HEADER_MAX_CHARS else None
    if match is None or (match[1] == "00" and match[5]):
        return None
    return TraceContext(match[2], match[3], bool(int(match[4], 16) & 1))


def of_header(text: str | None) -> TraceContext | None:
    """Return the context of AWS's header, None where it names no trace."""
    if not text or len(text) > HEADER_MAX_CHARS:
        return None
    parts = [part.strip().partition("=") for part in text.split(";")]
    fields = {name: value for name, _, value in parts}
    root = _ROOT.fullmatch(fields.get("Root", ""))
    if root is None:
        return None
    parent_id = fields.get("Parent", "")
    is_parent = _SPAN_ID.fullmatch(parent_id) is not None
    return TraceContext(
        root[1] + root[2], parent_id if is_parent else "", _SAMPLED.get(fields.get("Sampled", ""))
    )


def trace_id_of(text: str) -> str | None:
    """Return the trace id that a person writes or copies, None where the text is none.

    It is 32 digits, AWS's form with or without Root=, or a whole `traceparent`.
    """
    text = text.strip()
    digits = text.lower()
    if re.fullmatch(r"(?!0{32})[0-9a-f]{32}", digits):
        return digits
    root = text if "Root=" in text else f"Root={digits}"
    context = of_traceparent(digits) or of_header(root)
    return context.trace_id if context else None


def new_trace_id(epoch_s: float) -> str:
    """Return a new id; it begins with the time, which AWS's form wants."""
    return f"{int(epoch_s) & 0xFFFFFFFF:08x}{_ids.randbytes(12).hex()}"


def new_span_id() -> str:
    """Return a new id of a span."""
    return _ids.randbytes(8).hex()
