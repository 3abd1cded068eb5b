"""CPU a request costs in the gateway: `python tests/bench/gateway.py [rate] [seconds]`.

A gateway with one null environment, driven by an open schedule on a few keep-alive connections.
Prints microseconds per request of the gateway (user and system), and the latency seen.
"""

import asyncio
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import httptools
import uvloop

from local.runtime.frames import FrameReader, decode, encode

ROOT = Path(__file__).parents[2]
CONNECTIONS = 32
TICKS_PER_S = 100  # sysconf(_SC_CLK_TCK), the unit of /proc/PID/stat

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      Auth:
        DefaultAuthorizer: Tokens
        Authorizers:
          Tokens: {FunctionArn: !GetAtt Guard.Arn}
  Guard:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.guard, Runtime: python3.13, CodeUri: .}
  Nothing:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.null
      Runtime: python3.13
      CodeUri: .
      Events:
        Create:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: POST, Path: /v1/payments}
"""

BODY = b'{"amount":1999,"currency":"EUR","payment_method":"pm_card_visa","description":"a bench"}'
REQUEST = (
    b"POST /v1/payments HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\n"
    b"Accept: application/json\r\nAuthorization: Bearer %b\r\n"
    b"Content-Type: application/json\r\nIdempotency-Key: 0b1ee1a0-6f4d\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (b"t" * 300, len(BODY), BODY)
)
RESULT = {"statusCode": 201, "headers": {"Content-Type": "application/json"}, "body": '{"id":1}'}
POLICY = {
    "principalId": "bench",
    "policyDocument": {
        "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}]
    },
}


class NullEnvironment(asyncio.Protocol):
    """Answers every event with the same result."""

    def __init__(self, function: str, result: object) -> None:
        self._function = function
        self._result = result
        self._reader = FrameReader()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.write(encode({"hello": 1, "function": self._function, "pid": 1, "init_ms": 1}))

    def data_received(self, data: bytes) -> None:
        for payload in self._reader.feed(data):
            answer = {"id": decode(payload)["id"], "result": self._result, "stdout": ""}
            self._transport.write(encode(answer))


class Client(asyncio.Protocol):
    """A keep-alive connection with one request at a time."""

    def __init__(self, free: list["Client"], latencies: list[float]) -> None:
        self._free = free
        self._latencies = latencies
        self._due_s = 0.0
        self.failed = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)
        self._free.append(self)

    def send(self, due_s: float) -> None:
        self._due_s = due_s
        self._transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.failed += self._parser.get_status_code() != 201
        self._latencies.append(time.monotonic() - self._due_s)
        self._free.append(self)


async def main(rate: int, seconds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "template.yaml").write_text(TEMPLATE)
        port = 20_000 + int(time.time()) % 10_000
        gateway = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.server", "--template", str(path / "template.yaml")),
            *("--state", folder, "--port", str(port), "--console-port", str(port + 1)),
            *("--invoke-port", str(port + 2)),
            cwd=ROOT,
        )
        try:
            await _run(path / "run" / "gateway.sock", port, gateway.pid, rate, seconds)
        finally:
            gateway.terminate()
            await gateway.wait()


async def _run(runtime: Path, port: int, pid: int, rate: int, seconds: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(100):
        if runtime.exists():
            break
        await asyncio.sleep(0.05)
    for function, result in (("Guard", POLICY), ("Nothing", RESULT)):
        await loop.create_unix_connection(partial(NullEnvironment, function, result), str(runtime))
    free: list[Client] = []
    latencies: list[float] = []
    clients = []
    for _ in range(CONNECTIONS):
        connect = loop.create_connection(partial(Client, free, latencies), "127.0.0.1", port)
        clients.append((await connect)[1])
    await _load(rate, 1, free)
    latencies.clear()
    before = _cpu_ticks(pid)
    await _load(rate, seconds, free)
    user, system = (b - a for a, b in zip(before, _cpu_ticks(pid), strict=True))
    count = len(latencies)
    in_us = 1e6 / TICKS_PER_S / max(count, 1)
    latencies.sort()
    print(  # noqa: T201 - the result of a bench
        f"{count} requests at {rate}/s, {sum(c.failed for c in clients)} failed: "
        f"{(user + system) * in_us:.0f} us CPU a request "
        f"({user * in_us:.0f} user, {system * in_us:.0f} system), "
        f"p50 {latencies[count // 2] * 1e3:.2f} ms, p99 {latencies[count * 99 // 100] * 1e3:.2f} ms"
    )


async def _load(rate: int, seconds: int, free: list[Client]) -> None:
    start_s = time.monotonic()
    for number in range(rate * seconds):
        due_s = start_s + number / rate
        delay_s = due_s - time.monotonic()
        if delay_s > 0:
            await asyncio.sleep(delay_s)
        while not free:
            await asyncio.sleep(0.001)
        free.pop().send(due_s)
    while len(free) < CONNECTIONS:
        await asyncio.sleep(0.01)


def _cpu_ticks(pid: int) -> tuple[int, int]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]] + [1000, 10][len(sys.argv) - 1 :]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*arguments))
