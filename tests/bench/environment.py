"""CPU of an execution environment per event: `python tests/bench/environment.py [events]`.

A null handler, an event of ordinary size, one environment over a unix socket. Prints the
environment's own user and system time per event, and what bare receive and send cost beside it.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson
import psutil

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT))

from local.runtime.frames import FrameReader, encode  # noqa: E402

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Empty:
    Type: AWS::Serverless::Function
    Properties: {Handler: empty.handler, Runtime: python3.13, CodeUri: .}
"""
HANDLER = """
ANSWER = {"statusCode": 201, "headers": {"Content-Type": "application/json"},
          "multiValueHeaders": {}, "body": '{"id":"pay_1","status":"processing"}' * 8}

def handler(event, context):
    return ANSWER
"""
HEADERS = {f"X-Header-{number}": "value of ordinary length" for number in range(12)}
EVENT = {
    "resource": "/v1/payments",
    "httpMethod": "POST",
    "headers": HEADERS,
    "multiValueHeaders": {name: [value] for name, value in HEADERS.items()},
    "requestContext": {"requestId": "4cbd5d6c", "identity": dict.fromkeys("abcdefghijklm")},
    "body": orjson.dumps({"amount": 1000, "currency": "EUR", "metadata": HEADERS}).decode(),
}


def exchange(stream: socket.socket, events: int) -> None:
    reader = FrameReader()
    for number in range(events):
        deadline_ms = int(time.time() * 1000) + 3000
        stream.sendall(encode({"id": str(number), "deadline_ms": deadline_ms, "event": EVENT}))
        while not reader.feed(stream.recv(65536)):
            pass


def echo(events: int) -> float:
    """Return the seconds of CPU that bare reads and writes of the same sizes take."""
    ours, theirs = socket.socketpair()
    if not (pid := os.fork()):
        ours.close()
        answer = bytes(600)
        while theirs.recv(65536):
            theirs.sendall(answer)
        os._exit(0)
    theirs.close()
    question = encode({"id": "1", "deadline_ms": 1, "event": EVENT})
    for _ in range(events):
        ours.sendall(question)
        ours.recv(65536)
    ours.close()
    _, _, usage = os.wait4(pid, 0)
    return usage.ru_utime + usage.ru_stime


def main(events: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "template.yaml").write_text(TEMPLATE)
        Path(folder, "empty.py").write_text(HANDLER)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{folder}/s")
        listener.listen()
        command = [
            sys.executable,
            "-m",
            "local.runtime.host",
            "--template",
            f"{folder}/template.yaml",
        ]
        command += ["--function", "Empty", "--connect", f"unix:{folder}/s", "--environments", "1"]
        host = subprocess.Popen(command, cwd=PROJECT)
        stream, _ = listener.accept()
        stream.recv(65536)
        (environment,) = psutil.Process(host.pid).children()
        exchange(stream, events // 10)
        before = environment.cpu_times()
        exchange(stream, events)
        after = environment.cpu_times()
        user_us = (after.user - before.user) / events * 1e6
        system_us = (after.system - before.system) / events * 1e6
        host.terminate()
        host.wait()
    bare_us = echo(events) / events * 1e6
    sys.stdout.write(f"user {user_us:.1f} us, system {system_us:.1f} us an event;")
    sys.stdout.write(f" bare receive and send {bare_us:.1f} us\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
