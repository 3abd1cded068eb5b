"""The provider's HTTP: what is no request, many at once, and connections at the end."""

import asyncio
import json
import signal
import socket
import time

import pytest

from local.simulators.exchange import server_of
from tests.conftest import wait_until
from tests.integration.outside.clock import first_line_after
from tests.integration.outside.processes import ORDER, Provider


@pytest.mark.parametrize(
    ("method", "path", "refusal"),
    [
        ("GET", "/nothing", (404, "not_found")),
        ("DELETE", "/charges", (405, "method_not_allowed")),
        ("POST", "/charges", (415, "unsupported_media_type")),
        ("GET", "/charges?limit=0", (400, "invalid_query")),
        ("GET", "/charges?limit=1001", (400, "invalid_query")),
        ("GET", "/charges?after=-1", (400, "invalid_query")),
        ("GET", "/charges?after=1&after=2", (400, "invalid_query")),
        ("GET", "/charges?offset=1", (400, "invalid_query")),
    ],
)
def test_a_request_without_a_route_is_refused(
    shared: Provider, method: str, path: str, refusal: tuple[int, str]
) -> None:
    status, problem, _ = shared.request(method, path, b"{}", idempotency_key="k")

    assert (status, problem["code"]) == refusal


def test_a_body_too_large_is_answered_413(shared: Provider) -> None:
    status, problem, headers = shared.request(
        "POST", "/charges", b" " * 70_000, idempotency_key="k", content_type="application/json"
    )

    assert (status, problem["code"]) == (413, "request_too_large")
    assert headers["Connection"] == "close"


def test_a_header_that_never_ends_is_answered_413(shared: Provider) -> None:
    answer = _exchange(shared.http_port, b"GET /health HTTP/1.1\r\nx: " + b"y" * 200_000)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_what_is_not_http_is_answered_400(shared: Provider) -> None:
    assert _exchange(shared.http_port, b"HELLO\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_pipelined_requests_are_answered_in_their_order(provider: Provider) -> None:
    requests = b"".join(_request(f"k{number}") for number in range(300))
    answers = _exchange(
        provider.http_port, requests + b"GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    )

    places = [answers.find(f'"idempotency_key":"k{number}"'.encode()) for number in range(300)]
    assert min(places) > 0
    assert places == sorted(places)
    assert answers.count(b"HTTP/1.1 200 OK") == 300
    assert answers.count(b"HTTP/1.1 404 ") == 1


def test_a_client_that_pipelines_without_end_is_not_read_any_further(stopped: Provider) -> None:
    stopped.start("--latency-ms", "5000")
    more_than_kernels_buffer = 4000 * (b"GET /" + b"x" * 8000 + b" HTTP/1.1\r\nhost: a\r\n\r\n")
    with socket.create_connection(("127.0.0.1", stopped.http_port)) as client:
        client.sendall(_request("k"))
        client.settimeout(3)
        with pytest.raises(TimeoutError):
            client.sendall(more_than_kernels_buffer)


def test_sigterm_lets_a_charge_in_progress_finish(stopped: Provider) -> None:
    stopped.start("--latency-ms", "500")
    request = _request("k") + b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"
    address = ("127.0.0.1", stopped.http_port)
    with socket.create_connection(address), socket.create_connection(address) as client:
        client.sendall(request)
        wait_until(lambda: stopped.charge("k")[0] == 409)
        code, _ = stopped.stop()
        answers = _read(client)

    assert code == 0
    assert answers.startswith(b"HTTP/1.1 200 OK")
    assert b"Connection: close" in answers
    assert answers.count(b"HTTP/1.1") == 1


def test_a_second_sigterm_does_not_wait(stopped: Provider) -> None:
    stopped.start("--latency-ms", "4000")
    process = stopped.process
    assert process is not None
    with socket.create_connection(("127.0.0.1", stopped.http_port)) as client:
        client.sendall(_request("k"))
        wait_until(lambda: stopped.charge("k")[0] == 409)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not stopped.answers())
        started = time.monotonic()
        code, _ = stopped.stop()

    assert code == 0
    assert time.monotonic() - started < 2
    assert stopped.journal.read_text() == ""


def test_a_client_that_leaves_before_its_answer_has_been_charged(stopped: Provider) -> None:
    stopped.start("--latency-ms", "300")
    with socket.create_connection(("127.0.0.1", stopped.http_port)) as client:
        client.sendall(_request("k"))
        wait_until(lambda: stopped.charge("k")[0] == 409)

    assert wait_until(lambda: stopped.charge("k")[0] == 200)
    assert "Traceback" not in stopped.stop()[1]


@pytest.mark.parametrize(
    ("sent", "later_s", "answer"),
    [
        (b"GET /health HT", 9, None),
        (b"GET /health HT", 11, b"HTTP/1.1 408 Request Timeout"),
        (b"", 74, None),
        (b"", 76, b""),
    ],
)
def test_a_connection_that_keeps_the_server_waiting_is_ended(
    sent: bytes, later_s: float, answer: bytes | None
) -> None:
    server = server_of(lambda exchange: None)
    answered = asyncio.run(first_line_after(server.connection, server.connections, sent, later_s))

    assert answered == answer


def _request(key: str) -> bytes:
    body = json.dumps(ORDER).encode()
    head = f"idempotency-key: {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    return (
        b"POST /charges HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        + head.encode()
        + body
    )


def _exchange(port: int, request: bytes) -> bytes:
    """Send bytes and give everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request)
        return _read(client)


def _read(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))
