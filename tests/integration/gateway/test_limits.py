"""Limits: too many requests, bytes and clients are refused."""

import socket
import threading

import pytest

from tests.conftest import wait_until
from tests.integration.gateway.pages import PAGES
from tests.integration.gateway_process import GatewayProcess, finish, ok, read_response, start

ONE = b"GET /pages/one HTTP/1.1\r\nHost: a\r\n\r\n"


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


PUBLIC = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Front:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      CodeUri: functions/
      Handler: app.front
      Timeout: 20
      Events:
        Health: {Type: Api, Properties: {Method: GET, Path: /health}}
        Token: {Type: Api, Properties: {Method: GET, Path: /token}}
"""


@pytest.fixture
def flooded(tmp_path):
    """Yield a gateway whose account runs three events, with three requests for tokens in flight."""
    release = threading.Event()
    with GatewayProcess(tmp_path, PUBLIC, "--account-concurrency", "3") as process:
        process.environment("Front", lambda frame: ok(frame) if release.wait(10) else {"die": True})
        clients = [start(process, "/token") for _ in range(3)]
        wait_until(lambda: process.metric("gateway_inflight") == 3)
        yield process, release
        release.set()
        for client in clients:
            client.close()


def test_a_public_route_has_a_slot_of_its_own_and_goes_first(flooded):
    gateway, release = flooded
    health = start(gateway, "/health")
    wait_until(lambda: gateway.metric("gateway_inflight") == 4)
    release.set()

    assert finish(health) == 200
    wait_until(lambda: len(gateway.environments[0].events) == 4)
    paths = [event["path"] for event in gateway.environments[0].events]
    assert paths == ["/token", "/health", "/token", "/token"]


def test_a_flood_of_one_public_route_is_bounded_by_the_account(flooded):
    gateway, _ = flooded
    health = start(gateway, "/health")
    wait_until(lambda: gateway.metric("gateway_inflight") == 4)

    assert finish(start(gateway, "/token")) == 500
    assert finish(start(gateway, "/health")) == 500
    health.close()


@pytest.fixture
def small(tmp_path):
    """Yield a gateway that takes four clients, and three from one address."""
    gateway = GatewayProcess(tmp_path, PAGES)
    limit = 'ulimit -n 516; exec "$@"'  # 512 are reserved
    gateway.command = ["sh", "-c", limit, "sh", *gateway.command]
    with gateway:
        yield gateway


@pytest.fixture
def busy(small):
    """Yield an event; until it is set, the requests of three clients are in hand."""
    release = threading.Event()
    small.environment("Pages", lambda frame: ok(frame) if release.wait(10) else {"die": True})
    clients = [socket.create_connection(("127.0.0.1", small.port), 10) for _ in range(3)]
    for client in clients:
        client.sendall(ONE)
    wait_until(lambda: small.metric("gateway_inflight") == 3)
    yield release
    release.set()
    for client in clients:
        client.close()


def test_clients_over_the_limit_are_told_so_and_others_are_served(small, busy):
    refused = small.raw(ONE)
    busy.set()

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1" in refused
    wait_until(lambda: small.request("GET", "/pages/one").status == 200)


def test_an_address_that_holds_its_share_leaves_room_for_others(small, busy):
    address = ("127.0.0.1", small.port)
    with socket.create_connection(address, 10) as greedy:
        greedy.sendall(b"GET ")  # it would be no idle connection if there were room
        assert small.metric("gateway_inflight") == 3  # and the gateway has read it
        client = socket.create_connection(address, 10, ("127.0.0.2", 0))
        assert small.metric("gateway_inflight") == 3  # and it has seen that one as well
    with client:
        busy.set()
        wait_until(lambda: small.metric("gateway_inflight") == 0)
        client.sendall(ONE)

        assert b"HTTP/1.1 200 " in read_response(client)[0]


def test_idle_connections_are_closed_when_room_is_needed_oldest_first(small):
    small.environment("Pages", ok)
    idle = [socket.create_connection(("127.0.0.1", small.port), 10) for _ in range(3)]
    idle[0].sendall(ONE)
    read_response(idle[0])  # now it is the one that was idle last

    assert small.request("GET", "/pages/one").status == 200
    assert idle[1].recv(1) == b""
    idle[0].sendall(ONE)
    assert b"HTTP/1.1 200 " in read_response(idle[0])[0]
    for client in idle:
        client.close()


def test_many_idle_connections_refuse_nobody(small):
    small.environment("Pages", ok)
    idle = [socket.create_connection(("127.0.0.1", small.port), 10) for _ in range(50)]

    assert small.request("GET", "/pages/one").status == 200
    for client in idle:
        client.close()
