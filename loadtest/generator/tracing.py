"""The arrivals that are traced: one in a thousand asks the system to record what it does for it.

Their traces' ids follow from the run and the arrival, as everything about one does.
"""

import hashlib

EVERY = 1_000


def is_traced(index: int) -> bool:
    """Return whether the arrival of this index asks for its trace."""
    return index % EVERY == 0


def trace_id(run: str, index: int) -> str:
    """Return the id of an arrival's trace, 32 hexadecimal digits."""
    return _digits(run, index)[:32]


def traceparent(run: str, index: int) -> str:
    """Return the header by which an arrival asks for its trace (W3C): sampled, from our span."""
    digits = _digits(run, index)
    return f"00-{digits[:32]}-{digits[32:48]}-01"


def _digits(run: str, index: int) -> str:
    return hashlib.sha256(f"{run} {index}".encode()).hexdigest()
