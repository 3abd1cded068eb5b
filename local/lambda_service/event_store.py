"""The store of asynchronous events until they have run: one queue in Redis for all functions.

Every call blocks; `background` makes them in threads.
"""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from local.template.intrinsics import QUEUE_URL
from redis_sqs import QueueUnavailable, Typed
from redis_sqs.carrier import Carrier
from redis_sqs.redis_queue import RedisQueue

log = logging.getLogger(__name__)

QUEUE = "lambda-asynchronous-events"
VISIBILITY_S = 60  # an event whose gateway was killed is run again after it, or after its time-out
RECEIVE_MAX = 10
POLL_S = 1.0  # the longest a stopping gateway waits for a receive; an empty one costs 150 us

_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # in a queue, not in JSON


class Unavailable(Exception):
    """A store that can keep nothing, or does not answer; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One asynchronous event and what became of it so far."""

    request_id: str  # the same in every run
    function: str  # logical id
    accepted_s: float  # since the epoch
    client_context: Any = None
    trace: str = ""  # AWS's header, of whoever has sent it
    runs: int = 0  # that ended with an error
    throttles: int = 0  # times that it found no concurrency
    event: str = "{}"  # JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEvent:
    """A stored event in hand."""

    stored: StoredEvent
    receipt_handle: str


class Store:
    """The queue of events, and the queues of the template that are told of them."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._queue = RedisQueue(
            QUEUE,
            visibility_timeout_s=VISIBILITY_S,
            max_receive_count=0,
            depth_max=carrier.depth_max,
            disorder=carrier.disorder,
            redis_url=carrier.redis_url,
        )

    def put(self, stored: StoredEvent, delay_s: int = 0) -> None:
        """Keep an event until `delay_s` from now. Raises ValueError where it is too large."""
        about = asdict(stored)
        event = about.pop("event")
        head = json.dumps(about, ensure_ascii=False, separators=(",", ":"))
        with self._answering():
            self._queue.send(_legal(f"{head}\n{event}"), delay_s=delay_s)

    def is_empty(self) -> bool:
        with self._answering():
            return not self._queue.depth().total

    def take(self, most: int) -> list[ReceivedEvent]:
        """Return up to `most` events whose time has come, waiting POLL_S for the first."""
        with self._answering():
            messages = self._queue.receive(min(most, RECEIVE_MAX), wait_s=POLL_S)
        events: list[ReceivedEvent] = []
        for each in messages:
            stored = _read(each.body)
            if stored is None:
                log.error("a message in %s is no event and is dropped: %.100r", QUEUE, each.body)
                with self._answering():
                    self._queue.delete([each.receipt_handle])
            else:
                events.append(ReceivedEvent(stored=stored, receipt_handle=each.receipt_handle))
        return events

    def hide(self, received: ReceivedEvent, lasts_s: int) -> None:
        """Keep an event from coming back for so long as it runs."""
        with self._answering():
            self._queue.release(received.receipt_handle, after_s=lasts_s)

    def delete(self, received: ReceivedEvent) -> None:
        with self._answering():
            self._queue.delete([received.receipt_handle])

    def tell(self, queue: str, body: str, attributes: dict[str, str | int]) -> None:
        """Send a message to a queue of the template; an int is an attribute of type Number."""
        typed = {
            name: Typed("Number", str(value)) if isinstance(value, int) else _legal(value)
            for name, value in attributes.items()
        }
        with self._answering():
            self._carrier.connect(f"{QUEUE_URL}{queue}").send(_legal(body), attributes=typed)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except QueueUnavailable as error:
            raise Unavailable(str(error)) from error


def _read(body: str) -> StoredEvent | None:
    """Return the event of a message; None where it is none, or one of another version of us."""
    about, _, event = body.partition("\n")
    try:
        return StoredEvent(**json.loads(about), event=event)
    except (ValueError, TypeError):
        return None


def _legal(text: str) -> str:
    """Return the same JSON with what a queue does not take escaped."""
    return _ILLEGAL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
