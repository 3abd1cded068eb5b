"""The way in: a body becomes events, each is checked, what is good goes on the queue."""

import secrets
import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from analytics.schema import (
    BATCH_MAX,
    Accepted,
    BatchBody,
    Event,
    EventMessage,
    EventRequest,
    Rejection,
)
from analytics.tallies import DAY_MS, MINUTE_MS
from backend import strict_json
from backend.clock import parse_rfc3339
from backend.errors import InvalidRequest
from backend.queues import Queue
from backend.telemetry import trace_of

PAST_MAX_MS = 7 * DAY_MS  # a client that was offline for a week may still report
FUTURE_MAX_MS = 5 * MINUTE_MS  # a client's clock may be wrong by this much
# A worker receives a hundred messages, and 10,000 events leave it most of its five seconds.
MESSAGE_EVENTS = 100
NDJSON = "application/x-ndjson"
GZIP = "application/gzip"
GZIP_MAGIC = b"\x1f\x8b"
MEMBERS_MAX = 500  # of gzip: a batch has as many events, and a member may hold one line

Raw = Any  # one event as parsed, or the InvalidRequest that says why it could not be


def accept(request: EventRequest, *, tenant: str, queue: Queue, now_ms: int) -> str:
    """Send an event to be counted and return its id; raises InvalidRequest, QueueUnavailable."""
    event = _event(request, None, now_ms=now_ms)
    message = EventMessage(tenant=tenant, events=[event])
    body = msgspec.json.encode(message).decode()
    queue.send(body, trace=trace_of(event.event_id), group=tenant)
    return event.event_id


def accept_batch(
    raws: Sequence[Raw], *, sent_at: str | None, tenant: str, queue: Queue, now_ms: int
) -> Accepted:
    """Send the valid events to be counted, all in one call; raises QueueUnavailable.

    The answer names those that are not; nothing is sent where none is valid.
    """
    events: list[Event] = []
    rejected: list[Rejection] = []
    for index, raw in enumerate(raws):
        try:
            if isinstance(raw, InvalidRequest):
                raise raw
            events.append(_event(strict_json.convert(raw, EventRequest), sent_at, now_ms=now_ms))
        except InvalidRequest as error:
            rejected.append(_rejection(index, raw, error))
    if events:
        parts = (events[at : at + MESSAGE_EVENTS] for at in range(0, len(events), MESSAGE_EVENTS))
        messages = [EventMessage(tenant=tenant, events=part) for part in parts]
        bodies = [msgspec.json.encode(each).decode() for each in messages]
        queue.send_batch(bodies, traces=[trace_of("")] * len(bodies), group=tenant)
    return Accepted(accepted=len(events), rejected=rejected)


def read_batch(
    raw: bytes, *, content_type: str, encoding: str | None
) -> tuple[list[Raw], str | None]:
    """Return the events of a body as they are, and its `sent_at`; raises InvalidRequest.

    What begins as gzip does is unpacked, whatever the headers say: no JSON begins so.
    """
    if raw.startswith(GZIP_MAGIC):
        raw = _unpacked(raw)
    elif encoding not in (None, "identity") or content_type == GZIP:
        raise InvalidRequest(
            f"This is no gzip any more, if it was: send it as {GZIP} or {NDJSON}.",
            status=415,
            code="unsupported_encoding",
        )
    if content_type == NDJSON:
        return _lines(raw), None
    body = strict_json.parse(raw, BatchBody)
    return body.events, body.sent_at


def _lines(raw: bytes) -> list[Raw]:
    if len(raw) > strict_json.BODY_MAX_BYTES:
        raise _too_large()
    lines = [line for line in raw.split(b"\n") if line.strip()]
    if not 1 <= len(lines) <= BATCH_MAX:
        raise InvalidRequest(f"Send 1 to {BATCH_MAX} events, one a line.", param="events")
    return [_line(each) for each in lines]


def _line(line: bytes) -> Raw:
    try:
        return strict_json.loads(line)
    except InvalidRequest as error:
        return error


def _unpacked(packed: bytes) -> bytes:
    """Return what gzip holds, unpacking no more than a body may have.

    Each member copies what is behind it, so that both its size and their number are bounded first.
    """
    if len(packed) > strict_json.BODY_MAX_BYTES:
        raise _too_large()
    unpacked = bytearray()
    for _ in range(MEMBERS_MAX):
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            room = strict_json.BODY_MAX_BYTES - len(unpacked) + 1
            unpacked += member.decompress(packed, room)
        except zlib.error as error:
            raise _not_gzip() from error
        if len(unpacked) > strict_json.BODY_MAX_BYTES:
            raise _too_large()
        if not member.eof:
            raise _not_gzip()
        packed = member.unused_data
        if not packed:
            return bytes(unpacked)
    raise InvalidRequest(
        f"The body has over {MEMBERS_MAX} members of gzip.", status=413, code="request_too_large"
    )


def _not_gzip() -> InvalidRequest:
    return InvalidRequest("The body is not whole gzip.", status=400, code="malformed_gzip")


def _too_large() -> InvalidRequest:
    return InvalidRequest(
        f"The body is over {strict_json.BODY_MAX_BYTES} bytes, unpacked.",
        status=413,
        code="request_too_large",
    )


def _event(request: EventRequest, sent_at: str | None, *, now_ms: int) -> Event:
    return Event(
        event_id=request.event_id or f"evt_{secrets.token_hex(16)}",
        name=request.name,
        occurred_at_ms=_occurred_at_ms(
            request, sent_at if request.sent_at is None else request.sent_at, now_ms
        ),
        user_id=request.user_id,
        value=request.value,
        properties=request.properties,
    )


def _occurred_at_ms(request: EventRequest, sent_at: str | None, now_ms: int) -> int:
    """Return when it happened by our clock: as long before now as the client's clock says."""
    skew_ms = 0 if sent_at is None else now_ms - parse_rfc3339(sent_at, param="sent_at")
    if request.occurred_at is None:
        return now_ms
    occurred_at_ms = parse_rfc3339(request.occurred_at, param="occurred_at") + skew_ms
    if not now_ms - PAST_MAX_MS <= occurred_at_ms <= now_ms + FUTURE_MAX_MS:
        raise InvalidRequest(
            "occurred_at must be within the last 7 days and at most 5 minutes ahead.",
            code="occurred_at_out_of_range",
            param="occurred_at",
        )
    return occurred_at_ms


def _rejection(index: int, raw: Raw, error: InvalidRequest) -> Rejection:
    own_id = raw.get("event_id") if isinstance(raw, dict) else None
    event_id = own_id if isinstance(own_id, str) else None
    return Rejection(
        index=index,
        event_id=event_id,
        code=error.code,
        param=error.param,
        errors=[*error.faults] if len(error.faults) > 1 else UNSET,
    )
