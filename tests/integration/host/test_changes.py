"""Hosts with --reload: one picks up what has changed, and its old environments go on until told."""

import os

import psutil

from tests.conftest import wait_until
from tests.integration.host.invoker import Invoker

CHANGED = "def handler(event, context): return 'changed'\n"


def test_changed_code_is_served_by_new_environments_and_the_old_ones_stay_until_told(
    invoker: Invoker,
):
    host = invoker.start("Echo", 1, "--reload")
    old = invoker.accept()
    old.ask("slow")
    (invoker.folder / "code" / "echo.py").write_text(CHANGED)
    new = invoker.accept()

    assert new.invoke("pid")["result"] == "changed"
    assert old.receive()["result"] == "finished"
    assert (old.hello["host"], new.hello["host"]) == (host, host)
    assert old.hello["generation"] < new.hello["generation"]
    old.tell_to_leave()
    wait_until(lambda: not psutil.pid_exists(old.hello["pid"]))
    assert psutil.pid_exists(new.hello["pid"])


def test_a_module_that_cannot_be_imported_is_looked_at_again_when_it_changes(invoker: Invoker):
    invoker.start("Broken", 1, "--reload", "--import-retry-s", "600")
    assert "error" in invoker.accept().invoke("pid")
    (invoker.folder / "code" / "broken.py").write_text(CHANGED)

    assert invoker.accept().invoke("pid")["result"] == "changed"


def test_a_host_that_starts_anew_steps_back_only_once(invoker: Invoker):
    host = invoker.start("Echo", 1, "--reload")
    invoker.accept()
    (invoker.folder / "code" / "echo.py").write_text(CHANGED)
    invoker.accept()

    assert psutil.Process(host).nice() == min(19, os.nice(0) + 10)
