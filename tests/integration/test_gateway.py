"""The gateway by HTTP, with stand-in environments on its runtime socket."""

import http.client
import json
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import pressure
from local.frames import encode
from tests.conftest import wait_until
from tests.integration.gateway_process import (
    GatewayProcess,
    ok,
    read_all,
    read_response,
    returns,
)

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.13, CodeUri: functions/, Timeout: 5}
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      BinaryMediaTypes: [image/png]
      MethodSettings:
        - {ResourcePath: /rare, HttpMethod: GET, ThrottlingRateLimit: 0.1, ThrottlingBurstLimit: 2}
      Auth:
        Authorizers:
          Tokens:
            FunctionArn: !GetAtt Guard.Arn
            Identity: {ValidationExpression: "Bearer .+", ReauthorizeEvery: 300}
      GatewayResponses:
        MISSING_AUTHENTICATION_TOKEN:
          StatusCode: 404
          ResponseParameters: {Headers: {X-Kind: "'no route'"}}
          ResponseTemplates:
            application/problem+json:
              '{"detail":$context.error.messageString,"path":"$context.path"}'
        INTEGRATION_FAILURE:
          StatusCode: 503
          ResponseTemplates: {application/json: '{"code":"overloaded"}'}
  Guard:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.guard}
  Pages:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.pages
      Timeout: 1
      ReservedConcurrentExecutions: 3
      Events:
        Page:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: ANY, Path: "/pages/{name}"}
        Rest:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: ANY, Path: "/files/{proxy+}"}
        Rare:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: GET, Path: /rare}
        Safe:
          Type: Api
          Properties:
            {RestApiId: !Ref Api, Method: GET, Path: "/safe/{id}", Auth: {Authorizer: Tokens}}
"""


def policy(effect: str, resource: str | list[str], **context: object) -> dict[str, object]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "someone", "policyDocument": document, "context": context}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway whose environments answer at once."""
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), TEMPLATE) as gateway:
        gateway.environment("Pages", ok)
        yield gateway


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway of the test's own, whose queue waits 300 ms."""
    with GatewayProcess(tmp_path, TEMPLATE, "--queue-deadline-ms", "300") as own:
        yield own


def test_the_function_gets_the_request_as_a_rest_event(shared):
    """1.1, 1.4, 1.8, 1.11, 1.12."""
    answer = shared.request(
        "POST", "/pages/one?b=1&a=%20x+y&b=2", b'{"k":"\xc3\xa9"}', {"X-FoO": "v"}
    )

    event = answer.json
    assert answer.status == 200
    assert event["resource"] == "/pages/{name}"
    assert event["path"] == "/pages/one"
    assert event["requestContext"]["path"] == "/prod/pages/one"
    assert event["pathParameters"] == {"name": "one"}
    assert event["queryStringParameters"] == {"b": "2", "a": " x y"}
    assert event["multiValueQueryStringParameters"] == {"b": ["1", "2"], "a": [" x y"]}
    assert event["headers"]["X-FoO"] == "v"
    assert event["body"] == '{"k":"é"}'


def test_the_answer_bears_the_ids_of_the_event(shared):
    """1.26: x-amzn-RequestId, x-amz-apigw-id and X-Amzn-Trace-Id."""
    answer = shared.request("GET", "/pages/one")

    context = answer.json["requestContext"]
    assert answer.headers["x-amzn-RequestId"] == context["requestId"]
    assert answer.headers["x-amz-apigw-id"] == context["extendedRequestId"]
    assert answer.headers["X-Amzn-Trace-Id"] == answer.json["headers"]["X-Amzn-Trace-Id"]


def test_the_frame_carries_the_deadline_of_the_function(gateway):
    environment = gateway.environment("Pages", ok)
    before_ms = time.time() * 1000

    gateway.request("GET", "/pages/one")

    frame = environment.frames[0]
    assert before_ms + 900 < frame["deadline_ms"] < time.time() * 1000 + 1001
    assert frame["trace"] == frame["event"]["headers"]["X-Amzn-Trace-Id"]
    assert frame["id"] == frame["event"]["requestContext"]["requestId"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nope"), ("GET", "/pages"), ("PUT", "/rare")]
)
def test_no_route_and_no_method_are_missing_authentication_token(shared, method, path):
    """1.30, worded by the template."""
    answer = shared.request(method, path)

    assert answer.status == 404
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Kind"] == "no route"
    assert answer.json == {"detail": "Missing Authentication Token", "path": f"/prod{path}"}


def test_a_path_with_a_quote_leaves_the_answer_json(shared):
    head = b'GET /a"b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

    body = shared.raw(head).partition(b"\r\n\r\n")[2]

    assert json.loads(body)["path"] == '/prod/a"b'


@pytest.mark.parametrize(
    "frame",
    [
        {"error": {"errorType": "ValueError", "errorMessage": "no"}},
        {"result": "text"},
        {"result": {"statusCode": 200, "unknown": 1}},
        {"result": {"headers": {"X-A": "b\r\nX-Evil: 1"}}},
        {"die": True},
    ],
)
def test_a_function_that_fails_is_a_502(gateway, frame):
    """1.20, 1.22, 1.31."""
    gateway.environment("Pages", lambda _: frame)

    answer = gateway.request("GET", "/pages/one")

    assert answer.status == 502
    assert answer.json == {"message": "Internal server error"}
    assert answer.headers["x-amzn-ErrorType"] == "InternalServerErrorException"
    assert "X-Evil" not in answer.headers


def test_an_environment_that_dies_is_logged_with_its_reason(gateway):
    """2.10."""
    gateway.environment("Pages", lambda _: {"die": True})
    gateway.request("GET", "/pages/one")
    log = gateway.state / "logs" / "functions" / "Pages.log"

    wait_until(lambda: log.exists() and "Runtime.ExitError" in log.read_text())


def test_an_environment_that_dies_at_its_deadline_timed_out(gateway):
    """2.8."""

    def hang(frame):
        wait_until(lambda: time.time() * 1000 >= frame["deadline_ms"])
        return {"die": True}

    gateway.environment("Pages", hang)

    assert gateway.request("GET", "/pages/one").status == 502
    assert gateway.metric('gateway_invoke_timeouts_total{function="Pages"}') == 1
    log = gateway.state / "logs" / "functions" / "Pages.log"
    wait_until(lambda: log.exists() and "Task timed out after 1.00 seconds" in log.read_text())


def test_one_environment_has_one_event_at_a_time(gateway):
    """2.1."""
    running = threading.Semaphore(1)

    def alone(frame):
        assert running.acquire(blocking=False)
        time_s = time.monotonic()
        wait_until(lambda: time.monotonic() > time_s + 0.02)
        running.release()
        return ok(frame)

    environment = gateway.environment("Pages", alone)
    statuses = in_parallel(gateway, "/pages/one", 3)

    assert statuses == [200, 200, 200]
    assert len(environment.events) == 3


def test_what_is_over_the_reserved_concurrency_is_refused_at_once(gateway):
    """1.32, 2.2: in flight and waiting count together."""
    release = threading.Event()
    gateway.environment("Pages", lambda frame: ok(frame) if release.wait(5) else {"die": True})
    held = [start(gateway, "/pages/one") for _ in range(3)]
    wait_until(lambda: gateway.metric('gateway_queued{function="Pages"}') == 2)

    answer = gateway.request("GET", "/pages/one")
    release.set()

    assert (answer.status, answer.json) == (503, {"code": "overloaded"})
    assert answer.headers["Retry-After"] == "1"
    assert gateway.metric('gateway_throttles_total{function="Pages"}') == 1
    assert [finish(client) for client in held] == [200, 200, 200]


def test_workers_are_told_while_an_event_waits(gateway):
    release = threading.Event()
    gateway.environment("Pages", lambda frame: ok(frame) if release.wait(5) else {"die": True})
    path = pressure.path_of(gateway.state)
    alone = start(gateway, "/pages/one")
    wait_until(lambda: gateway.metric("gateway_inflight") == 1)
    assert pressure.last_s(path) == 0
    waits = start(gateway, "/pages/one")
    wait_until(lambda: pressure.last_s(path) > 0)
    release.set()

    assert [finish(client) for client in (alone, waits)] == [200, 200]


def test_what_waited_too_long_is_refused_and_never_started(gateway):
    began_s = time.monotonic()

    answer = gateway.request("GET", "/pages/one")

    assert (answer.status, answer.json) == (503, {"code": "overloaded"})
    assert answer.headers["Retry-After"] == "1"
    assert 0.3 <= time.monotonic() - began_s < 2
    environment = gateway.environment("Pages", ok)
    assert gateway.request("GET", "/pages/two").status == 200
    assert [event["path"] for event in environment.events] == ["/pages/two"]


def test_what_a_client_left_behind_in_the_queue_is_never_started(tmp_path):
    with GatewayProcess(tmp_path, TEMPLATE, "--queue-deadline-ms", "10000") as gateway:
        start(gateway, "/pages/left").close()
        labels = 'function="Pages",method="GET",route="/pages/{name}",status="499"'
        wait_until(lambda: gateway.metric(f"gateway_requests_total{{{labels}}}") == 1)
        environment = gateway.environment("Pages", ok)

        assert gateway.request("GET", "/pages/stayed").status == 200
        assert [event["path"] for event in environment.events] == ["/pages/stayed"]


def test_an_event_waits_for_the_environment_that_comes(tmp_path):
    with GatewayProcess(tmp_path, TEMPLATE, "--queue-deadline-ms", "10000") as gateway:
        client = start(gateway, "/pages/early")
        wait_until(lambda: gateway.metric('gateway_queued{function="Pages"}') == 1)
        gateway.environment("Pages", ok)

        assert finish(client) == 200


def test_a_throttled_method_is_429(gateway):
    """1.35, 1.60."""
    gateway.environment("Pages", ok)

    answers = [gateway.request("GET", "/rare") for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].json == {"message": "Too Many Requests"}
    assert answers[2].headers["Retry-After"] == "1"


def test_a_body_over_ten_megabytes_is_413(shared):
    """1.34."""
    head = b"POST /pages/one HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"

    answer = shared.raw(head % (10_485_760 + 1))

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'{"message":"Request Too Long"}' in answer


def test_a_chunked_body_over_ten_megabytes_is_413(shared):
    """1.34, without the length being announced."""
    head = b"POST /pages/one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"

    assert shared.raw(head + chunk * 11).startswith(b"HTTP/1.1 413 ")


def test_an_event_over_six_megabytes_is_413(shared):
    """1.38: escaped, the body of 4 MB is 8 MB."""
    answer = shared.request("POST", "/pages/one", b"\n" * 4_000_000)

    assert answer.status == 413
    assert answer.headers["x-amzn-ErrorType"] == "RequestTooLargeException"


def test_headers_over_10240_bytes_are_413(shared):
    """1.37."""
    fits = shared.request("GET", "/pages/one", headers={"X-Long": "x" * 10_100})
    too_long = shared.request("GET", "/pages/one", headers={"X-Long": "x" * 10_240})

    assert (fits.status, too_long.status) == (200, 413)


def test_a_binary_body_comes_as_base64_and_goes_back_as_bytes(gateway):
    """1.14, 1.25."""
    environment = gateway.environment(
        "Pages", returns({"body": "/wAB", "isBase64Encoded": True, "statusCode": 200})
    )

    png = {"Content-Type": "image/png"}
    binary = gateway.request("POST", "/pages/one", b"\xff\x00", {**png, "Accept": "image/png"})
    text = gateway.request("POST", "/pages/one", b"\xff\x00", {"Accept": "image/*"})

    assert (binary.body, text.body) == (b"\xff\x00\x01", b"/wAB")
    assert environment.events[0]["body"] == "/wA="
    assert environment.events[0]["isBase64Encoded"] is True
    assert environment.events[1]["isBase64Encoded"] is False


def test_embedded_metrics_that_a_function_prints_reach_prometheus(gateway):
    line = json.dumps(
        {
            "_aws": {
                "Timestamp": 1,
                "CloudWatchMetrics": [
                    {
                        "Namespace": "Spillway",
                        "Dimensions": [["service"]],
                        "Metrics": [
                            {"Name": "PaymentAccepted", "Unit": "Count"},
                            {"Name": "Insert", "Unit": "Milliseconds"},
                        ],
                    }
                ],
            },
            "service": "payments",
            "PaymentAccepted": [2.0],
            "Insert": 20,
        }
    )
    gateway.environment("Pages", returns({"statusCode": 200}, stdout=f"{line}\na line\n"))

    gateway.request("GET", "/pages/one")

    assert gateway.metric('spillway_payment_accepted_total{service="payments"}') == 2
    assert gateway.metric('spillway_insert_seconds_sum{service="payments"}') == 0.02
    log = gateway.state / "logs" / "functions" / "Pages.log"
    wait_until(lambda: log.exists() and log.read_text() == "a line\n")


def test_every_request_is_a_line_of_the_access_log(gateway):
    """1.39."""
    gateway.environment("Pages", ok)
    answer = gateway.request("GET", "/pages/one?secret=1")
    log = gateway.state / "logs" / "access.log"
    wait_until(lambda: log.exists() and log.read_text())

    entry = json.loads(log.read_text().splitlines()[0])

    assert entry["requestId"] == answer.headers["x-amzn-RequestId"]
    assert entry["resourcePath"] == "/pages/{name}"
    assert (entry["status"], entry["httpMethod"], entry["ip"]) == (200, "GET", "127.0.0.1")
    assert entry["responseLength"] == len(answer.body)
    assert "secret" not in log.read_text()


def test_requests_are_counted_by_route_and_status(gateway):
    gateway.environment("Pages", ok)
    gateway.request("GET", "/pages/one")
    gateway.request("GET", "/pages/two")
    labels = 'function="Pages",method="GET",route="/pages/{name}"'

    assert gateway.metric(f'gateway_requests_total{{{labels},status="200"}}') == 2
    assert gateway.metric(f"gateway_request_duration_seconds_count{{{labels}}}") == 2
    assert gateway.metric('gateway_environments{function="Pages",state="idle"}') == 1
    assert gateway.metric("process_resident_memory_bytes") > 0


def test_sigterm_answers_what_is_in_hand_then_ends_with_0(gateway):
    release = threading.Event()
    gateway.environment("Pages", lambda frame: ok(frame) if release.wait(5) else {"die": True})
    idle = socket.create_connection(("127.0.0.1", gateway.port))
    client = start(gateway, "/pages/one")
    wait_until(lambda: gateway.metric('gateway_environments{function="Pages",state="busy"}') == 1)

    gateway.terminate()

    assert read_all(idle) == b""
    idle.close()
    release.set()
    head, _ = read_response(client)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in head
    assert read_all(client) == b""
    client.close()
    assert gateway.exit_code() == 0


def test_a_port_that_is_taken_is_one_sentence_and_exit_2(gateway, tmp_path):
    (tmp_path / "second").mkdir()
    second = GatewayProcess(tmp_path / "second", TEMPLATE)
    second.command[second.command.index("--port") + 1] = str(gateway.port)

    with pytest.raises(AssertionError), second:
        pass

    assert second.exit_code() == 2
    said = (tmp_path / "second" / "stderr").read_text()
    assert said == f"127.0.0.1:{gateway.port} is taken; stop what listens there or choose another\n"


def test_clients_over_the_limit_are_told_so_and_others_are_served(tmp_path):
    gateway = GatewayProcess(tmp_path, TEMPLATE)
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


def test_the_console_answers_what_it_does_not_have(shared):
    connection = http.client.HTTPConnection("127.0.0.1", shared.console_port, timeout=10)
    statuses = []
    for method, path in (("GET", "/metrics"), ("POST", "/metrics"), ("GET", "/nope")):
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()

    assert statuses == [200, 405, 404]


def test_a_gateway_that_was_killed_can_be_started_again(gateway):
    gateway.environment("Pages", ok)
    gateway.kill()

    with gateway:
        gateway.environment("Pages", ok)

        assert gateway.request("GET", "/pages/one").status == 200


def test_only_its_owner_may_be_an_environment(gateway):
    socket_path = gateway.state / "run" / "gateway.sock"

    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600


def test_a_hello_for_an_unknown_function_is_refused(gateway):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{gateway.state}/run/gateway.sock")
        client.sendall(encode({"hello": 1, "function": "Nobody"}))
        client.settimeout(5)

        assert client.recv(1) == b""


def start(gateway: GatewayProcess, path: str) -> socket.socket:
    """Send a request and do not wait for its answer."""
    client = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return client


def finish(client: socket.socket) -> int:
    """The status of the answer to a request that was started."""
    with client:
        head, _ = read_response(client)
        return int(head.split(b" ", 2)[1])


def in_parallel(gateway: GatewayProcess, path: str, count: int) -> list[int]:
    return [finish(client) for client in [start(gateway, path) for _ in range(count)]]
