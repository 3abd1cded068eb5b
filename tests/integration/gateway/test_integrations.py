"""Routes whose integration is a queue, a mapped function, HTTP or a fixed answer."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

from tests.conftest import free_port
from tests.integration.gateway_process import Answer, GatewayProcess

HTTP_PORT = free_port()
FUNCTION = (
    "!Sub 'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Pages.Arn}"
    "/invocations'"
)
QUEUE = "!Sub 'arn:aws:apigateway:${AWS::Region}:sqs:path/${AWS::AccountId}/${Jobs.QueueName}'"
TEMPLATE = f"""
Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs: {{Type: AWS::SQS::Queue, Properties: {{QueueName: jobs}}}}
  Pages:
    Type: AWS::Serverless::Function
    Properties: {{Runtime: python3.13, Handler: pages.handler, CodeUri: functions}}
  Rest:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      DefinitionBody:
        x-amazon-apigateway-request-validators:
          all: {{validateRequestBody: true, validateRequestParameters: true}}
        x-amazon-apigateway-gateway-responses:
          BAD_REQUEST_BODY:
            responseTemplates:
              application/json: '{{"why": "$context.error.validationErrorString"}}'
        definitions:
          Pet: {{type: object, required: [name], properties: {{age: {{type: integer}}}}}}
        paths:
          /queue:
            post:
              x-amazon-apigateway-integration:
                type: aws
                uri: {QUEUE}
                passthroughBehavior: never
                requestTemplates:
                  application/json: Action=SendMessage&MessageBody=$util.urlEncode($input.body)
                responses:
                  default:
                    statusCode: 202
                    responseParameters: {{method.response.header.X-Kind: "'queued'"}}
                    responseTemplates:
                      application/json: >-
                        $input.json('$.SendMessageResponse.SendMessageResult.MessageId')
                  "4\\\\d\\\\d": {{statusCode: 400}}
          /mapped/{{id}}:
            post:
              x-amazon-apigateway-integration:
                type: aws
                uri: {FUNCTION}
                requestTemplates:
                  application/json: >-
                    {{"id": "$input.params('id')", "from": "$context.identity.sourceIp",
                    "names": [#foreach($each in $input.path('$.pets'))"$each.name"
                    #if($foreach.hasNext),#end#end]}}
                responses:
                  default: {{statusCode: 200}}
                  "Bad.*":
                    statusCode: 422
                    responseTemplates:
                      application/json: '{{"why": "$input.path(''$.errorMessage'')"}}'
          /fixed:
            get:
              x-amazon-apigateway-integration:
                type: mock
                requestTemplates: {{application/json: '{{"statusCode": 418}}'}}
                responses:
                  default: {{statusCode: 200}}
                  "418":
                    statusCode: 418
                    responseTemplates:
                      application/json: >-
                        #set($context.responseOverride.header.X-Tea = "green")
                        #set($context.responseOverride.status = 419){{"tea": true}}
          /valid/{{kind}}:
            post:
              x-amazon-apigateway-request-validator: all
              parameters:
                - {{name: q, in: query, required: true}}
                - {{name: X-A, in: header, required: true}}
                - {{name: Pet, in: body, schema: {{$ref: "#/definitions/Pet"}}}}
              x-amazon-apigateway-integration:
                type: mock
                requestTemplates:
                  application/json: '{{"statusCode": 200}}'
                  text/xml: '{{"statusCode": 200}}'
                responses: {{default: {{statusCode: 200}}}}
          /broken:
            get:
              x-amazon-apigateway-integration:
                type: mock
                requestTemplates: {{application/json: '#if($unclosed'}}
                responses: {{default: {{statusCode: 200}}}}
          /far/{{proxy+}}:
            x-amazon-apigateway-any-method:
              x-amazon-apigateway-integration:
                type: http_proxy
                httpMethod: ANY
                uri: FAR/{{proxy}}
                requestParameters:
                  integration.request.path.proxy: method.request.path.proxy
                  integration.request.header.X-Stage: context.stage
          /nowhere:
            get:
              x-amazon-apigateway-integration:
                {{type: http_proxy, httpMethod: GET, uri: "http://127.0.0.1:1/"}}
  Http:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefinitionBody:
        paths:
          /queue/{{kind}}:
            post:
              x-amazon-apigateway-integration:
                type: aws_proxy
                integrationSubtype: SQS-SendMessage
                payloadFormatVersion: "1.0"
                requestParameters:
                  QueueUrl: !Ref Jobs
                  MessageBody: "${{request.path.kind}}: ${{request.body.name}}"
"""


BROKEN_ANSWERS = {
    "/garbage": b"no HTTP\r\n\r\n",
    "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour",
    "/large": b"HTTP/1.1 200 OK\r\n\r\n" + bytes(10 * 1024 * 1024 + 1),
}


class Echo(BaseHTTPRequestHandler):
    """A server that returns the request it got, or an answer that is broken."""

    def do_GET(self) -> None:
        self.wfile.write(BROKEN_ANSWERS[self.path])

    def do_PUT(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        request = [self.path, self.headers.get("X-Stage"), self.rfile.read(length).decode()]
        body = json.dumps(request).encode()
        self.send_response(207)
        self.send_header("X-Far", "yes")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep the tests' output clean."""


@pytest.fixture(scope="module")
def far() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def gateway(
    valkey_server: str, far: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """Yield a gateway whose own SQS API is what its integrations call."""
    process = GatewayProcess(
        tmp_path_factory.mktemp("integrations"),
        TEMPLATE.replace("FAR", far),
        *("--api-port", str(HTTP_PORT)),
    )
    sqs_url = f"http://127.0.0.1:{process.invoke_port}"
    process.variables = {
        **os.environ,
        "REDIS_URL": valkey_server,
        "AWS_ENDPOINT_URL_SQS": sqs_url,
        "http_proxy": "http://127.0.0.1:1",  # which nothing on this machine is asked through
    }
    with process:
        process.environment("Pages", judge)
        yield process


@pytest.fixture
def http_api(gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch) -> GatewayProcess:
    """Return the gateway whose requests go to the HTTP API."""
    monkeypatch.setattr(gateway, "port", HTTP_PORT)
    return gateway


def judge(frame: dict[str, Any]) -> dict[str, Any]:
    """Return the event, or an error for the pet that is called so."""
    event = frame["event"]
    if "bad" in event["names"]:
        return {"error": {"errorType": "ValueError", "errorMessage": "Bad name"}}
    return {"result": event}


def posted(gateway: GatewayProcess, path: str, body: Any, kind: str = "application/json") -> Any:
    return gateway.request("POST", path, json.dumps(body), {"Content-Type": kind})


def bodies(gateway: GatewayProcess) -> list[str]:
    """Return the bodies of the messages on the queue, which are taken from it."""
    return [message["Body"] for message in messages(gateway)]


def messages(gateway: GatewayProcess) -> list[Any]:
    client = boto3.client(
        "sqs",
        region_name="eu-west-1",
        endpoint_url=f"http://127.0.0.1:{gateway.invoke_port}",
        aws_access_key_id="any",
        aws_secret_access_key="thing",
    )
    url = client.get_queue_url(QueueName="jobs")["QueueUrl"]
    received = client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["AWSTraceHeader"]
    )
    client.close()
    return list(received.get("Messages", []))


def spans_of(gateway: GatewayProcess, answer: Answer) -> list[dict[str, Any]]:
    path = f"/api/traces/{answer.headers['x-amzn-RequestId']}"
    return list(json.loads(gateway.console(path))["trace_spans"])


@pytest.mark.row("1.40")
def test_a_request_becomes_a_message_by_its_template(gateway, valkey):
    answer = posted(gateway, "/queue", {"a": "ä & b"})

    assert (answer.status, answer.headers["X-Kind"]) == (202, "queued")
    assert len(answer.json) == 36
    assert [json.loads(body) for body in bodies(gateway)] == [{"a": "ä & b"}]


def test_what_an_integration_calls_is_a_span_and_carries_the_trace_on(gateway, valkey):
    queued = posted(gateway, "/queue", {})
    request, call = spans_of(gateway, queued)
    mapped = posted(gateway, "/mapped/7", {"pets": []})

    assert (call["name"], call["kind"]) == ("sqs /000000000000/jobs", "client")
    (message,) = messages(gateway)
    header = message["Attributes"]["AWSTraceHeader"]
    assert header.endswith(f";Parent={call['id']};Sampled=1")
    assert call["parent_id"] == request["id"]
    names = [span["name"] for span in spans_of(gateway, mapped)]
    assert (names[0], names[-1]) == ("POST /mapped/{id}", "Pages")
    assert gateway.environments[0].frames[-1]["trace"].endswith(";Sampled=1")


@pytest.mark.row("1.40")
def test_a_content_type_without_a_template_is_415_where_nothing_passes_by(gateway, valkey):
    assert posted(gateway, "/queue", {}, "text/csv").status == 415
    assert bodies(gateway) == []


@pytest.mark.row("1.40")
def test_an_http_api_sends_a_message_of_the_parameters_it_names(gateway, http_api, valkey):
    answer = posted(http_api, "/queue/pet", {"name": "ada"})

    assert answer.status == 200
    assert b"<MessageId>" in answer.body
    assert bodies(gateway) == ["pet: ada"]


@pytest.mark.row("1.40")
def test_brackets_inside_brackets_without_end_are_read_as_what_is_no_json(http_api):
    answers = [http_api.request("POST", "/queue/pet", body) for body in ("[" * 100_000, "[")]

    assert [each.status for each in answers] == [200, 200]


@pytest.mark.row("1.40")
def test_a_function_gets_the_event_that_the_template_makes(gateway):
    answer = posted(gateway, "/mapped/7", {"pets": [{"name": "ada"}, {"name": "bob"}]})

    assert answer.status == 200
    assert answer.json == {"id": "7", "from": "127.0.0.1", "names": ["ada", "bob"]}


@pytest.mark.row("1.40")
def test_an_error_of_a_function_becomes_the_answer_whose_pattern_it_fits(gateway):
    answer = posted(gateway, "/mapped/7", {"pets": [{"name": "bad"}]})

    assert (answer.status, answer.json) == (422, {"why": "Bad name"})


@pytest.mark.row("1.40")
def test_a_mock_answers_by_the_status_of_its_template_which_another_overrides(gateway):
    answer = gateway.request("GET", "/fixed")

    assert (answer.status, answer.headers["X-Tea"]) == (419, "green")
    assert answer.json == {"tea": True}


@pytest.mark.row("1.40")
def test_a_request_goes_on_to_an_http_server_and_its_answer_comes_back(gateway):
    answer = gateway.request("PUT", "/far/a/b?c=d", "text", {"X-Other": "1"})

    assert (answer.status, answer.headers["X-Far"]) == (207, "yes")
    assert answer.json == ["/a/b?c=d", "prod", "text"]


@pytest.mark.row("1.40")
@pytest.mark.parametrize(
    "path", ["/nowhere", "/broken", *(f"/far{path}" for path in BROKEN_ANSWERS)]
)
def test_an_integration_that_comes_to_nothing_is_500(gateway, path):
    answer = gateway.request("GET", path)

    assert (answer.status, answer.json) == (500, {"message": "Internal server error"})


def validated(gateway: GatewayProcess, target: str, body: bytes, kind: str = "") -> Any:
    headers = {"X-A": "a", **({"Content-Type": kind} if kind else {})}
    return gateway.request("POST", f"/valid/{target}", body, headers)


@pytest.mark.row("1.67")
def test_a_request_without_its_parameters_is_refused_by_their_names(gateway):
    answer = gateway.request("POST", "/valid/a?q=", b'{"name": "ada"}', {})

    assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (400, "BadRequestException")
    assert answer.json == {"message": "Missing required request parameters: [q, X-A]"}


@pytest.mark.row("1.67")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "Can not parse JSON body"),
        (b"{", "Can not parse JSON body"),
        (b"[]", "body must be object"),
        (b"{}", "body must contain ['name'] properties"),
        (b'{"name": 1, "age": "x"}', "body.age must be integer"),
    ],
)
def test_a_body_that_does_not_fit_its_model_is_refused(gateway, body, reason):
    answer = validated(gateway, "a?q=1", body)

    assert (answer.status, answer.json) == (400, {"why": reason})


@pytest.mark.row("1.67")
def test_a_valid_request_and_one_of_a_type_without_a_model_go_on(gateway):
    valid = validated(gateway, "a?q=1", b'{"name": "ada", "age": 3}', "application/json; x=y")

    assert valid.status == 200
    assert validated(gateway, "a?q=1", b"<a/>", "text/xml").status == 200
