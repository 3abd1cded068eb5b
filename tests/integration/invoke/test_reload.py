"""Code that changes under load is picked up, and no event is dropped."""

import http.client
import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.conftest import wait_until
from tests.integration.gateway_process import GatewayProcess

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Page:
    Type: AWS::Serverless::Function
    Metadata: {Spillway: {Environments: 2}}
    Properties: {Handler: page.handler, Runtime: python3.13, CodeUri: functions/}
"""
HANDLER = """
from words import WORD

def handler(event, context):
    return WORD
"""
CALLERS = 8
RATE_PER_S = 200  # of all callers together
CHANGES = 2
PATH = "/2015-03-31/functions/Page/invocations"


def write(folder: Path, word: str) -> None:
    """Replace a module, as editors do."""
    unfinished = folder / "functions" / "words.new"
    unfinished.write_text(f"WORD = {word!r}\n")
    unfinished.replace(folder / "functions" / "words.py")


def call(port: int, answers: Counter[tuple[int, bytes]], stop: threading.Event) -> None:
    """Invoke at a steady rate on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    due_s = time.monotonic()
    while not stop.wait(max(0.0, due_s - time.monotonic())):
        connection.request("POST", PATH, b"{}")
        answer = connection.getresponse()
        answers[answer.status, answer.read()] += 1
        due_s += CALLERS / RATE_PER_S
    connection.close()


def often(answers: Counter[tuple[int, bytes]], number: int) -> bool:
    return answers[200, b'"word %d"' % number] >= RATE_PER_S / 2


def test_no_event_is_dropped_at_200_a_second_while_the_code_changes(tmp_path: Path):
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "page.py").write_text(HANDLER)
    write(tmp_path, "word 0")
    answers: Counter[tuple[int, bytes]] = Counter()
    stop = threading.Event()
    variables = {**os.environ, "RELOAD": "1"}
    with (
        GatewayProcess(tmp_path, TEMPLATE, variables=variables) as gateway,
        ThreadPoolExecutor(CALLERS) as callers,
    ):
        calling = [callers.submit(call, gateway.invoke_port, answers, stop) for _ in range(CALLERS)]
        try:
            wait_until(partial(often, answers, 0))
            for number in range(1, CHANGES + 1):
                write(tmp_path, f"word {number}")
                wait_until(partial(often, answers, number))
        finally:
            stop.set()
        for each in calling:
            each.result()

    assert set(answers) == {(200, b'"word %d"' % number) for number in range(CHANGES + 1)}
