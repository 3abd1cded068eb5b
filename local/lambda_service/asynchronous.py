"""Asynchronous invocations: kept in a queue, run when it is their turn, retried, told of.

Nobody waits for their answers, and they may run twice (2.19 to 2.21).
"""

import asyncio
import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from math import ceil
from urllib.request import Request

from local.lambda_service import destination_services
from local.lambda_service.destination_record import (
    Condition,
    dead_letter_attributes,
    destination_record,
)
from local.lambda_service.dispatch import DEADLINE_GRACE_S, End, Invocation, Outcome, Pool
from local.lambda_service.event_store import ReceivedEvent, Store, StoredEvent, Unavailable
from local.lambda_service.hosts import Hosts
from local.lambda_service.invocation_spans import TracedEvent
from local.template import Function
from local.template.model import Target
from local.traces.sampling import Recorder

log = logging.getLogger(__name__)

RETRY_S = 60  # before the first retry; before the second it is twice as long
RETRY_LONGEST_S = 450  # twice that is a message's longest delay
THROTTLED_LONGEST_S = 300  # the waits of an event that finds no concurrency grow from 1 s to this
RUNNING_MAX = 100  # events in hand at a time; the others wait in the queue
UNREACHABLE_S = 5.0  # until a store that did not answer is asked again
FOREVER_S = float("inf")  # the function's own time-out ends it


class Background:
    """The asynchronous invocations of all functions of one template."""

    def __init__(
        self,
        pools: Mapping[str, Pool],
        hosts: Hosts,
        store: Store,
        retry_s: int,
        recorder: Recorder,
    ) -> None:
        self._pools = pools
        self._hosts = hosts
        self._store = store
        self._retry_s = retry_s
        self._recorder = recorder
        self._has_accepted = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    async def accept(
        self,
        function: str,
        event: str,
        *,
        request_id: str,
        client_context: object = None,
        trace: str = "",
    ) -> None:
        """Keep an event, so that it runs even if this process ends.

        Raises Unavailable, and ValueError where the event is too large to be kept.
        """
        stored = StoredEvent(
            request_id=request_id,
            function=function,
            accepted_s=time.time(),
            event=event,
            client_context=client_context,
            trace=trace,
        )
        await asyncio.to_thread(self._store.put, stored)
        self._has_accepted.set()

    async def run(self) -> None:
        """Run what is kept until cancelled; the store is asked only while it holds something."""
        while True:
            try:
                if not self._running and await asyncio.to_thread(self._store.is_empty):
                    await self._has_accepted.wait()
                self._has_accepted.clear()
                await self._take()
            except Unavailable as error:
                log.warning("asynchronous events wait: %s", error)
                await asyncio.sleep(UNREACHABLE_S)

    async def _take(self) -> None:
        room = RUNNING_MAX - len(self._running)
        if not room:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            return
        for received in await asyncio.to_thread(self._store.take, room):
            task = asyncio.create_task(self._serve(received))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _serve(self, received: ReceivedEvent) -> None:
        stored = received.stored
        pool = self._pools.get(stored.function)
        try:
            if pool is None:
                log.error("the event %s is dropped: no %s", stored.request_id, stored.function)
            else:
                await self._run(pool, received)
            await asyncio.to_thread(self._store.delete, received)
        except Unavailable as error:
            log.warning("the event %s will run once more: %s", stored.request_id, error)

    async def _run(self, pool: Pool, received: ReceivedEvent) -> None:
        """Run an event once, and decide what is next."""
        stored, function = received.stored, pool.function
        settings = function.asynchronous
        if function.reserved_concurrency == 0:
            await self._end(function, stored, Condition.ZERO_RESERVED_CONCURRENCY, None)
            return
        if time.time() - stored.accepted_s > settings.age_max_s:
            await self._end(function, stored, Condition.EVENT_AGE_EXCEEDED, None)
            return
        lasts_s = ceil(pool.queue_deadline_s + function.timeout_s + 2 * DEADLINE_GRACE_S)
        await asyncio.to_thread(self._store.hide, received, lasts_s)
        outcome = await self._invoke(pool, stored)
        if outcome.end is End.RESULT:
            await self._end(function, stored, Condition.SUCCESS, outcome)
        elif outcome.end is not End.ERROR:
            longest_s = min(1 << min(stored.throttles, 10), THROTTLED_LONGEST_S)
            wait_s = ceil(longest_s * random.uniform(0.5, 1))  # else all come back at once
            await self._again(replace(stored, throttles=stored.throttles + 1), wait_s)
        elif stored.runs < settings.retries_max:
            runs = stored.runs + 1
            await self._again(replace(stored, runs=runs), runs * self._retry_s)
        else:
            await self._end(function, stored, Condition.RETRIES_EXHAUSTED, outcome)

    async def _invoke(self, pool: Pool, stored: StoredEvent) -> Outcome:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Outcome] = loop.create_future()
        event = stored.event.encode()
        traced = TracedEvent(self._recorder, time.time(), stored.trace)
        invocation = Invocation(
            stored.request_id, traced.header, event, ended.set_result, FOREVER_S
        )
        invocation.span_id = traced.span_id
        invocation.client_context = stored.client_context
        self._hosts.want(pool)
        pool.invoke(invocation, time.monotonic())
        outcome = await ended
        traced.ended(invocation, pool.function, "other")
        return outcome

    async def _again(self, stored: StoredEvent, wait_s: int) -> None:
        await asyncio.to_thread(self._store.put, stored, wait_s)

    async def _end(
        self, function: Function, stored: StoredEvent, condition: Condition, outcome: Outcome | None
    ) -> None:
        """Tell whoever is to know that the event will not run any more."""
        settings = function.asynchronous
        has_failed = condition is not Condition.SUCCESS
        target = settings.on_failure if has_failed else settings.on_success
        if target is not None:
            record = destination_record(function, stored, condition, outcome, time.time())
            if target.kind == "EventBridge":
                on_bus = partial(destination_services.event, target.name, function, record)
                await self._call(target, partial(on_bus, has_failed=has_failed))
            else:
                await self._tell(target, record, {})
        if has_failed and settings.dead_letter is not None:
            attributes = dead_letter_attributes(stored, condition, outcome)
            await self._tell(settings.dead_letter, stored.event, attributes)
        if has_failed:
            log.warning("the event %s is given up: %s", stored.request_id, condition.value)

    async def _tell(self, target: Target, body: str, attributes: dict[str, str | int]) -> None:
        if target.kind == "SNS":
            message = partial(destination_services.publication, target.name, body, attributes)
            await self._call(target, message)
            return
        try:
            if target.kind == "Lambda":
                await self.accept(target.name, body, request_id=str(uuid.uuid4()))
            else:
                await asyncio.to_thread(self._store.tell, target.name, body, attributes)
        except ValueError as error:  # over a queue's limits, and so it would be again
            log.error("%s %s is not told: %s", target.kind, target.name, error)

    async def _call(self, target: Target, request: Callable[[], Request]) -> None:
        try:
            await asyncio.to_thread(destination_services.send, request())
        except OSError as error:
            log.error("%s %s is not told: %s", target.kind, target.name, error)
