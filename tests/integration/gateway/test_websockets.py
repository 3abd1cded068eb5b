"""A WebSocket API as its clients and functions see it: connections, routes, and @connections."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import websocket

from tests.conftest import wait_until
from tests.integration.gateway.guard import policy
from tests.integration.gateway_process import GatewayProcess, StandIn

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.13, CodeUri: ., Handler: app.chat}}
Resources:
  Chat: {Type: AWS::Serverless::Function}
  Guard: {Type: AWS::Serverless::Function}
  Sockets:
    Type: AWS::ApiGatewayV2::Api
    Properties:
      ProtocolType: WEBSOCKET
      RouteSelectionExpression: $request.body.about.action
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Sockets, StageName: live}
  Door:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties:
      ApiId: !Ref Sockets
      AuthorizerType: REQUEST
      Name: Door
      IdentitySource: [route.request.querystring.key]
      AuthorizerUri: !Sub INVOKE/${Guard.Arn}/invocations
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Sockets
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub INVOKE/${Chat.Arn}/invocations
  Connect:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Sockets
      RouteKey: $connect
      AuthorizationType: CUSTOM
      AuthorizerId: !Ref Door
      Target: !Sub integrations/${Integration}
  Disconnect:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      {ApiId: !Ref Sockets, RouteKey: $disconnect, Target: !Sub "integrations/${Integration}"}
  Say:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Sockets, RouteKey: say, Target: !Sub "integrations/${Integration}"}
  Ask:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Sockets
      RouteKey: ask
      RouteResponseSelectionExpression: $default
      Target: !Sub integrations/${Integration}
  Answer:
    Type: AWS::ApiGatewayV2::RouteResponse
    Properties: {ApiId: !Ref Sockets, RouteId: !Ref Ask, RouteResponseKey: $default}
""".replace("INVOKE", "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions")
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=a"}
Open = Callable[..., websocket.WebSocket]


def chat(frame: dict[str, Any]) -> dict[str, Any]:
    """Answer as the test's function does, by what the event asks for."""
    event = frame["event"]
    if (event.get("queryStringParameters") or {}).get("key") == "full":
        return {"result": {"statusCode": 503, "body": "full"}}
    if "fail" in event.get("body", ""):
        return {"error": {"errorMessage": "no", "errorType": "E"}}
    headers = {"Sec-WebSocket-Protocol": "chat"}
    return {"result": {"statusCode": 200, "headers": headers, "body": "you asked"}}


def guard(frame: dict[str, Any]) -> dict[str, Any]:
    event = frame["event"]
    effect = "Deny" if event["queryStringParameters"]["key"] == "bad" else "Allow"
    return {"result": {**policy(effect, event["methodArn"]), "context": {"room": "blue"}}}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("sockets"), TEMPLATE) as running:
        running.environment("Guard", guard)
        yield running


@pytest.fixture(scope="module")
def function(gateway: GatewayProcess) -> StandIn:
    return gateway.environment("Chat", chat)


@pytest.fixture
def connect(gateway: GatewayProcess, function: StandIn) -> Iterator[Open]:
    """Yield what connects a client to the API."""
    clients: list[websocket.WebSocket] = []

    def connected(path: str = "/live?key=a", **options: Any) -> websocket.WebSocket:
        address = f"ws://127.0.0.1:{gateway.port}{path}"
        clients.append(websocket.create_connection(address, timeout=10, **options))
        return clients[-1]

    yield connected
    for client in clients:
        client.close()


def connection_of(function: StandIn) -> str:
    return str(function.events[-1]["requestContext"]["connectionId"])


def ask(action: str, **more: Any) -> str:
    return json.dumps({"about": {"action": action}, **more})


@pytest.mark.row("1.80", "1.81")
def test_the_functions_of_a_connection_get_its_handshake_its_messages_and_its_end(
    connect: Open, function: StandIn
):
    client = connect("/?key=a&key=b", subprotocols=["chat", "other"])
    client.send(ask("ask"))
    answer = client.recv()
    client.close(status=1000)
    wait_until(lambda: function.events[-1]["requestContext"]["eventType"] == "DISCONNECT")
    opened, message, closed = function.events[-3:]
    context = opened["requestContext"]

    assert client.subprotocol == "chat"
    assert answer == "you asked"
    assert opened["multiValueQueryStringParameters"] == {"key": ["a", "b"]}
    assert (context["routeKey"], context["eventType"], context["stage"]) == (
        *("$connect", "CONNECT", "live"),
    )
    assert context["authorizer"]["room"] == "blue"
    assert message["body"] == ask("ask")
    assert message["requestContext"]["routeKey"] == "ask"
    assert message["requestContext"]["authorizer"]["room"] == "blue"
    assert closed["requestContext"]["disconnectStatusCode"] == 1000
    assert {each["requestContext"]["connectionId"] for each in (message, closed)} == {
        context["connectionId"]
    }


@pytest.mark.row("1.82")
@pytest.mark.parametrize(
    ("path", "status"), [("/live", 401), ("/live?key=bad", 403), ("/live?key=full", 503)]
)
def test_a_handshake_is_refused_without_identity_by_the_policy_or_by_the_function(
    connect: Open, path: str, status: int
):
    with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
        connect(path)

    assert refusal.value.status_code == status


@pytest.mark.row("1.81")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no JSON", "Forbidden"),
        (ask("nowhere"), "Forbidden"),
        (ask("$connect"), "Forbidden"),
        (ask("say", fail=True), "Internal server error"),
    ],
)
def test_a_message_without_a_route_or_whose_function_fails_is_answered_by_the_gateway(
    connect: Open, text: str, message: str
):
    client = connect()
    client.send(text)

    assert json.loads(client.recv())["message"] == message


@pytest.mark.row("1.83")
def test_a_function_writes_to_a_client_looks_at_it_and_ends_it(
    connect: Open, gateway: GatewayProcess, function: StandIn
):
    client = connect()
    place = f"/live/@connections/{connection_of(function).replace('=', '%3D')}"

    assert gateway.request("POST", place, "hello", SIGNED).status == 200
    assert client.recv() == "hello"
    assert gateway.request("GET", place, headers=SIGNED).json["identity"]["sourceIp"] == "127.0.0.1"
    assert gateway.request("POST", place, "hello").status == 403
    assert gateway.request("POST", place, "x" * 131_073, SIGNED).status == 413
    assert gateway.request("DELETE", place, headers=SIGNED).status == 204
    assert client.recv_frame().opcode == websocket.ABNF.OPCODE_CLOSE
    gone = gateway.request("POST", place, "hello", SIGNED)
    assert (gone.status, gone.headers["x-amzn-ErrorType"]) == (410, "GoneException")


@pytest.mark.row("1.83")
def test_a_client_that_reads_nothing_is_cut(
    connect: Open, gateway: GatewayProcess, function: StandIn
):
    connect(sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)])
    place = f"/live/@connections/{connection_of(function).replace('=', '%3D')}"
    message = "x" * 131_072
    answers = (gateway.request("POST", place, message, SIGNED).status for _ in range(100))

    assert next(status for status in answers if status != 200) == 410


@pytest.mark.row("1.84")
@pytest.mark.parametrize(
    ("payload", "opcode", "code"),
    [
        ("x" * 32_769, websocket.ABNF.OPCODE_TEXT, 1009),
        (b"binary", websocket.ABNF.OPCODE_BINARY, 1003),
    ],
)
def test_a_frame_that_is_too_long_or_binary_ends_the_connection(
    connect: Open, payload: str | bytes, opcode: int, code: int
):
    client = connect()
    client.send(payload, opcode=opcode)
    frame = client.recv_frame()

    assert frame.opcode == websocket.ABNF.OPCODE_CLOSE
    assert int.from_bytes(frame.data[:2], "big") == code


@pytest.mark.row("1.84")
def test_a_message_of_several_frames_has_128_kilobytes_at_most(connect: Open, function: StandIn):
    client = connect()
    part = "x" * 30_000
    frames = [
        websocket.ABNF.create_frame(part, opcode, fin)
        for opcode, fin in (
            *((1, 0), (0, 0), (0, 0), (0, 0)),
            (0, 1),
        )
    ]
    for frame in frames:
        client.send_frame(frame)
    closing = client.recv_frame()

    assert int.from_bytes(closing.data[:2], "big") == 1009
    assert connection_of(function)


def test_what_asks_for_no_websocket_is_forbidden(gateway: GatewayProcess):
    bad = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}

    assert gateway.request("GET", "/live").status == 403
    assert gateway.request("GET", "/live/elsewhere", headers=bad).status == 403
    assert gateway.request("GET", "/live", headers=bad).status == 400
