"""Clients that are slow, stop in the middle or never read: answered, and closed in time."""

import itertools
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.integration.gateway.pages import PAGES
from tests.integration.gateway_process import GatewayProcess, ok, read_all, read_response

GET = b"GET /pages/%d HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"POST /pages/one HTTP/1.1\r\nHost: a\r\n"
BODY = HEAD + b"Content-Length: 1000000\r\n\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
COUNTED = 'gateway_requests_total{function="Pages",method="GET",route="/pages/{name}",status="200"}'

# The gateway looks twice a second, so an end comes at most so long after its deadline.
LATE_S = 2.0


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    deadlines = [("head", 300), ("body", 600), ("idle", 900), ("write", 300)]
    options = [f"--{name}-deadline-ms={length}" for name, length in deadlines]
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), PAGES, *options) as process:
        process.environment("Pages", answer_of)
        yield process


def answer_of(frame: dict[str, Any]) -> dict[str, Any]:
    """Return a handler that answers what it got, or as many bytes as the path says."""
    size = frame["event"]["pathParameters"]["name"]
    return {"result": {"statusCode": 200, "body": "x" * int(size)}} if size.isdigit() else ok(frame)


def connect(gateway: GatewayProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), timeout=15)


def trickle(client: socket.socket, piece: bytes, *, reads: bool = True) -> Callable[[], bool]:
    """Return a function that sends a piece and returns whether the gateway has closed."""
    client.setblocking(False)

    def is_closed() -> bool:
        try:
            client.send(piece)
            return reads and not client.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            return True

    return is_closed


@pytest.mark.parametrize(
    ("sent", "deadline_s"),
    [
        (b"GET /pages/one HTTP/1.1\r\nHost: a\r\n", 0.3),
        (b"G", 0.3),
        (BODY + b"abc", 0.6),
        (CHUNKS + b"3\r\nab", 0.6),
    ],
    ids=["a head", "one letter", "a body", "a chunk"],
)
def test_what_stops_in_the_middle_is_408_and_closed(gateway, sent, deadline_s):
    began_s = time.monotonic()
    with connect(gateway) as client:
        client.sendall(sent)
        assert gateway.request("GET", "/pages/other").status == 200
        answer = read_all(client)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in answer
    assert deadline_s <= time.monotonic() - began_s < deadline_s + LATE_S


@pytest.mark.parametrize(
    ("sent", "piece"),
    [
        (b"GET /pages/one HTTP/1.1\r\n", b"X-A: b\r\n"),
        (BODY, b"a"),
        (CHUNKS, b"1\r\na\r\n"),
        (CHUNKS + b"0\r\n", b"X-A: b\r\n"),
    ],
    ids=["headers", "a body", "chunks", "trailers"],
)
def test_what_never_ends_is_closed_however_often_a_piece_comes(gateway, sent, piece):
    began_s = time.monotonic()
    with connect(gateway) as client:
        client.sendall(sent)
        wait_until(trickle(client, piece))

    assert time.monotonic() - began_s < 0.6 + 1 + LATE_S  # a second to read the refusal


def test_a_client_that_says_nothing_is_closed_without_a_word(gateway):
    with connect(gateway) as silent, connect(gateway) as served:
        served.sendall(b"GET /pages/one HTTP/1.1\r\nHost: a\r\n\r\n")
        read_response(served)
        began_s = time.monotonic()

        assert (read_all(silent), read_all(served)) == (b"", b"")
        assert time.monotonic() - began_s < 0.9 + LATE_S


@pytest.mark.parametrize("sent", [b"GET /pages/one HTTP/1.1\r\nHost: a\r\n", BODY + b"abc"])
def test_a_client_that_ends_in_the_middle_is_told_400(gateway, sent):
    with connect(gateway) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)

        answer = read_all(client)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"message": "Bad Request"}


def test_a_client_that_does_not_read_is_cut_and_no_further_request_begun(gateway):
    began = gateway.metric(COUNTED)
    with connect(gateway) as client:
        client.sendall(GET % 500_000 * 200)
        wait_until(trickle(client, b"\r\n", reads=False))

    assert 0 < gateway.metric(COUNTED) - began < 100


def test_a_client_that_does_not_read_gains_no_time_by_asking_more(gateway):
    with connect(gateway) as client:
        client.sendall(GET % 5_000_000)
        wait_until(lambda: client.recv(1, socket.MSG_PEEK))
        began_s = time.monotonic()
        wait_until(trickle(client, GET % 1, reads=False))

    assert time.monotonic() - began_s < 0.3 + LATE_S


def test_a_client_that_reads_late_gets_every_answer_in_order(gateway):
    with connect(gateway) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # so that answers pile up
        client.sendall(GET % 6_000_000 + GET % 1 + b"nonsense\r\n\r\n")
        wait_until(lambda: client.recv(1, socket.MSG_PEEK))
        answer = read_all(client)

    assert re.findall(rb"HTTP/1.1 (\d+) ", answer) == [b"200", b"200", b"400"]


def test_many_slow_clients_keep_nobody_waiting_and_leave_nothing_behind(gateway):
    before = gateway.metric("process_open_fds")
    clients = [connect(gateway) for _ in range(200)]
    for client, sent in zip(clients, itertools.cycle([HEAD, BODY, CHUNKS, b""]), strict=False):
        client.sendall(sent)
    began_s = time.monotonic()
    assert gateway.request("GET", "/pages/one").status == 200
    assert time.monotonic() - began_s < 1
    for client in clients:
        client.close()

    wait_until(lambda: gateway.metric("process_open_fds") <= before)


def test_a_flood_of_trailers_is_cut(gateway):
    flood = b"X-A: " + b"a" * 65_000 + b"\r\n"

    answer = gateway.raw(CHUNKS + b"0\r\n" + flood * 400)

    assert answer.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 "))
