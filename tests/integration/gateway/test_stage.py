"""Settings of an API and its routes in a template: CORS, variables, time-outs, the access log."""

import json
import threading
from collections.abc import Iterator

import pytest

from tests.conftest import wait_until
from tests.integration.gateway.guard import GUARDED, policy
from tests.integration.gateway_process import GatewayProcess, ok, returns

TEMPLATE = (
    GUARDED
    + """\
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      Variables: {color: blue}
      Cors: {AllowOrigin: "'https://a.example'", AllowHeaders: "'X-A'", MaxAge: "'60'"}
      AccessLogSetting:
        DestinationArn: arn:aws:logs:eu-west-1:000000000000:log-group:a
        Format: >-
          {"id":"$context.requestId","key":"$context.httpMethod $context.path","s":$context.status,
          "who":"$context.authorizer.principalId","error":"$context.error.message"}
      Auth:
        DefaultAuthorizer: Tokens
        AddDefaultAuthorizerToCorsPreflight: false
        Authorizers: {Tokens: {FunctionArn: !GetAtt Guard.Arn}}
  One:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.one
      Events:
        Any: {Type: Api, Properties: {RestApiId: !Ref Api, Method: ANY, Path: "/pages/{id}"}}
  Slow:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.slow
      Events:
        Post:
          Type: Api
          Properties:
            {RestApiId: !Ref Api, Method: POST, Path: /slow, TimeoutInMillis: 200,
             Auth: {Authorizer: NONE}}
  Two:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.two
      Events:
        Get: {Type: Api, Properties: {RestApiId: !Ref Api, Method: GET, Path: "/pages/{name}"}}
"""
)
TOKEN = {"Authorization": "t"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), TEMPLATE) as process:
        process.environment("Guard", returns(policy("Allow", "*")))
        process.environment("Two", ok)
        yield process


@pytest.mark.row("1.62")
def test_a_preflight_is_answered_without_a_function(gateway):
    origin = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    answer = gateway.request("OPTIONS", "/slow", headers=origin)

    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert answer.headers["Access-Control-Allow-Methods"] == "OPTIONS,POST"
    assert answer.headers["Access-Control-Allow-Headers"] == "X-A"
    assert answer.headers["Access-Control-Max-Age"] == "60"
    assert answer.headers["x-amzn-RequestId"]


@pytest.mark.row("1.62")
def test_neither_functions_answers_nor_errors_get_headers_of_cors(gateway):
    answers = [gateway.request("GET", path, headers=TOKEN) for path in ("/pages/1", "/nope")]

    assert [answer.status for answer in answers] == [200, 403]
    assert all("Access-Control-Allow-Origin" not in answer.headers for answer in answers)


@pytest.mark.row("1.2")
def test_the_function_gets_the_variables_of_the_stage(gateway):
    event = gateway.request("GET", "/pages/1", headers=TOKEN).json

    assert event["stageVariables"] == {"color": "blue"}


@pytest.mark.row("1.16")
def test_any_stands_for_the_methods_that_its_path_has_not(gateway):
    one = gateway.environment("One", ok)

    for method in ("GET", "PUT", "HEAD"):
        assert gateway.request(method, "/pages/1", headers=TOKEN).status == 200

    assert [event["httpMethod"] for event in one.events] == ["PUT", "HEAD"]


@pytest.mark.row("1.33")
def test_after_the_integrations_time_out_it_is_504_while_the_function_goes_on(gateway):
    release, finished = threading.Event(), threading.Event()

    def slowly(frame):
        release.wait(5)
        finished.set()
        return ok(frame)

    gateway.environment("Slow", slowly)
    answer = gateway.request("POST", "/slow")

    assert (answer.status, answer.json) == (504, {"message": "Endpoint request timed out"})
    assert not finished.is_set()
    release.set()
    assert finished.wait(5)
    wait_until(lambda: gateway.metric('gateway_environments{function="Slow",state="idle"}') == 1)
    assert gateway.request("POST", "/slow").status == 200


@pytest.mark.row("1.39")
def test_the_access_log_is_worded_by_the_template(gateway):
    answers = [gateway.request("GET", path, headers=TOKEN) for path in ("/pages/%22", "/nope")]
    log = gateway.state / "logs" / "access.log"
    ids = [answer.headers["x-amzn-RequestId"] for answer in answers]
    wait_until(lambda: log.exists() and all(each in log.read_text() for each in ids))

    entries = {entry["id"]: entry for entry in map(json.loads, log.read_text().splitlines())}

    assert entries[ids[0]] == {
        "id": ids[0],
        "key": "GET /prod/pages/%22",
        "s": 200,
        "who": "ann",
        "error": "null",
    }
    assert entries[ids[1]]["error"] == "Missing Authentication Token"
