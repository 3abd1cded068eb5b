"""The clients of a replay: a short form of the profile, with time-outs and retries."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import orjson

from loadtest.generator.profile import Phase, Profile, schedule
from loadtest.generator.scenarios import (
    NOTIFICATIONS,
    PAYMENTS,
    SCENARIOS,
    Requests,
    Workload,
    new_run_id,
    workload,
)

TIMEOUT_S = 3.0  # ten in the profile, which takes longer
ATTEMPTS = 3
ASKED_AGAIN_S = 0.9  # the kernel asks again after a second where its question found no room
RETRY_S = 0.5  # before the second attempt; twice that before the third
ANSWERED, REFUSED, TIMED_OUT, RESET = "answered", "refused", "timed out", "reset"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Tally:
    """The outcomes of all arrivals, and what was accepted."""

    outcomes: Counter[str] = field(default_factory=Counter)
    payments: set[str] = field(default_factory=set)  # ids of those that were answered with 201
    notifications: set[str] = field(default_factory=set)
    broken: int = 0  # attempts that timed out or were reset
    unconnected: int = 0  # attempts that had no connection at once, but after a second or never
    latencies_s: list[float] = field(default_factory=list)  # of what was answered


def short_profile(rate_per_s: int) -> Profile:
    """Return the profile's shape in twelve seconds: warm-up, ramp, peak, cool-down."""
    return Profile(
        "short",
        (
            Phase(name="warmup", duration_s=2, rate_per_s=20),
            Phase(name="ramp", duration_s=2, rate_per_s=20, to_rate_per_s=rate_per_s),
            Phase(name="peak", duration_s=6, rate_per_s=rate_per_s),
            Phase(name="cooldown", duration_s=2, rate_per_s=20),
        ),
    )


class Clients:
    """All clients of one replay; each arrival is one of them."""

    def __init__(
        self, gateway: str, token: str, rate_per_s: int, *, has_keys: bool, reuses: bool
    ) -> None:
        self.run_id = new_run_id()
        self.tally = Tally()
        self._work: Workload = workload(schedule(short_profile(rate_per_s)))
        where = urlsplit(gateway)
        self._host, self._port = where.hostname or "", where.port or 80
        self._requests = Requests(
            self._work, run=self.run_id, token=token, host=where.netloc, keep_alive=reuses
        )
        self._has_keys = has_keys
        self._reuses = reuses
        self._idle: list[Stream] = []

    def __len__(self) -> int:
        return len(self._work)

    def drive(self) -> None:
        """Send every arrival when it is due and wait for the end of the last."""
        asyncio.run(self._drive())

    async def _drive(self) -> None:
        start_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for index, due_s in enumerate(self._work.schedule.due_s):
                await asyncio.sleep(max(0.0, start_s + due_s - time.monotonic()))
                group.create_task(self._arrive(index))
        for _, writer in self._idle:
            writer.close()

    async def _arrive(self, index: int) -> None:
        began_s = time.monotonic()
        outcome = RESET
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(RETRY_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.0))
            outcome, is_final = await self._attempt(index, attempt)
            if is_final:
                break
        self.tally.outcomes[outcome] += 1
        if outcome == ANSWERED:
            self.tally.latencies_s.append(time.monotonic() - began_s)

    async def _attempt(self, index: int, attempt: int) -> tuple[str, bool]:
        """Ask once; return the outcome, and whether it is not to be asked again."""
        request = self._requests.of(index)
        if attempt and not self._has_keys:
            key = f"{self.run_id}-".encode()
            request = request.replace(
                b"Idempotency-Key: " + key, b"Idempotency-Key: %d" % attempt + key
            )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, body = await self._exchange(request)
        except TimeoutError:
            self.tally.broken += 1
            return TIMED_OUT, False
        except (OSError, EOFError):
            self.tally.broken += 1
            return RESET, False
        if status != SCENARIOS[self._work.scenario[index]].status:
            return REFUSED, status < 429
        self._accept(self._work.scenario[index], body)
        return ANSWERED, True

    def _accept(self, scenario: int, body: bytes) -> None:
        if scenario == PAYMENTS:
            self.tally.payments.add(orjson.loads(body)["id"])
        elif scenario == NOTIFICATIONS:
            self.tally.notifications.add(orjson.loads(body)["id"])

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        is_used = bool(self._idle)
        stream = self._idle.pop() if is_used else await self._connect()
        reader, writer = stream
        is_whole = False
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            _, _, length = head.partition(b"content-length:")
            body = await reader.readexactly(int(length.split(b"\r\n")[0] or 0))
            is_whole = True
        finally:
            if is_whole and self._reuses and b"connection: close" not in head:
                self._idle.append(stream)
            else:
                writer.close()
        return int(head.split(b" ")[1]), body

    async def _connect(self) -> Stream:
        """Connect, and count what the kernel did not take at its first asking."""
        late = asyncio.get_running_loop().call_later(ASKED_AGAIN_S, self._count_unconnected)
        try:
            return await asyncio.open_connection(self._host, self._port)
        finally:
            late.cancel()

    def _count_unconnected(self) -> None:
        self.tally.unconnected += 1
