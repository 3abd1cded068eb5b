"""An environment that ends is replaced, and one that overstays its deadline is ended."""

import time

import pytest

from tests.conftest import wait_until
from tests.integration.host.invoker import Invoker, Peer


@pytest.mark.row("2.8")
def test_a_handler_that_runs_past_its_deadline_is_killed_and_replaced(invoker: Invoker, peer: Peer):
    started = time.monotonic()
    peer.ask("hang", within_s=0.2)
    with pytest.raises(EOFError):
        peer.receive()
    lasted = time.monotonic() - started
    successor = invoker.accept()

    assert lasted >= 0.2
    assert successor.hello["pid"] != peer.hello["pid"]
    assert successor.invoke("pid")["result"]["served"] == 1
    assert "ended at its deadline" in invoker.log.read_text()


def test_a_handler_that_disarms_its_timer_is_killed_by_the_host(invoker: Invoker, peer: Peer):
    peer.ask("hang_disarmed", within_s=0.2)
    with pytest.raises(EOFError):
        peer.receive()

    assert invoker.accept().hello["pid"] != peer.hello["pid"]


def test_an_environment_outlives_the_deadline_of_an_event_it_has_answered(peer: Peer):
    peer.invoke("pid", within_s=0.4)
    host_would_have_killed_s = time.monotonic() + 0.4 + 1.0 + 0.6
    wait_until(lambda: time.monotonic() > host_would_have_killed_s)

    assert peer.invoke("pid")["result"]["served"] == 2


@pytest.mark.row("2.10")
def test_an_environment_that_exits_is_replaced_and_its_successor_starts_afresh(
    invoker: Invoker, peer: Peer
):
    peer.invoke("pid")
    peer.ask("leave")
    with pytest.raises(EOFError):
        peer.receive()

    assert invoker.accept().invoke("pid")["result"]["served"] == 1
    assert "ended with status 3" in invoker.log.read_text()


def test_environments_that_keep_dying_are_replaced_ever_more_slowly(invoker: Invoker):
    invoker.start()
    for _ in range(4):
        invoker.accept().ask("leave")

    wait_until(lambda: "the next starts in 0.40 s" in invoker.log.read_text())


def test_a_repaired_handler_is_found_without_a_restart_by_hand(invoker: Invoker):
    host = invoker.start("Broken", 1, "--import-retry-s", "0.3")
    invoker.accept()
    (invoker.folder / "code" / "broken.py").write_text("def handler(event, context): return 1\n")

    wait_until(lambda: "result" in invoker.accept().invoke("pid"))
    assert invoker.hosts[0].pid == host
    assert invoker.hosts[0].poll() is None
