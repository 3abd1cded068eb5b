"""Requests with bytes lost, doubled and put in between: nothing is read where it is in doubt."""

import json
import random
import re
import socket
from collections.abc import Iterator

import pytest

from tests.conftest import wait_until
from tests.integration.gateway.strict_http import RequestParts, strict
from tests.integration.gateway_process import GatewayProcess, ok, read_all

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties: {StageName: prod}
  Pages:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.pages
      Runtime: python3.13
      CodeUri: functions/
      Events:
        Page:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: ANY, Path: "/{proxy+}"}
"""
CLIENTS = 100  # at a time
DAMAGE = [
    *(b"", b"", b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b";", b",", b"0", b"1", b"f", b"x"),
    *(b"+", b"-", b"\0", b"\x0b", b"\x7f", b"\xff", b"0\r\n\r\n", b"X: y\r\n", b"Host: b\r\n"),
    *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
    b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    options = [f"--{name}-deadline-ms=200" for name in ("head", "body", "idle")]
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), TEMPLATE, *options) as process:
        process.environment("Pages", ok)
        yield process


@pytest.mark.parametrize("seed", range(3))
def test_the_function_sees_what_a_strict_reader_sees_or_nothing(gateway, seed):
    chance = random.Random(seed)
    before = gateway.metric("process_open_fds")
    streams = [stream(chance, client) for client in range(CLIENTS)]
    clients = [send(gateway, sent, chance.randrange(len(sent) + 1)) for sent in streams]

    for sent, client in zip(streams, clients, strict=True):
        with client:
            statuses, requests = understood(read_all(client))
        expected = strict(sent)
        refused = statuses[len(requests) :]
        assert requests == expected[: len(requests)], sent
        assert len(refused) <= 1, sent
        assert all(400 <= status < 500 for status in refused), sent
        assert refused or len(requests) == len(expected), sent
    wait_until(lambda: gateway.metric("process_open_fds") <= before)
    assert "Traceback" not in (gateway.folder / "stderr").read_text()


def stream(chance: random.Random, client: int) -> bytes:
    """Return up to three requests of a client, most of them damaged here and there."""
    requests = [request(chance, b"/%d/%d" % (client, n)) for n in range(chance.randint(1, 3))]
    sent = b"".join(requests)
    for _ in range(chance.choice([0, 1, 1, 1, 2, 3])):
        at, lost = chance.randrange(len(sent)), chance.choice([0, 0, 1, 2])
        sent = sent[:at] + chance.choice(DAMAGE) + sent[at + lost :]
    return sent


def request(chance: random.Random, path: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: a\r\n" % path
    body = bytes(chance.choices(b"abc\r\n0 :", k=chance.randint(2, 12)))
    chunks = (body[:1], body[1:])
    return chance.choice(
        [
            b"GET %b?x=1 HTTP/1.1\r\nHost: a\r\n\r\n" % path,
            head + b"Content-Length: %d\r\n\r\n" % len(body) + body,
            head
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + b"".join(b"%x;a\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
            + b"0\r\n\r\n",
        ]
    )


def send(gateway: GatewayProcess, sent: bytes, cut: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", gateway.port), timeout=15)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.sendall(sent[:cut])
    client.sendall(sent[cut:])
    return client


def understood(answer: bytes) -> tuple[list[int], list[RequestParts]]:
    """Return the statuses of all responses, and the requests that the function answered."""
    statuses: list[int] = []
    requests: list[RequestParts] = []
    while answer:
        head, end, answer = answer.partition(b"\r\n\r\n")
        match = re.match(rb"HTTP/1.1 (\d+) [^\r]*(?:\r\n.*)*\r\nContent-Length: (\d+)", head)
        assert end, head
        assert match, head
        length = int(match[2])
        statuses.append(int(match[1]))
        if statuses[-1] == 200:
            event = json.loads(answer[:length])
            path = event["requestContext"]["path"].removeprefix("/prod")
            body = event["body"] or ""
            requests.append((event["httpMethod"].encode(), path.encode(), body.encode()))
        answer = answer[length:]
    return statuses, requests
