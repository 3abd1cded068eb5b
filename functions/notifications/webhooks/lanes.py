"""Lanes: how many batches at once may wait for one tenant's receivers, so that others get on.

Each tenant has a lane for endpoints that work and one for those that fail. A hanging receiver takes
the places in its tenant's lanes, and no worker more: what finds its lane full is sent later. Those
that fail share one more lane, so that many tenants' receivers together leave workers for others.
Lanes are on Redis; without it nothing is bounded.
"""

import secrets
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import redis

from backend.telemetry import logger
from notifications.channels.webhook import ANSWERED_WITHIN_S
from notifications.holds import Hold, Later
from notifications.schema import Notification
from notifications.webhooks.endpoints import Endpoint
from notifications.webhooks.receivers import Receivers
from redis_sqs.redis_scripts import Script, server_at

ENTER = Script(Path(__file__).with_name("lanes.lua"))
PLACES = 2  # batches of a tenant at once, of five workers: two lanes, and two workers are left
PLACES_FAILING = 1
PLACES_ALL_FAILING = 2  # of all tenants together: three of five workers are left
ALL_FAILING = "webhooks-of-all:{failing}"  # braces: it and its `:held` share a cluster's slot
STAY_MS = round(1000 * (ANSWERED_WITHIN_S + 3))  # a killed worker gives its places free by then
STEP_MS = 500  # between two that are held: a batch of ten that hangs takes ten seconds and more
HELD_MAX_MS = 600_000
WAIT_S = 0.3  # receivers that work give a place free within it: nothing need be held for them
LOOK_S = 0.02


class Endpoints(Protocol):
    """The store of endpoints; `webhooks.endpoint_store` says what the function guarantees."""

    def find_many(self, endpoint_ids: Collection[str]) -> dict[str, Endpoint]: ...


class Lane(NamedTuple):
    """One of a tenant's two lanes."""

    tenant: str
    is_failing: bool

    @property
    def key(self) -> str:
        return f"webhooks:{{{self.tenant}}}:{'failing' if self.is_failing else 'working'}"

    @property
    def places(self) -> dict[str, int]:
        """The sets of places, by key, of which a batch in this lane takes one each."""
        if self.is_failing:
            return {self.key: PLACES_FAILING, ALL_FAILING: PLACES_ALL_FAILING}
        return {self.key: PLACES}


class Lanes:
    """The lanes of every tenant, as one worker enters and leaves them."""

    def __init__(self, redis_url: str, endpoints: Endpoints, receivers: Receivers) -> None:
        self._server = server_at(redis_url)
        self._endpoints = endpoints
        self._receivers = receivers
        self._batch = ""
        self._entered: list[str] = []  # keys, each from right after its entry on

    def holds(self, batch: Sequence[Notification], *, now_ms: int) -> dict[str, Hold]:
        """Enter the lanes of a batch; returns what to send later.

        Its lane is full, or its host is left alone and has no need of a lane.
        """
        endpoints = self._endpoints.find_many({each.to for each in batch})
        holds: dict[str, Hold] = {**self._receivers.holds(batch, endpoints, now_ms=now_ms)}
        lanes = _lanes_of([each for each in batch if each.id not in holds], endpoints)
        self._batch = secrets.token_hex(8)
        try:
            return holds | self._enter_all(lanes, now_ms=now_ms)
        except redis.RedisError:
            logger.warning("webhooks are not bounded", exc_info=True)
            return holds

    def leave(self) -> None:
        """Give the places of this batch free."""
        try:
            self._leave_to(0)
        except redis.RedisError:
            logger.warning("places are free only later", exc_info=True)
        self._entered.clear()

    def _leave_to(self, count: int) -> None:
        """Give places free until so many are left, the last that was entered first."""
        while len(self._entered) > count:
            self._server.call("ZREM", self._entered[-1], self._batch)
            self._entered.pop()

    def _enter_all(
        self, lanes: Mapping[Lane, Sequence[Notification]], *, now_ms: int
    ) -> dict[str, Hold]:
        full = [lane for lane in lanes if self._wait_ms(lane)]
        give_up_at_s = time.monotonic() + WAIT_S
        while any(not lane.is_failing for lane in full) and time.monotonic() < give_up_at_s:
            time.sleep(LOOK_S)
            full = [lane for lane in full if lane.is_failing or self._wait_ms(lane)]
        holds: dict[str, Hold] = {}
        for lane in full:
            wait_ms = self._wait_ms(lane, waiting=len(lanes[lane]))
            if wait_ms:
                for number, each in enumerate(lanes[lane]):
                    holds[each.id] = Later(now_ms + wait_ms + number * STEP_MS)
        return holds

    def _wait_ms(self, lane: Lane, *, waiting: int = 0) -> int:
        """Enter a lane and return 0, or how long the first that is held has to wait."""
        before = len(self._entered)
        for key, places in lane.places.items():
            arguments = (self._batch, places, STAY_MS, waiting, STEP_MS, HELD_MAX_MS)
            wait_ms = int(self._server.run(ENTER, [key, f"{key}:held"], arguments))
            if wait_ms:
                self._leave_to(before)
                return wait_ms
            self._entered.append(key)
        return 0


def _lanes_of(
    batch: Sequence[Notification], endpoints: Mapping[str, Endpoint]
) -> dict[Lane, list[Notification]]:
    lanes: dict[Lane, list[Notification]] = defaultdict(list)
    for each in batch:
        endpoint = endpoints.get(each.to)
        if endpoint is not None and endpoint.tenant == each.tenant:
            lanes[Lane(each.tenant, endpoint.failing_since_ms is not None)].append(each)
    return dict(lanes)
