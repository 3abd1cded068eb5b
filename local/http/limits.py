"""The limits of a server: sizes, numbers and times."""

from dataclasses import dataclass

# API Gateway's limits (rows 1.34 and 1.37: sizes of bodies and headers).
BODY_MAX_BYTES = 10 * 1024 * 1024
HEADERS_MAX_BYTES = 10_240
TARGET_MAX_BYTES = 10_240

# What may come in before the head is complete: both, the request line, and one read too many.
HEAD_MAX_BYTES = HEADERS_MAX_BYTES + TARGET_MAX_BYTES + 4096
CHUNK_MAX_BYTES = 128  # the size, extensions and line ends of a chunk, on average
BUFFERED_MAX_BYTES = 256 * 1024 * 1024  # bodies of all connections together
LINGER_S = 1.0  # after a refusal: read on, so that the answer is not lost to a reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits in which one server differs from another."""

    connections_max: int = 100
    body_max_bytes: int = BODY_MAX_BYTES
    buffered_max_bytes: int = BUFFERED_MAX_BYTES
    pipeline_max: int = 256  # requests read ahead of the answer in hand
    # How long a client may take:
    head_s: float = 5.0  # from the first byte of a request to the end of its head
    body_s: float = 10.0  # from there to the end of the body
    idle_s: float = 75.0  # longer than clients keep idle connections, so that they close first
    write_s: float = 30.0  # to read its answer


LIMITS = Limits()
