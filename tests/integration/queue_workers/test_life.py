"""Workers that end, by a signal or a kill, and hosts that do: no message is lost by it."""

import json
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from tests.conftest import wait_until
from tests.integration.queue_workers.site import TEMPLATE, Site, count_of


def test_sigterm_lets_the_batch_in_hand_finish_and_leaves_nothing_running(site: Site):
    worker, _ = site.start()
    site.send(take_s=0.7)
    wait_until(site.received(1))
    children = psutil.Process(worker.pid).children(recursive=True)
    worker.terminate()

    assert worker.wait(timeout=10) == 0
    assert site.empty()
    assert len(site.events()) == 1
    assert len(children) == 2
    assert gone(children)()
    assert list((site.folder / "run").glob("*.sock")) == []


def test_an_idle_worker_stops_within_its_poll(site: Site):
    worker, _ = site.start()
    wait_until(lambda: "worker 0 polls orders" in site.log())
    started_s = time.monotonic()
    worker.terminate()

    assert worker.wait(timeout=10) == 0
    assert time.monotonic() - started_s < 5


def test_a_second_signal_gives_the_batch_in_hand_back_at_once(site: Site):
    (site.folder / "template.yaml").write_text(TEMPLATE.replace("Timeout: 1\n", "Timeout: 2\n"))
    worker, _ = site.start()
    site.send(take_s=1.8)
    wait_until(site.received(1))
    worker.terminate()
    worker.send_signal(signal.SIGINT)
    wait_until(lambda: site.queue.depth().visible == 1, timeout_s=2)

    assert worker.wait(timeout=10) == 0


@pytest.mark.row("4.4")
def test_a_killed_worker_takes_its_host_with_it_and_loses_nothing(site: Site):
    worker, _ = site.start()
    site.send(take_s=0.8)
    wait_until(site.received(1))
    children = psutil.Process(worker.pid).children(recursive=True)
    worker.kill()
    worker.wait()
    wait_until(gone(children))
    depth = site.queue.depth()
    site.start()
    wait_until(site.empty, timeout_s=15)

    assert depth.total == 1
    assert [count_of(event[0]) for event in site.events()] == [1, 2]


def test_a_killed_host_is_started_again(site: Site):
    worker, _ = site.start()
    site.send(n=1)
    wait_until(site.empty)
    (host,) = psutil.Process(worker.pid).children()
    host.kill()
    site.send(n=2)
    wait_until(site.empty)

    assert [json.loads(body)["n"] for body in site.bodies()] == [1, 2]
    assert "a host ended with status -9" in site.log()


def gone(processes: list[psutil.Process]) -> Callable[[], bool]:
    return lambda: not any(alive(process) for process in processes)


def alive(process: psutil.Process) -> bool:
    """Return whether it runs; one that has ended but whom nobody has waited for yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
