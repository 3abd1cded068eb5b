"""Hosts start before their invoker and end without leaving anybody or anything half done."""

import os
import signal

import psutil
import pytest

from tests.conftest import wait_until
from tests.integration.host.invoker import Invoker, Peer, gone


def test_a_terminated_host_lets_the_event_in_hand_finish_and_leaves_nobody(invoker: Invoker):
    invoker.start(environments=2)
    busy, idle = invoker.accept(), invoker.accept()
    busy.ask("slow")
    invoker.hosts[0].send_signal(signal.SIGTERM)

    assert busy.receive()["result"] == "finished"
    assert invoker.hosts[0].wait(timeout=5) == 0
    assert gone(busy.hello["pid"])()
    assert gone(idle.hello["pid"])()


def test_a_host_that_must_import_and_cannot_ends_with_status_2_and_all_that_was_printed(
    invoker: Invoker,
):
    invoker.start("Broken", 1, "--must-import")

    assert invoker.hosts[0].wait(timeout=10) == 2
    assert "Runtime.ImportModuleError" in invoker.log.read_text()
    assert "about to import it\n" in invoker.log.read_text()


def test_what_the_import_has_started_outlives_environments_and_ends_with_the_host(invoker: Invoker):
    invoker.start("Helped")
    peer = invoker.accept()
    peer.ask("leave")
    helper = invoker.accept().invoke("helper")["result"]
    assert not gone(helper)()

    invoker.hosts[0].terminate()

    assert invoker.hosts[0].wait(timeout=5) == 0
    assert gone(helper)()


def test_an_event_that_arrived_with_the_signal_is_still_served(invoker: Invoker, peer: Peer):
    process = psutil.Process(peer.hello["pid"])
    process.suspend()
    peer.ask("pid")
    process.terminate()
    process.resume()

    assert peer.receive()["result"]["pid"] == peer.hello["pid"]


@pytest.mark.row("2.17")
def test_a_handler_is_not_told_of_the_end_and_can_flush_nothing(invoker: Invoker, peer: Peer):
    flushed = invoker.folder / "flushed"
    peer.invoke("flush_at_exit", file=str(flushed))

    invoker.hosts[0].send_signal(signal.SIGTERM)

    assert invoker.hosts[0].wait(timeout=5) == 0
    assert not flushed.exists()


def test_environments_end_when_their_host_is_killed(invoker: Invoker, peer: Peer):
    invoker.hosts[0].kill()

    wait_until(gone(peer.hello["pid"]))


def test_environments_dial_until_the_invoker_is_there_and_again_when_it_comes_back(
    invoker: Invoker,
):
    invoker.listener.close()
    os.unlink(invoker.address)
    invoker.start()
    wait_until(lambda: psutil.Process(invoker.hosts[0].pid).children())
    invoker.listen()
    first = invoker.accept()
    first.stream.close()
    second = invoker.accept()

    assert second.hello["pid"] == first.hello["pid"]
    assert second.invoke("pid")["result"]["served"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--function", "Nobody"], "has no function Nobody"),
        (["--connect", "nowhere"], "'nowhere' is no address"),
        (["--template", "missing.yaml"], "missing.yaml"),
    ],
)
def test_bad_arguments_are_one_sentence_and_status_2(
    invoker: Invoker, arguments: list[str], sentence: str
):
    invoker.start("Echo", 1, *arguments)

    assert invoker.hosts[0].wait(timeout=10) == 2
    complaint = invoker.log.read_text()
    assert sentence in complaint
    assert "Traceback" not in complaint
