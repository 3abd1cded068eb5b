"""Clients of the drill: each arrival has its time, whatever became of those before it."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PATHS = ("payments", "notifications", "analytics")
TIMEOUT_S = 2.0  # of a client that retries
RETRIES = 3
CLOSED_CLIENTS = 24


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one arrival."""

    path: str
    due_s: float  # since the run began
    took_s: float
    status: int  # 0 where the connection broke or nothing came in time
    tells_when: bool = False  # by Retry-After


@dataclass
class Clients:
    """Connections to one gateway, and the answers that came by them."""

    port: int
    retries: int = 0
    answers: list[Answer] = field(default_factory=list)
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def steady(self, rate: float, seconds: float) -> None:
        """Send arrivals at a steady rate and wait for all of them."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        tasks = []
        for number in range(int(rate * seconds)):
            due_s = number / rate
            await asyncio.sleep(max(0.0, began_s + due_s - loop.time()))
            path = PATHS[number % len(PATHS)]
            tasks.append(loop.create_task(self._arrive(path, began_s, due_s)))
        await asyncio.gather(*tasks)

    async def closed(self, seconds: float) -> float:
        """Ask one after the other with a few clients; returns the answers a second."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()

        async def client(path: str) -> None:
            while loop.time() < began_s + seconds:
                await self._arrive(path, began_s, loop.time() - began_s)

        await asyncio.gather(*(client(PATHS[each % 3]) for each in range(CLOSED_CLIENTS)))
        return sum(each.status == 200 for each in self.answers) / (loop.time() - began_s)

    async def _arrive(self, path: str, began_s: float, due_s: float) -> None:
        loop = asyncio.get_running_loop()
        status, tells_when = 0, False
        for _ in range(1 + self.retries):
            try:
                async with asyncio.timeout(TIMEOUT_S if self.retries else 30):
                    status, tells_when = await self._ask(path)
            except (OSError, EOFError, TimeoutError):
                status = 0
            if status == 200:
                break
            await asyncio.sleep(1.0 if self.retries else 0.0)
        took_s = loop.time() - began_s - due_s
        self.answers.append(Answer(path, due_s, took_s, status, tells_when))

    async def _ask(self, path: str) -> tuple[int, bool]:
        reader, writer = self._idle.pop() if self._idle else await self._open()
        is_whole = False
        try:
            writer.write(f"GET /{path} HTTP/1.1\r\nHost: drill\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(_length(head))
            is_whole = b"connection: close" not in head
        finally:
            if is_whole:
                self._idle.append((reader, writer))
            else:
                writer.close()
        return int(head[9:12]), b"\r\nretry-after:" in head

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


def _length(head: bytes) -> int:
    _, _, rest = head.partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0] or 0)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The answers to the arrivals of some seconds."""

    from_s: float
    offered: int
    served: dict[str, int]
    refused: int
    broken: int
    p99_ms: float  # of the served

    @property
    def served_in_all(self) -> int:
        return sum(self.served.values())


def stretch(answers: Iterable[Answer], from_s: float, to_s: float) -> Stretch:
    """Sum up the arrivals that were due in these seconds."""
    those = [each for each in answers if from_s <= each.due_s < to_s]
    took_s = sorted(each.took_s for each in those if each.status == 200)
    return Stretch(
        from_s=from_s,
        offered=len(those),
        served={
            path: sum(each.status == 200 and each.path == path for each in those) for path in PATHS
        },
        refused=sum(each.status in (429, 503) for each in those),
        broken=sum(each.status not in (200, 429, 503) for each in those),
        p99_ms=_share(took_s, 0.99) * 1000,
    )


def _share(values: Sequence[float], share: float) -> float:
    return values[int(share * (len(values) - 1))] if values else 0.0
