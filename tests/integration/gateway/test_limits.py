"""What is too much is refused: requests, bytes and clients."""

import socket

import pytest

from tests.conftest import wait_until
from tests.integration.gateway.pages import PAGES
from tests.integration.gateway_process import GatewayProcess, ok, read_response


@pytest.mark.row("1.35", "1.60")
def test_a_throttled_method_is_429(gateway):
    gateway.environment("Pages", ok)

    answers = [gateway.request("GET", "/rare") for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].json == {"message": "Too Many Requests"}
    assert answers[2].headers["Retry-After"] == "1"


@pytest.mark.row("1.34")
def test_a_body_over_ten_megabytes_is_413(shared):
    head = b"POST /pages/one HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"

    answer = shared.raw(head % (10_485_760 + 1))

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'{"message":"Request Too Long"}' in answer


@pytest.mark.row("1.34")
def test_a_chunked_body_over_ten_megabytes_is_413(shared):
    """Without the length being announced."""
    head = b"POST /pages/one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"

    assert shared.raw(head + chunk * 11).startswith(b"HTTP/1.1 413 ")


@pytest.mark.row("1.38")
def test_an_event_over_six_megabytes_is_413(shared):
    """Escaped, the body of 4 MB is 8 MB."""
    answer = shared.request("POST", "/pages/one", b"\n" * 4_000_000)

    assert answer.status == 413
    assert answer.headers["x-amzn-ErrorType"] == "RequestTooLargeException"


@pytest.mark.row("1.37")
def test_headers_over_10240_bytes_are_413(shared):
    fits = shared.request("GET", "/pages/one", headers={"X-Long": "x" * 10_100})
    too_long = shared.request("GET", "/pages/one", headers={"X-Long": "x" * 10_240})

    assert (fits.status, too_long.status) == (200, 413)


def test_clients_over_the_limit_are_told_so_and_others_are_served(tmp_path):
    gateway = GatewayProcess(tmp_path, PAGES)
    limit = 'ulimit -n 514; exec "$@"'  # 512 are reserved, which leaves two for clients
    gateway.command = ["sh", "-c", limit, "sh", *gateway.command]
    with gateway:
        gateway.environment("Pages", ok)
        kept = [socket.create_connection(("127.0.0.1", gateway.port), 10) for _ in range(2)]
        for client in kept:
            client.sendall(b"GET /pages/one HTTP/1.1\r\nHost: a\r\n\r\n")
            read_response(client)

        refused = gateway.raw(b"GET /pages/one HTTP/1.1\r\nHost: a\r\n\r\n")
        for client in kept:
            client.close()

        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1" in refused
        wait_until(lambda: gateway.request("GET", "/pages/one").status == 200)
