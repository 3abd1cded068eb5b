"""The generator's CPU an arrival: `python tests/bench/generator.py`, about 30 s.

The driver against a server that does nothing shows the ruler's own width; then what it costs to
tell Locust of an arrival.
"""

import asyncio
import contextlib
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvloop
from locust import events
from locust.env import Environment

from loadtest.generator.driver import Address, Driver
from loadtest.generator.profile import schedule, steady
from loadtest.generator.scenarios import Requests, workload
from loadtest.recording.measure import Figures, figures, milliseconds
from loadtest.under_locust.locust_events import tell

SECONDS = 8
BODY = b'{"status":"ok","accepted":1,"rejected":[],"id":"pay_aaaaaaaaaaaaaaaaaaaaaaaaaa"}'
STATUS = {b"/hea": 200, b"/v1/p": 201, b"/v1/a": 202, b"/v1/n": 202}


class NullServer(asyncio.Protocol):
    """Answers every request at once with what its scenario expects, and does nothing."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        path = data.partition(b" ")[2]
        status = next(code for start, code in STATUS.items() if path.startswith(start))
        self.transport.write(
            b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\n"
            b"x-amzn-requestid: 6f1e9a3e-8f3c-4c1b-9a3e-8f3c4c1b9a3e\r\n"
            b"content-length: %d\r\n\r\n%b" % (status, len(BODY), BODY)
        )
        if b"\r\nConnection: close" in data:
            self.transport.close()


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(
        NullServer, "127.0.0.1", 0, backlog=4096
    )
    say(str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


@contextmanager
def null_server() -> Iterator[Address]:
    process = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE)
    assert process.stdout
    try:
        yield Address("127.0.0.1", int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def cpu_us(action: Callable[[], None]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    action()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e6


def drive(address: Address, rate_per_s: int, *, keep_alive: bool) -> tuple[Driver, float]:
    work = workload(schedule(steady(rate_per_s, SECONDS)))
    requests = Requests(work, run="bench", token="x" * 500, host="null", keep_alive=keep_alive)
    driver = Driver(work, requests, address, keep_alive=keep_alive)
    return driver, cpu_us(driver.run) / len(work)


def show(title: str, cost_us: float, figures: Figures) -> None:
    latency, lag = milliseconds(figures.total.times.latency), milliseconds(figures.total.times.lag)
    say(
        f"{title:<34}{cost_us:6.0f} us  p50 {latency['p50']:.2f}  p99 {latency['p99']:.2f}  "
        f"lag p99 {lag['p99']:.2f} ms  failed {figures.failed}"
    )


def telling_locust(driver: Driver) -> None:
    """Return the cost of an arrival in Locust's statistics, by its clients' request event."""
    environment = Environment(events=events)
    environment.create_local_runner()
    work, journal = driver.work, driver.journal
    cost_us = cpu_us(lambda: tell(events.request, work, journal, range(len(work))))
    say(f"{'Locust told by its request event':<34}{cost_us / len(work):6.1f} us")


def main() -> None:
    with null_server() as address:
        for rate_per_s in (200, 1000):
            driver, cost_us = drive(address, rate_per_s, keep_alive=True)
            title = f"{rate_per_s}/s, connections kept"
            show(title, cost_us, figures(driver.work, driver.journal))
        single, cost_us = drive(address, 1000, keep_alive=False)
        show("1000/s, a connection each", cost_us, figures(single.work, single.journal))
    telling_locust(driver)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(serve())
    else:
        main()
