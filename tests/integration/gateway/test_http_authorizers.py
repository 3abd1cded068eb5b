"""Authorizers and other origins of an HTTP API."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from tests.integration.gateway.guard import GUARDED, policy
from tests.integration.gateway.issuer import Issuer
from tests.integration.gateway_process import Answer, GatewayProcess, StandIn, ok

TEMPLATE = (
    GUARDED
    + """\
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration:
        AllowOrigins: ["https://a.example"]
        AllowMethods: [GET, POST]
        AllowHeaders: [authorization]
        ExposeHeaders: [x-a]
        MaxAge: 60
        AllowCredentials: true
      Auth:
        Authorizers:
          Tokens:
            IdentitySource: $request.header.Authorization
            JwtConfiguration: {issuer: "ISSUER", audience: [api]}
          Unreachable:
            IdentitySource: $request.querystring.token
            JwtConfiguration: {Issuer: "http://127.0.0.1:1", Audience: [api]}
          Simple:
            FunctionArn: !GetAtt Guard.Arn
            AuthorizerPayloadFormatVersion: "2.0"
            EnableSimpleResponses: true
            Identity: {Headers: [X-User], ReauthorizeEvery: 60}
          Policy:
            FunctionArn: !GetAtt Guard.Arn
            AuthorizerPayloadFormatVersion: "1.0"
            Identity: {QueryStrings: [user]}
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.echo
      Events:
        Jwt: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /jwt,
          Auth: {Authorizer: Tokens}}}
        Scoped: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /scoped,
          Auth: {Authorizer: Tokens, AuthorizationScopes: [read, write]}}}
        OldJwt: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /old-jwt,
          PayloadFormatVersion: "1.0", Auth: {Authorizer: Tokens}}}
        Unreachable: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET,
          Path: /unreachable, Auth: {Authorizer: Unreachable}}}
        Simple: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: "/simple/{id}",
          Auth: {Authorizer: Simple}}}
        Policy: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: "/policy/{id}",
          Auth: {Authorizer: Policy}}}
        Open: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /open}}
"""
)
ARN = "arn:aws:execute-api:eu-west-1:000000000000:local/$default"
ORIGIN = {"Origin": "https://a.example"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[GatewayProcess]:
    template = TEMPLATE.replace("ISSUER", issuer.url)
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), template) as process:
        process.environment("Echo", with_cors)
        yield process


@pytest.fixture(scope="module")
def guard(gateway: GatewayProcess) -> StandIn:
    return gateway.environment("Guard", judge)


def judge(frame: dict[str, Any]) -> dict[str, Any]:
    """Return an authorizer that answers by the name of the caller."""
    event = frame["event"]
    context = {"of": {"team": ["a"]}}
    if event["version"] == "2.0":
        user = event["identitySource"][0]
        answers: dict[str, Any] = {
            "ann": {"isAuthorized": True, "context": context},
            "bob": {"isAuthorized": False},
            "odd": {"isAuthorized": "yes"},
        }
        return {"result": answers[user.partition(".")[0]]}
    allowed = policy("Allow", f"{ARN}/GET/policy/1", **context)
    return {"result": {**allowed, "principalId": event["identitySource"]}}


def with_cors(frame: dict[str, Any]) -> dict[str, Any]:
    """Return a handler that returns its event, with headers that are the gateway's business."""
    answer = ok(frame)
    answer["result"]["headers"] = {"Access-Control-Allow-Origin": "*", "X-A": "1"}
    return answer


def bearer(gateway: GatewayProcess, token: str, path: str = "/jwt") -> Answer:
    return gateway.request("GET", path, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.row("1.77")
def test_the_claims_of_a_token_reach_the_function(gateway, issuer):
    token = issuer.token(scope="read other")

    new = bearer(gateway, token, "/scoped").json["requestContext"]["authorizer"]
    old = bearer(gateway, token, "/old-jwt").json["requestContext"]["authorizer"]

    assert new["jwt"]["claims"]["sub"] == "ann"
    assert new["jwt"]["claims"]["exp"].replace(".", "").isdigit()
    assert new["jwt"]["scopes"] == ["read"]
    assert old["claims"]["sub"] == "ann"


@pytest.mark.row("1.77")
def test_the_keys_of_the_issuer_are_asked_for_once(gateway, issuer):
    for _ in range(3):
        assert bearer(gateway, issuer.token()).status == 200

    assert issuer.requests == 1


@pytest.mark.row("1.77")
@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other"},
        {"aud": None},
        {"iss": "http://other.example"},
        {"exp": 1},
        {"exp": None},
        {"nbf": 9e9},
        {"kid": "two"},
        {"key": generate_private_key(public_exponent=65537, key_size=2048)},
    ],
    ids=" ".join,  # the claims, not their values: a key has another address each time
)
def test_a_token_that_is_not_good_is_401(gateway, issuer, claims):
    answer = bearer(gateway, issuer.token(**claims))

    assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.row("1.77")
@pytest.mark.parametrize("token", ["", "a.b.c", "nonsense", "é"])
def test_what_is_no_token_is_401(gateway, token):
    answer = gateway.request("GET", "/jwt", headers={"Authorization": f"Bearer {token}"})

    assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})


@pytest.mark.row("1.77")
@pytest.mark.parametrize(("key", "algorithm"), [("", "none"), ("secret" * 6, "HS256")])
def test_a_token_that_the_issuer_did_not_sign_is_401(gateway, issuer, key, algorithm):
    token = issuer.token(key=key, algorithm=algorithm)

    assert bearer(gateway, token).status == 401


@pytest.mark.row("1.77")
def test_a_token_of_an_issuer_that_does_not_answer_is_401(gateway, issuer):
    answer = gateway.request("GET", f"/unreachable?token={issuer.token()}")

    assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})


@pytest.mark.row("1.77")
def test_a_token_without_the_routes_scope_is_403(gateway, issuer):
    assert bearer(gateway, issuer.token(aud=None, client_id="api")).status == 200
    answer = bearer(gateway, issuer.token(scope="other"), "/scoped")

    assert (answer.status, answer.json) == (403, {"message": "Forbidden"})
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.row("1.77")
@pytest.mark.parametrize("path", ["/simple/1", "/policy/1", "/policy/1?user="])
def test_without_identity_it_is_401_and_nobody_is_asked(gateway, guard, path):
    before = len(guard.frames)
    answer = gateway.request("GET", path)

    assert (answer.status, answer.json) == (401, {"message": "Unauthorized"})
    assert len(guard.frames) == before


@pytest.mark.row("1.77")
def test_a_simple_answer_lets_in_and_its_context_may_hold_objects(gateway, guard):
    answer = gateway.request("GET", "/simple/1?a=b", headers={"X-User": "ann.1"})

    assert answer.json["requestContext"]["authorizer"] == {"lambda": {"of": {"team": ["a"]}}}
    question = guard.events[-1]
    assert (question["version"], question["type"]) == ("2.0", "REQUEST")
    assert question["routeArn"] == f"{ARN}/GET/simple/1"
    assert question["routeKey"] == "GET /simple/{id}"
    assert question["identitySource"] == ["ann.1"]
    assert question["rawQueryString"] == "a=b"


@pytest.mark.row("1.77")
@pytest.mark.parametrize(
    ("user", "status", "message"),
    [("bob", 403, "Forbidden"), ("odd", 500, "Internal Server Error")],
)
def test_a_simple_answer_may_be_no_and_has_to_be_one(gateway, guard, user, status, message):
    answer = gateway.request("GET", "/simple/1", headers={"X-User": user})

    assert (answer.status, answer.json) == (status, {"message": message})


@pytest.mark.row("1.77")
def test_only_an_answer_with_a_time_to_live_is_kept(gateway, guard):
    before = len(guard.frames)
    for path in ("/simple/1", "/simple/2"):
        assert gateway.request("GET", path, headers={"X-User": "ann.2"}).status == 200
    cached = len(guard.frames) - before
    for _ in range(2):
        assert gateway.request("GET", "/policy/1?user=eve").status == 200

    assert (cached, len(guard.frames) - before) == (1, 3)


@pytest.mark.row("1.77")
def test_a_policy_is_asked_for_the_route(gateway, guard):
    statuses = [gateway.request("GET", f"/policy/{each}?user=eve").status for each in (1, 2)]

    question = guard.events[-1]
    assert statuses == [200, 403]
    assert (question["version"], question["methodArn"]) == ("1.0", f"{ARN}/GET/policy/2")
    assert question["identitySource"] == question["authorizationToken"] == "eve"


@pytest.mark.row("1.63")
def test_the_gateway_answers_a_preflight(gateway):
    answer = gateway.request("OPTIONS", "/open", headers=ORIGIN)

    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["access-control-allow-methods"] == "GET,POST"
    assert answer.headers["access-control-allow-headers"] == "authorization"
    assert answer.headers["access-control-max-age"] == "60"
    assert answer.headers["access-control-allow-credentials"] == "true"


@pytest.mark.row("1.63")
def test_an_origin_that_is_not_configured_is_told_nothing(gateway):
    preflight = gateway.request("OPTIONS", "/open", headers={"Origin": "https://b.example"})
    answer = gateway.request("GET", "/open", headers={"Origin": "https://b.example"})

    assert (preflight.status, answer.status) == (204, 200)
    for each in (preflight, answer):
        assert not [name for name in each.headers if name.lower().startswith("access-control")]


@pytest.mark.row("1.63")
def test_the_functions_own_headers_of_cors_are_replaced(gateway):
    answer = gateway.request("GET", "/open", headers=ORIGIN)

    assert answer.headers.get_all("access-control-allow-origin") == ["https://a.example"]
    assert answer.headers["access-control-expose-headers"] == "x-a"
    assert answer.headers["X-A"] == "1"
