"""The function host as an invoker sees it: one socket, frames, processes that come and go."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.frames import FrameReader, decode, encode
from tests.conftest import wait_until

PROJECT = Path(__file__).parents[2]

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layer}
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: echo-function
      Handler: echo.handler
      Runtime: python3.13
      CodeUri: code/
      Timeout: 2
      MemorySize: 256
      Layers: [!Ref Layer]
      Environment: {Variables: {GREETING: hello, OVERRIDDEN: template}}
  Broken:
    Type: AWS::Serverless::Function
    Properties: {Handler: broken.handler, Runtime: python3.13, CodeUri: code/}
"""

HANDLER = """
import datetime, decimal, os, resource, signal, sys, tempfile, time
from from_layer import WORD
from snapshot_restore_py import register_after_restore

print("printed by the import")
IMPORTED_BY = os.getpid()
served = 0
restored_in = []

@register_after_restore
def fail_to_connect():
    raise ConnectionError("not there yet")

@register_after_restore
def connect():
    restored_in.append(os.getpid())

def restored(event, context):
    return restored_in

def environment(event, context):
    return {name: os.environ.get(name) for name in event["names"]}

def pid(event, context):
    global served
    served += 1
    return {"pid": os.getpid(), "imported_by": IMPORTED_BY, "served": served, "word": WORD}

def context(event, context):
    return {
        "id": context.aws_request_id,
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "arn": context.invoked_function_arn,
        "remaining": context.get_remaining_time_in_millis(),
        "trace": os.environ["_X_AMZN_TRACE_ID"],
    }

def late_remaining(event, context):
    signal.setitimer(signal.ITIMER_REAL, 0)
    time.sleep(0.4)
    return context.get_remaining_time_in_millis()

def say(event, context):
    print("said", event["word"])

def flood(event, context):
    print("x" * 1_000_000)

def fail(event, context):
    raise ValueError("no such thing")

def leave(event, context):
    os._exit(3)

def hang(event, context):
    time.sleep(60)

def hang_disarmed(event, context):
    signal.setitimer(signal.ITIMER_REAL, 0)
    time.sleep(60)

def slow(event, context):
    time.sleep(0.5)
    return "finished"

def open_files(event, context):
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

def temporary(event, context):
    return tempfile.gettempdir()

def returned(event, context):
    return {
        "decimal": lambda: {"whole": decimal.Decimal("12"), "part": decimal.Decimal("1.50")},
        "none": lambda: None,
        "text": lambda: "ä ☂",
        "bytes": lambda: b'{"raw": true}',
        "nan": lambda: float("nan"),
        "object": object,
        "date": lambda: datetime.date(2026, 1, 1),
        "large": lambda: "x" * 6_291_555,
    }[event["kind"]]()

def handler(event, context):
    return globals()[event["do"]](event, context)
"""


class Peer:
    """One environment's connection, as the gateway would hold it."""

    def __init__(self, stream: socket.socket) -> None:
        stream.settimeout(10)
        self.stream = stream
        self.hello = self.receive()

    def receive(self) -> dict[str, Any]:
        reader = FrameReader()
        while chunk := self.stream.recv(65536):
            if payloads := reader.feed(chunk):
                return decode(payloads[0])
        raise EOFError

    def ask(self, do: str, *, within_s: float = 5.0, **event: Any) -> None:
        deadline_ms = int((time.time() + within_s) * 1000)
        invocation = {"id": "request-1", "deadline_ms": deadline_ms, "trace": "Root=1-2-3"}
        self.stream.sendall(encode({**invocation, "event": {"do": do, **event}}))

    def invoke(self, do: str, *, within_s: float = 5.0, **event: Any) -> dict[str, Any]:
        self.ask(do, within_s=within_s, **event)
        return self.receive()


class Invoker:
    """Listens where environments dial in, and runs hosts that dial there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts: list[subprocess.Popen[bytes]] = []
        self.peers: list[Peer] = []
        self.address = str(folder / "s")
        self.listen()

    def listen(self) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.settimeout(10)
        self.listener.bind(self.address)
        self.listener.listen()

    def accept(self) -> Peer:
        stream, _ = self.listener.accept()
        self.peers.append(Peer(stream))
        return self.peers[-1]

    def start(self, function: str = "Echo", environments: int = 1, *arguments: str) -> int:
        command = [
            *(sys.executable, "-m", "local.host", "--template", "template.yaml"),
            *("--function", function, "--connect", f"unix:{self.address}"),
            *("--environments", str(environments), "--state", "state"),
            *arguments,
        ]
        with self.log.open("ab") as log:
            host = subprocess.Popen(
                command,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(PROJECT), "OVERRIDDEN": "host"},
            )
        self.hosts.append(host)
        return host.pid

    @property
    def log(self) -> Path:
        return self.folder / "host.log"

    def close(self) -> None:
        for host in self.hosts:
            host.kill()
            host.wait(timeout=10)
        for peer in self.peers:
            peer.stream.close()
        self.listener.close()


@pytest.fixture
def invoker(tmp_path: Path) -> Iterator[Invoker]:
    (tmp_path / "code").mkdir()
    (tmp_path / "layer" / "python").mkdir(parents=True)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "code" / "echo.py").write_text(HANDLER)
    (tmp_path / "code" / "broken.py").write_text("import there_is_no_such_module\n")
    (tmp_path / "layer" / "python" / "from_layer.py").write_text("WORD = 'layered'\n")
    invoker = Invoker(tmp_path)
    yield invoker
    invoker.close()


@pytest.fixture
def peer(invoker: Invoker) -> Peer:
    invoker.start()
    return invoker.accept()


def gone(pid: int) -> Callable[[], bool]:
    return lambda: not psutil.pid_exists(pid)


def test_an_environment_says_hello_and_answers_one_event_after_another(peer: Peer):
    first, second = peer.invoke("pid"), peer.invoke("pid")

    assert peer.hello["hello"] == 1
    assert peer.hello["function"] == "Echo"
    assert peer.hello["init_ms"] > 0
    assert first["id"] == "request-1"
    assert first["result"]["pid"] == second["result"]["pid"] == peer.hello["pid"]
    assert (first["result"]["served"], second["result"]["served"]) == (1, 2)
    assert first["duration_ms"] >= 0
    assert first["max_memory_mb"] > 1


def test_environments_share_one_import_and_a_layer_is_on_the_path(invoker: Invoker):
    host = invoker.start(environments=2)
    results = [invoker.accept().invoke("pid")["result"] for _ in range(2)]

    assert results[0]["pid"] != results[1]["pid"]
    assert [result["imported_by"] for result in results] == [host, host]
    assert results[0]["word"] == "layered"


def test_hooks_after_a_restore_run_in_every_environment_and_one_that_fails_stops_nobody(
    invoker: Invoker,
):
    invoker.start(environments=2)
    peers = [invoker.accept() for _ in range(2)]

    for peer in peers:
        assert peer.invoke("restored")["result"] == [peer.hello["pid"]]
    assert "echo.fail_to_connect failed after the fork: not there yet" in invoker.log.read_text()


def test_an_environment_steps_back_behind_the_servers_it_calls(peer: Peer):
    assert psutil.Process(peer.hello["pid"]).nice() == min(19, os.nice(0) + 10)


def test_the_environment_is_lambdas_and_the_hosts_own_variables_win(peer: Peer):
    names = [
        "GREETING",
        "OVERRIDDEN",
        "AWS_LAMBDA_FUNCTION_NAME",
        "_HANDLER",
        "TZ",
        "AWS_SAM_LOCAL",
    ]
    names += ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_REGION"]

    assert peer.invoke("environment", names=names)["result"] == {
        "GREETING": "hello",
        "OVERRIDDEN": "host",
        "AWS_LAMBDA_FUNCTION_NAME": "echo-function",
        "_HANDLER": "echo.handler",
        "TZ": ":UTC",
        "AWS_SAM_LOCAL": "true",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_REGION": "us-east-1",
    }


def test_the_context_is_lambdas(peer: Peer):
    context = peer.invoke("context", within_s=10)["result"]

    assert 5_000 < context.pop("remaining") <= 10_000
    assert context == {
        "id": "request-1",
        "name": "echo-function",
        "memory": "256",
        "arn": "arn:aws:lambda:us-east-1:000000000000:function:echo-function",
        "trace": "Root=1-2-3",
    }


def test_the_remaining_time_is_never_negative(peer: Peer):
    assert peer.invoke("late_remaining", within_s=0.3)["result"] == 0


def test_a_handler_may_open_as_many_files_as_on_lambda(peer: Peer):
    assert peer.invoke("open_files")["result"] == 1024


def test_what_the_handler_prints_comes_with_its_answer_and_what_the_import_printed_does_not(
    peer: Peer, invoker: Invoker
):
    assert peer.invoke("say", word="one")["stdout"] == "said one\n"
    assert peer.invoke("pid")["stdout"] == ""
    assert peer.invoke("say", word="ü")["stdout"] == "said ü\n"
    assert "printed by the import" in invoker.log.read_text()


def test_output_beyond_the_bound_is_cut_and_said_so(peer: Peer):
    printed = peer.invoke("flood")["stdout"]

    assert len(printed) < 300_000
    assert printed.endswith("more bytes of output were cut]\n")
    assert peer.invoke("say", word="after")["stdout"] == "said after\n"


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        ("decimal", {"whole": 12, "part": 1.5}),
        ("none", None),
        ("text", "ä ☂"),
        ("bytes", {"raw": True}),
    ],
)
def test_a_result_is_encoded_as_lambda_does(peer: Peer, kind: str, result: Any):
    assert peer.invoke("returned", kind=kind)["result"] == result


@pytest.mark.parametrize("kind", ["nan", "object", "date"])
def test_a_result_that_is_no_json_is_a_marshal_error_and_the_environment_lives_on(
    peer: Peer, kind: str
):
    answer = peer.invoke("returned", kind=kind)

    assert answer["error"]["errorType"] == "Runtime.MarshalError"
    assert "result" not in answer
    assert peer.invoke("pid")["result"]["served"] == 1


def test_a_result_over_six_megabytes_is_refused_with_lambdas_error(peer: Peer):
    error = peer.invoke("returned", kind="large")["error"]

    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert "6291556 bytes" in error["errorMessage"]


def test_an_exception_is_answered_with_its_trace_and_logged(peer: Peer, invoker: Invoker):
    error = peer.invoke("fail")["error"]

    assert error["errorType"] == "ValueError"
    assert error["errorMessage"] == "no such thing"
    assert error["requestId"] == "request-1"
    assert error["stackTrace"][0].startswith(f'  File "{invoker.folder}/code/echo.py"')
    assert "[ERROR] ValueError: no such thing" in invoker.log.read_text()


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


def test_the_temporary_directory_outlives_the_process(invoker: Invoker):
    invoker.start(environments=2)
    first, other = invoker.accept(), invoker.accept()
    directory = first.invoke("temporary")["result"]
    first.ask("hang", within_s=0.1)
    successor = invoker.accept()

    assert successor.invoke("temporary")["result"] == directory
    assert other.invoke("temporary")["result"] != directory


def test_a_handler_that_cannot_be_imported_fails_every_event_by_name(invoker: Invoker):
    invoker.start("Broken")
    peer = invoker.accept()
    errors = [peer.invoke("pid")["error"] for _ in range(2)]

    assert errors[0] == errors[1]
    assert errors[0]["errorType"] == "Runtime.ImportModuleError"
    assert "No module named 'there_is_no_such_module'" in errors[0]["errorMessage"]
    assert "Traceback" in invoker.log.read_text()


def test_a_repaired_handler_is_found_without_a_restart_by_hand(invoker: Invoker):
    host = invoker.start("Broken", 1, "--import-retry-s", "0.3")
    invoker.accept()
    (invoker.folder / "code" / "broken.py").write_text("def handler(event, context): return 1\n")

    wait_until(lambda: "result" in invoker.accept().invoke("pid"))
    assert invoker.hosts[0].pid == host
    assert invoker.hosts[0].poll() is None


def test_a_terminated_host_lets_the_event_in_hand_finish_and_leaves_nobody(invoker: Invoker):
    invoker.start(environments=2)
    busy, idle = invoker.accept(), invoker.accept()
    busy.ask("slow")
    invoker.hosts[0].send_signal(signal.SIGTERM)

    assert busy.receive()["result"] == "finished"
    assert invoker.hosts[0].wait(timeout=5) == 0
    assert gone(busy.hello["pid"])()
    assert gone(idle.hello["pid"])()


def test_an_event_that_arrived_with_the_signal_is_still_served(invoker: Invoker, peer: Peer):
    process = psutil.Process(peer.hello["pid"])
    process.suspend()
    peer.ask("pid")
    process.terminate()
    process.resume()

    assert peer.receive()["result"]["pid"] == peer.hello["pid"]


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
