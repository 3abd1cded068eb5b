"""The CPU of a charge and of a mail: `python -m tests.bench.outside` prints microseconds."""

import asyncio
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop

from tests.conftest import free_port, wait_until

RATE_PER_S = 250  # a quarter of the load profile's peak
CONNECTIONS = 5  # one per worker
NUMBERS = itertools.count()
TEXT = b"Thank you for your payment of 12.34 EUR.\r\n" * 15

Exchange = Callable[[int], Awaitable[None]]  # one charge or mail, given its number
Connect = Callable[[int], Awaitable[Exchange]]  # to a port


async def charging(port: int) -> Exchange:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def charge(number: int) -> None:
        order = {
            "amount": 1234,
            "currency": "EUR",
            "payment_method": "pm_card_visa",
            "capture": True,
            "reference": f"pay_{number}",
        }
        body = json.dumps(order)
        writer.write(
            "POST /charges HTTP/1.1\r\nhost: provider\r\ncontent-type: application/json\r\n"
            f"idempotency-key: pay_{number}:charge\r\ncontent-length: {len(body)}\r\n\r\n"
            f"{body}".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(head.decode())
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.split(b":")[1]))

    return charge


async def mailing(port: int) -> Exchange:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def reply(code: bytes) -> None:
        line = b"   -"
        while line[3:4] == b"-":
            line = await reader.readline()
        if not line.startswith(code):
            raise RuntimeError(line.decode())

    async def mail(number: int) -> None:
        for command, code in (
            (b"MAIL FROM:<shop@spillway.example>", b"250"),
            (b"RCPT TO:<ada@example.com>", b"250"),
            (b"DATA", b"354"),
        ):
            writer.write(command + b"\r\n")
            await reply(code)
        head = b"Subject: Your receipt\r\nMessage-ID: <ntf_%d@spillway.example>\r\n\r\n"
        writer.write(head % number + TEXT + b".\r\n")
        await reply(b"250")

    await reply(b"220")
    writer.write(b"EHLO bench\r\n")
    await reply(b"250")
    return mail


@dataclass(frozen=True, kw_only=True)
class Load:
    """The number of exchanges, in which batches, at which rate (0: without a pause)."""

    name: str
    count: int
    batch: int
    rate_per_s: int


LOADS = (
    Load(name="one by one", count=1000, batch=1, rate_per_s=RATE_PER_S),
    Load(name="in tens", count=1000, batch=10, rate_per_s=RATE_PER_S),
    Load(name="flat out", count=4000, batch=1, rate_per_s=0),
)


async def drive(connect: Connect, port: int, load: Load) -> None:
    """Drive the load: each connection takes the next batch when it is due and works it off."""
    exchanges = [await connect(port) for _ in range(CONNECTIONS)]
    started = time.perf_counter()
    starts = iter(range(0, load.count, load.batch))

    async def one(exchange: Exchange) -> None:
        for start in starts:
            if load.rate_per_s:
                due = started + start / load.rate_per_s
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            for _ in range(load.batch):
                await exchange(next(NUMBERS))

    await asyncio.gather(*map(one, exchanges))


def measure(name: str, pid: int, connect: Connect, port: int) -> None:
    for load in LOADS:
        before_us, started = _cpu_us(pid), time.perf_counter()
        uvloop.run(drive(connect, port, load))
        each_us = (_cpu_us(pid) - before_us) / load.count
        rate_per_s = load.count / (time.perf_counter() - started)
        print(f"{name:8} {load.name:10} {rate_per_s:6.0f}/s {each_us:4.0f} us")  # noqa: T201


def _cpu_us(pid: int) -> float:
    """Return the scheduler's own count: ticks of 10 ms are too coarse for a light load."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1000


@contextmanager
def running(port: int, *command: str) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.DEVNULL)
    try:
        wait_until(
            lambda: any(
                connection.laddr.port == port
                for connection in psutil.Process(process.pid).net_connections()
            )
        )
        yield process.pid
    finally:
        process.terminate()
        process.wait(timeout=10)


def main() -> None:
    # Beside the sources, not in /tmp: that may be memory, where an fsync costs nothing.
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        port, view = str(free_port()), str(free_port())
        provider = ("local.simulators.provider", "--port", port)
        mailbox = ("local.simulators.mailbox", "--smtp-port", port, "--http-port", view)
        with running(int(port), *provider, "--journal", f"{folder}/provider.jsonl") as pid:
            measure("provider", pid, charging, int(port))
        with running(int(port), *mailbox, "--journal", f"{folder}/mailbox.jsonl") as pid:
            measure("mailbox", pid, mailing, int(port))


if __name__ == "__main__":
    main()
