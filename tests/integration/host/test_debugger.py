"""A debugger that attaches to the environment of a function."""

from pathlib import Path

from tests.conftest import free_port, wait_until
from tests.integration.debug_adapter import Editor
from tests.integration.host.function import HANDLER
from tests.integration.host.invoker import Invoker, Peer

START_S = 30  # the debugger's own process starts before the environment dials in
STOPS_AT = HANDLER.splitlines().index('    return globals()[event["do"]](event, context)') + 1


def debugged(invoker: Invoker) -> tuple[Peer, Editor]:
    """Return an environment, and an editor that is attached to it with a breakpoint."""
    port = free_port()
    invoker.listener.settimeout(START_S)
    invoker.start("Echo", 1, "--debug", "Echo", "--debug-port", str(port))
    peer = invoker.accept()
    editor = Editor(port)
    editor.attach((invoker.folder / "code" / "echo.py", STOPS_AT))
    return peer, editor


def test_an_editor_stops_at_a_line_reads_a_variable_and_lets_the_event_go_on(invoker: Invoker):
    peer, editor = debugged(invoker)
    peer.ask("say", word="hello")
    thread = editor.event("stopped")["threadId"]
    variables = editor.variables(thread)
    editor.request("continue", threadId=thread)
    answer = peer.receive()
    editor.request("disconnect")
    editor.close()

    assert variables["event"] == "{'do': 'say', 'word': 'hello'}"
    assert answer["stdout"] == "said hello\n"
    assert "said hello\n" in invoker.log.read_text()
    assert peer.invoke("say", word="more")["stdout"] == "said more\n"


def test_a_debugger_that_never_detaches_does_not_keep_the_host_from_its_end(invoker: Invoker):
    peer, editor = debugged(invoker)
    peer.ask("pid")
    editor.event("stopped")
    (host,) = invoker.hosts
    host.terminate()

    assert host.wait(timeout=START_S) == 0
    wait_until(lambda: not Path(f"/proc/{peer.hello['pid']}").exists())
    editor.close()
