"""The loop on one queue: receive, invoke, delete what succeeded, give back what failed."""

import logging
import math
import random
import threading
import time
from collections.abc import Sequence

from local.daemon.wording import counted
from local.template import Mapping
from local.template.patterns import compile_filters
from local.traces.sampling import Recorder
from queue_workers import metrics
from queue_workers.batch_trace import BatchTrace, Handling
from queue_workers.event import MalformedResponse, SqsEvent, failed_ids, reason_of, sqs_event
from queue_workers.invoker import EventTooLarge, InvocationFailed, NotTaken, Way
from queue_workers.reserved_concurrency import ReservedConcurrency, Throttled
from queue_workers.yield_to_requests import RequestPriority
from redis_sqs import REGION, Message, Queue, QueueUnavailable

log = logging.getLogger(__name__)

POLL_S = 2.0  # the longest a stopping worker waits for an idle poller; an empty look costs 150 us
FILL_S = 0.2  # how long a batch may fill: handlers called for every message cost more than all else
# Messages of one script: about a millisecond in which Redis serves nobody else. It stops at 6 MB.
RECEIVE_MAX = 100
EVENT_BYTES_MAX = 6_000_000  # Lambda invokes when the batch has 6 MB, its limit on an event
RETRY_FIRST_S = 0.1
RETRY_LONGEST_S = 5.0  # a queue that is back is noticed within it
REASON_CHARS_MAX = 500  # stays with the message in Redis until it is deleted
NO_REASON = "failed without a reason"  # one that gives none is tried again all the same


class Poller:
    """One event source mapping in one process: one queue, one environment, one batch at a time."""

    def __init__(  # noqa: PLR0913  # the options of a mapping
        self,
        queue: Queue,
        invoker: Way,
        mapping: Mapping,
        *,
        visibility_timeout_s: int,
        stop: threading.Event,
        request_priority: RequestPriority,
        recorder: Recorder,
        reserved_concurrency: ReservedConcurrency | None = None,
        region: str = REGION,
    ) -> None:
        self._queue = queue
        self._invoker = invoker
        self._mapping = mapping
        self._visibility_timeout_s = visibility_timeout_s
        self._stop = stop
        self._request_priority = request_priority
        self._recorder = recorder
        self._reserved_concurrency = reserved_concurrency
        self._region = region
        self._passes = compile_filters(mapping.filters) if mapping.filters else None
        self._in_hand: list[Message] = []
        self._received_at_s = 0.0  # monotonic

    def run(self) -> None:
        """Take batches until `stop`; a queue that is away is asked again after a growing pause."""
        retry_s = RETRY_FIRST_S
        while not self._stop.is_set():
            try:
                self.run_once()
            except QueueUnavailable as error:
                log.warning("%s (next look in %.1f s)", error, retry_s)
            except Exception:  # edge: one round of a poller
                log.exception("queue %s: the batch comes back", self._queue.name)
            else:
                retry_s = RETRY_FIRST_S
                continue
            self._stop.wait(retry_s * random.uniform(0.5, 1))
            retry_s = min(2 * retry_s, RETRY_LONGEST_S)

    def run_once(self) -> int:
        """Handle one batch, waiting up to POLL_S for it; returns how many messages it had.

        Requests come first: while they wait, one poller of a queue has its turn.
        """
        priority, name = self._request_priority, self._queue.name
        with priority.turn(self._stop, name, lambda: self._queue.depth().oldest_age_s):
            return self._run_batch()

    def _run_batch(self) -> int:
        """Nothing is received while no environment is there to take it: a receive counts."""
        if self._stop.is_set() or not self._invoker.ready(POLL_S):
            return 0
        # Also what came while stopping: to give it back costs a receive, and five workers that stop
        # together could make a dead letter of it.
        self._in_hand = self._receive()
        if self._in_hand:
            self._handle(self._in_hand)
        count, self._in_hand = len(self._in_hand), []
        return count

    def give_back(self) -> None:
        """Make what is in hand visible at once; used when there is no time left for it."""
        for message in self._in_hand:
            self._queue.release(message.receipt_handle, after_s=0)
        metrics.messages.labels(self._queue.name, "released").inc(len(self._in_hand))

    def _receive(self) -> list[Message]:
        """Receive a batch, gathering for the mapping's window once there is a first message."""
        batch = self._take(min(self._mapping.batch_size, self._queue.receive_max), POLL_S)
        self._received_at_s = time.monotonic()
        window_ends_s = self._received_at_s + self._mapping.window_s
        size = sum(len(message.body) for message in batch)
        while batch and len(batch) < self._mapping.batch_size and size < EVENT_BYTES_MAX:
            left_s = window_ends_s - time.monotonic()
            if left_s <= 0 or self._stop.is_set():
                break
            most = min(self._mapping.batch_size - len(batch), self._queue.receive_max)
            more = self._take(most, min(left_s, POLL_S))
            size += sum(len(message.body) for message in more)
            batch += more
        for message in batch:
            if message.moved_from and message.receive_count == 1:
                old = f"was moved from a dead-letter queue, where it was {message.moved_from}"
                log.info("queue %s: message %s %s", self._queue.name, message.message_id, old)
        redelivered = sum(message.receive_count > 1 for message in batch)
        metrics.redeliveries.labels(self._queue.name).inc(redelivered)
        return batch

    def _take(self, most: int, wait_s: float) -> list[Message]:
        """Receive once; what passes none of the mapping's filters is deleted, as on AWS."""
        batch = self._queue.receive(most, wait_s=wait_s)
        if not batch or self._passes is None:
            return batch
        passing: list[Message] = []
        dropped: list[Message] = []
        for message, record in zip(batch, self._event(batch)["Records"], strict=True):
            (passing if self._passes(record) else dropped).append(message)
        self._queue.delete([message.receipt_handle for message in dropped])
        metrics.messages.labels(self._queue.name, "filtered").inc(len(dropped))
        return passing

    def _event(self, batch: Sequence[Message]) -> SqsEvent:
        return sqs_event(batch, queue=self._queue.name, region=self._region)

    def _handle(self, batch: Sequence[Message]) -> None:
        try:
            self._handle_part(batch)
        except NotTaken as error:
            log.warning("queue %s: no environment took the batch: %s", self._queue.name, error)
            self.give_back()
        taken_s = time.monotonic() - self._received_at_s
        metrics.batch_duration.labels(self._queue.name).observe(taken_s)

    def _handle_part(self, part: Sequence[Message]) -> bool:
        """Have a batch, or what of it fits into one event, handled; says whether all succeeded."""
        sent = {message.message_id for message in part}
        trace = BatchTrace(self._recorder, self._queue.name, self._invoker.function, part)
        try:
            response = self._invoke(part, trace.handling)
            failed = failed_ids(response, sent) if self._mapping.report_failures else set()
        except EventTooLarge:
            return self._handle_halves(part)
        except (InvocationFailed, MalformedResponse, Throttled) as error:
            log.error("queue %s: a batch of %d failed: %s", self._queue.name, len(part), error)
            self._leave(part, str(error))
            trace.ended(dict.fromkeys(sent, str(error)))
            return False
        reasons = {each: reason_of(response, each) for each in failed}
        self._settle(part, reasons)
        trace.ended(reasons)
        return not failed

    def _handle_halves(self, part: Sequence[Message]) -> bool:
        """Handle in two events what is too large for one; AWS ends a batch at 6 MB beforehand.

        One message always fits. After a failure the rest of a FIFO queue's batch keeps its order.
        """
        middle = len(part) // 2
        succeeded = self._handle_part(part[:middle])
        if not succeeded and self._queue.name.endswith(".fifo"):
            self._leave(part[middle:], "a message before it failed")
            return False
        return self._handle_part(part[middle:]) and succeeded

    def _invoke(self, batch: Sequence[Message], handling: Handling) -> object:
        if self._reserved_concurrency is None:
            return self._invoker.invoke(self._event(batch), handling)
        with self._reserved_concurrency.place(self._left_s(), self._stop):
            return self._invoker.invoke(self._event(batch), handling)

    def _settle(self, batch: Sequence[Message], failed: dict[str, str]) -> None:
        name = self._queue.name
        done = [message for message in batch if message.message_id not in failed]
        expired = self._queue.delete([message.receipt_handle for message in done])
        if expired:
            late = "had become visible before they were handled and come again"
            log.warning("queue %s: %s %s", name, counted(len(expired), "message"), late)
        metrics.messages.labels(name, "succeeded").inc(len(done))
        now_ms, age = time.time() * 1000, metrics.message_age.labels(name)
        for message in done:
            age.observe(max(0.0, now_ms - message.sent_at_ms) / 1000)
        for message in batch:
            if message.message_id in failed:
                self._leave([message], failed[message.message_id])

    def _leave(self, failed: Sequence[Message], reason: str) -> None:
        """Leave messages to the rest of their visibility timeout, as AWS does, with the reason."""
        metrics.messages.labels(self._queue.name, "failed").inc(len(failed))
        after_s = math.ceil(self._left_s())
        for message in failed:
            self._queue.release(
                message.receipt_handle,
                after_s=after_s,
                reason=reason[:REASON_CHARS_MAX] or NO_REASON,
            )

    def _left_s(self) -> float:
        """Return for how long the batch in hand is still hidden from others."""
        return max(0.0, self._received_at_s + self._visibility_timeout_s - time.monotonic())
