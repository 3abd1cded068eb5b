"""REQUEST authorizers through the gateway: sources of identity, the event, and the cache."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.gateway.guard import GUARDED, policy
from tests.integration.gateway_process import GatewayProcess, StandIn, ok, returns

TEMPLATE = (
    GUARDED
    + """\
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      Variables: {color: blue}
      Auth:
        DefaultAuthorizer: Cached
        Authorizers:
          Cached:
            FunctionPayloadType: REQUEST
            FunctionArn: !GetAtt Guard.Arn
            Identity:
              {Headers: [X-User], QueryStrings: [door], StageVariables: [color],
               Context: [httpMethod]}
          Always:
            FunctionPayloadType: REQUEST
            FunctionArn: !GetAtt Guard.Arn
            Identity: {Headers: [X-User], ReauthorizeEvery: 0}
          Twofold:
            FunctionPayloadType: REQUEST
            FunctionArn: !GetAtt Guard.Arn
            Identity: {QueryStrings: [left, right]}
  Safe:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.safe
      Events:
        Get:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: ANY, Path: "/safe/{id}"}
        Fresh:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: GET, Path: /fresh, Auth: {Authorizer: Always}}
        Both:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: GET, Path: /both, Auth: {Authorizer: Twofold}}
"""
)

ARN = "arn:aws:execute-api:eu-west-1:000000000000:local/prod"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), TEMPLATE) as process:
        process.environment("Safe", ok)
        yield process


@pytest.fixture(scope="module")
def guard(gateway: GatewayProcess) -> StandIn:
    """Return the authorizer's environment, which lets everybody in."""
    return gateway.environment("Guard", returns(policy("Allow", "*", age=9)))


@pytest.fixture
def questions(guard: StandIn) -> Any:
    """Return the events of the authorizer since the test began."""
    before = len(guard.frames)
    return lambda: guard.events[before:]


@pytest.fixture
def user(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return a caller of this test alone, whom no cache knows."""
    return {"X-User": request.node.name}


@pytest.mark.row("1.51")
def test_the_authorizer_gets_the_request_without_its_body(gateway, questions, user):
    gateway.request("POST", "/safe/a%2Fb?door=1", b"secret", {**user, "X-FoO": "v"})

    event = questions()[0]
    assert set(event) == {
        "type",
        "methodArn",
        "resource",
        "path",
        "httpMethod",
        "headers",
        "multiValueHeaders",
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "requestContext",
    }
    assert event["type"] == "REQUEST"
    assert event["methodArn"] == f"{ARN}/POST/safe/a%2Fb"
    assert event["headers"]["X-FoO"] == "v"
    assert event["pathParameters"] == {"id": "a%2Fb"}
    assert event["stageVariables"] == {"color": "blue"}
    assert "authorizer" not in event["requestContext"]


@pytest.mark.row("1.53")
@pytest.mark.parametrize(
    ("path", "headers"),
    [("/safe/1?door=1", {}), ("/safe/1", {"X-User": "a"}), ("/safe/1?door=", {"X-User": "a"})],
)
def test_without_every_source_of_identity_nobody_is_asked(gateway, questions, path, headers):
    answer = gateway.request("GET", path, headers=headers)

    assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})
    assert questions() == []


@pytest.mark.row("1.58")
def test_all_sources_together_are_the_key_of_the_cache(gateway, questions, user):
    for method, door in (("GET", 1), ("GET", 1), ("GET", 2), ("POST", 2)):
        answer = gateway.request(method, f"/safe/1?door={door}", headers=user)
        assert answer.status == 200

    assert len(questions()) == 3


@pytest.mark.row("1.58")
def test_whatever_the_sources_hold_two_callers_never_share_a_key(gateway, questions):
    for query in ("left=1%0A2&right=3", "left=1&right=2%0A3"):
        assert gateway.request("GET", f"/both?{query}").status == 200

    assert len(questions()) == 2


@pytest.mark.row("1.58")
def test_what_is_sent_twice_is_another_caller_than_either_of_both(gateway, questions, user):
    name = user["X-User"]
    request = b"GET /safe/1?door=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%b\r\n"
    twice = f"X-User: good\r\nx-user: {name}\r\n".encode()
    assert gateway.raw(request % twice).startswith(b"HTTP/1.1 200 ")

    for path in ("/safe/1?door=1", "/safe/1?door=2&door=1"):
        assert gateway.request("GET", path, headers=user).status == 200
    assert len(questions()) == 3


@pytest.mark.row("1.12", "1.58")
def test_the_cache_goes_by_the_query_that_the_function_sees(gateway, questions):
    events = [gateway.request("GET", f"/both?left=7;right={door};x=1").json for door in ("a", "b")]

    assert [event["queryStringParameters"]["right"] for event in events] == ["a", "b"]
    assert len(questions()) == 2


@pytest.mark.row("1.58")
def test_without_a_cache_every_request_is_asked_for_and_no_source_is_needed(
    gateway, questions, user
):
    statuses = [gateway.request("GET", "/fresh").status for _ in range(2)]

    assert statuses == [200, 200]
    assert len(questions()) == 2


@pytest.mark.row("1.52")
def test_the_function_learns_who_calls(gateway, questions, user):
    context = gateway.request("GET", "/safe/1?door=1", headers=user).json["requestContext"]

    assert context["authorizer"] == {"principalId": "ann", "age": "9"}


@pytest.mark.row("1.37")
def test_a_method_arn_over_1600_bytes_is_414(gateway, questions, user):
    room = 1600 - len(f"{ARN}/GET/safe/")

    fits = gateway.request("GET", f"/safe/{'x' * room}?door=1", headers=user)
    too_long = gateway.request("GET", f"/safe/{'x' * (room + 1)}?door=1", headers=user)

    assert (fits.status, too_long.status) == (200, 414)
