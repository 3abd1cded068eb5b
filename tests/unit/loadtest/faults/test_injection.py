"""The faults of a run on a process of the test; a console lists it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from loadtest.faults.grammar import parse
from loadtest.faults.injection import Injection
from tests.threaded_server import ThreadedServer

# A load run's sockets are gevent's, so that faults of one moment ask the console at the same time.
TWO_PAUSES = """
from gevent import monkey

monkey.patch_all()

import sys
import time

from loadtest.faults.grammar import parse
from loadtest.faults.injection import Injection

injection = Injection(parse("pause sleeper 1s at 0s;" * 2, 60), sys.argv[1])
began_s = time.monotonic()
injection.start(lambda: time.monotonic() - began_s)
for each in injection.finish(0.5):
    print(each.happened, each.sentence)
"""


@pytest.fixture
def sleeper() -> Iterator[int]:
    process = subprocess.Popen(["sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


@pytest.fixture
def console(sleeper: int) -> Iterator[str]:
    class Console(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listed = [{"name": "sleeper", "pid": sleeper, "state": "running", "cpu_s": 0.0}]
            body = json.dumps({"processes": listed}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None: ...

    with ThreadedServer(Console) as server:
        yield server.url


def test_of_equal_faults_each_has_an_end_of_its_own(console: str):
    ran = subprocess.run(
        [sys.executable, "-c", TWO_PAUSES, console],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert ran.stdout.splitlines() == [
        "True sleeper stood still for 1 s",
        "False sleeper did not stand still for 1 s",
    ]


def test_a_fault_that_was_to_come_after_the_end_did_not_happen(console: str):
    injection = Injection(parse("kill sleeper at 50s", 60), console)
    injection.start(lambda: 0.0)
    (end,) = injection.finish(0.0)

    assert (end.happened, end.sentence) == (False, "the run was over before")
