"""A function that somebody steps through, while the others go on."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from local.machine.requested import FIRST_METRICS_PORT
from local.machine.stores import listens
from tests.conftest import free_port, wait_until
from tests.integration.debug_adapter import Editor
from tests.integration.other_templates.conftest import CopiedProject

PORT = free_port()


@pytest.fixture(scope="module")
def orders(
    copied: Callable[[str], CopiedProject], tmp_path_factory: pytest.TempPathFactory
) -> CopiedProject:
    orders = copied("orders")
    folder: Path = tmp_path_factory.mktemp("kept")
    debugging = ("--debug", "Keeper", "--debug-port", str(PORT))
    del orders.ports["WORKER_0"]
    with socket.socket() as other:
        with suppress(OSError):  # it is another's already
            other.bind(("127.0.0.1", FIRST_METRICS_PORT))
        up = orders.run("up", "--parameter", f"Folder={folder}", "--workers", "1", *debugging)
    assert up.returncode == 0, up.stderr
    assert f"http://127.0.0.1:{FIRST_METRICS_PORT}/metrics" not in up.stdout
    assert f"Keeper      debugpy://127.0.0.1:{PORT}" in up.stdout
    return orders


@contextmanager
def editor_at(orders: CopiedProject, text: str, port: int) -> Iterator[Editor]:
    """An editor that is attached, with a breakpoint at a line of the orders' code."""
    path = orders.folder / "src" / "orders.py"
    line = next(n for n, each in enumerate(path.read_text().splitlines(), 1) if text in each)
    editor = Editor(port)
    editor.attach((path, line))
    yield editor
    editor.close()


def test_a_message_stops_in_the_one_environment_of_its_function_and_others_go_on(
    orders: CopiedProject,
):
    with editor_at(orders, "order.get", PORT) as editor:
        orders.request("POST", "/orders", {"id": "a", "step": 1})
        thread = editor.event("stopped")["threadId"]
        variables = editor.variables(thread)
        others = orders.request("GET", "/orders/a")[0]
        saved = orders.run("state", "save", "now")
        editor.request("continue", threadId=thread)
        editor.request("disconnect")
    orders.run("send", "orders-dev", "{}")
    orders.run("send", "steps-dev.fifo", '{"id": "b", "step": 2}', "--group", "all")

    assert variables["order"] == "{'id': 'a', 'step': 1}"
    assert others == 404
    assert (saved.returncode, saved.stderr.count("stop it with")) == (2, 1)
    wait_until(lambda: orders.request("GET", "/orders/a")[0] == 200)
    wait_until(lambda: orders.request("GET", "/orders/b")[0] == 200)
    wait_until(lambda: "KeyError: 'id'" in orders.run("queues", "orders-dev").stdout)


def test_an_event_waits_for_an_editor_in_an_environment_of_its_own(orders: CopiedProject):
    event, port = orders.folder / "event.json", free_port()
    event.write_text('{"pathParameters": {"id": "nobody"}}')
    options = ("Shower", "--event", str(event), "--debug", "--debug-port", str(port))
    with ThreadPoolExecutor() as terminal:
        invoking = terminal.submit(orders.run, "invoke", *options)
        with editor_at(orders, "is_file", port) as editor:
            thread = editor.event("stopped")["threadId"]
            variables = editor.variables(thread)
            editor.send("continue", threadId=thread)  # its process ends with it
            invoked = invoking.result()

    assert variables["path"].endswith("/nobody')")
    assert f"Shower waits for a debugger at 127.0.0.1:{port}" in invoked.stderr
    assert json.loads(invoked.stdout)["statusCode"] == 404


def test_a_debugger_that_never_detaches_does_not_stop_the_end(orders: CopiedProject):
    with editor_at(orders, "order.get", PORT) as editor:
        orders.request("POST", "/orders", {"id": "c", "step": 1})
        editor.event("stopped")
        down = orders.run("down")

    assert (down.returncode, down.stdout) == (0, "stopped\n")
    assert not listens(PORT)
    assert orders.run("state", "save", "then").returncode == 0
    assert "then" in orders.run("state", "list").stdout
