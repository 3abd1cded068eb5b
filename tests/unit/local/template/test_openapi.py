"""The OpenAPI definition of a template's API."""

import json
import re
from typing import Any

import pytest

from local.template import JwtAuthorizer, TemplateError
from tests.unit.local.template.template_texts import API, FUNCTION

URI = (
    "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:eu-west-1:000000000000:function:{}/invocations"
)
HEADER = "method.response.header."
CORS = {
    f"{HEADER}Access-Control-Allow-Origin": "'*'",
    f"{HEADER}Access-Control-Max-Age": "'600'",
}
GATE = {
    "type": "token",
    "authorizerUri": URI.format("Pages"),
    "authorizerResultTtlInSeconds": 60,
    "identityValidationExpression": "Bearer .*",
}


def to(function: str = "Pages", **more: Any) -> dict[str, Any]:
    """Return an operation that a function answers."""
    integration = {"type": "aws_proxy", "httpMethod": "POST", "uri": URI.format(function)}
    return {"x-amazon-apigateway-integration": integration, **more}


DEFINITION: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "pages"},
    "paths": {
        "/": {"get": to()},
        "/items/{id}": {
            "parameters": [{"name": "id", "in": "path"}],
            "x-amazon-apigateway-any-method": to(security=[{"gate": []}]),
            "options": {
                "x-amazon-apigateway-integration": {
                    "type": "mock",
                    "responses": {"default": {"statusCode": "200", "responseParameters": CORS}},
                }
            },
        },
        "/keyed": {"post": to(security=[{"key": [], "gate": []}])},
    },
    "securityDefinitions": {
        "gate": {
            "type": "apiKey",
            "name": "X-Token",
            "in": "header",
            "x-amazon-apigateway-authorizer": GATE,
        },
        "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
    },
    "x-amazon-apigateway-binary-media-types": ["image/png"],
    "x-amazon-apigateway-gateway-responses": {
        "THROTTLED": {
            "statusCode": 420,
            "responseParameters": {"gatewayresponse.header.Retry-After": "'1'"},
        }
    },
}


def described(definition: object, kind: str = "Api", more: str = "") -> str:
    """Return the function and an API of that definition."""
    stage = "StageName: prod, " if kind == "Api" else ""
    body = f"{stage}DefinitionBody: {json.dumps(definition)}{more}"
    return f"{FUNCTION}  Api: {{Type: AWS::Serverless::{kind}, Properties: {{{body}}}}}\n"


def test_operations_of_functions_are_routes_with_their_authorizer_and_key(read):
    template = read(described(DEFINITION))

    routes = [
        (route.method, route.path, route.function, route.authorizer, route.needs_key)
        for route in template.api.routes
        if route.method in ("GET", "POST")
    ]
    assert template.warnings == ()
    assert routes == [
        ("GET", "/", "Pages", None, False),
        ("GET", "/items/{id}", "Pages", "gate", False),
        ("POST", "/items/{id}", "Pages", "gate", False),
        ("POST", "/keyed", "Pages", "gate", True),
    ]


def test_a_definition_in_a_file_names_the_account_without_a_function(read):
    operation = to()
    uri = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:Pages"
    operation["x-amazon-apigateway-integration"]["uri"] = (
        f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/{uri}"
        "/invocations"
    )
    (route,) = read(described({"openapi": "3.0.1", "paths": {"/a": {"get": operation}}})).api.routes

    assert route.function == "Pages"


def test_what_the_definition_says_of_the_whole_api_is_the_apis(read):
    api = read(described(DEFINITION)).api

    gate = api.authorizers["gate"]
    assert (gate.function, gate.kind, gate.ttl_s) == ("Pages", "TOKEN", 60)
    assert (gate.sources, gate.validation) == (("header.X-Token",), "Bearer .*")
    assert api.binary_types == ("image/png",)
    assert api.gateway_responses["THROTTLED"].status == 420
    assert api.gateway_responses["THROTTLED"].headers == {"Retry-After": "1"}


def test_a_preflight_answers_what_its_mock_says_and_cors_adds_the_others(read):
    api = read(described(DEFINITION, more=", Cors: \"'example.com'\"")).api

    answers = {each.path: each.headers["Access-Control-Allow-Origin"] for each in api.preflights}
    assert answers == {"/items/{id}": "*", "/": "example.com", "/keyed": "example.com"}
    assert api.preflights[0].headers["Access-Control-Max-Age"] == "600"


def test_an_authorizer_of_requests_knows_its_sources(read):
    sources = "method.request.header.A, method.request.querystring.b context.identity.sourceIp"
    gate = {"type": "request", "authorizerUri": URI.format("Pages"), "identitySource": sources}
    schemes = {"gate": {"type": "apiKey", "x-amazon-apigateway-authorizer": gate}}
    api = read(described({**DEFINITION, "securityDefinitions": schemes, "paths": {}})).api

    expected = ("header.A", "querystring.b", "context.identity.sourceIp")
    assert api.authorizers["gate"].sources == expected


def test_the_definition_of_an_http_api_has_formats_a_default_route_and_tokens(read):
    jwt = {
        "type": "jwt",
        "jwtConfiguration": {"issuer": "https://example.com", "audience": ["a"]},
        "identitySource": "$request.header.Authorization",
    }
    operation = to()
    operation["x-amazon-apigateway-integration"]["payloadFormatVersion"] = "1.0"
    definition = {
        "openapi": "3.0.1",
        "paths": {"/a": {"get": operation}, "$default": {"x-amazon-apigateway-any-method": to()}},
        "components": {
            "securitySchemes": {"jwt": {"type": "oauth2", "x-amazon-apigateway-authorizer": jwt}}
        },
        "x-amazon-apigateway-cors": {"allowOrigins": ["https://example.com"]},
    }
    api = read(described(definition, kind="HttpApi")).api

    assert isinstance(api.authorizers["jwt"], JwtAuthorizer)
    assert [(route.key, route.payload) for route in api.routes[:2]] == [
        ("GET /a", "1.0"),
        ("$default", "2.0"),
    ]
    assert api.cors is not None
    assert api.cors.origins == ("https://example.com",)


@pytest.mark.parametrize(("more", "paths"), [("", 3), (", MergeDefinitions: true", 4)])
def test_events_add_routes_only_where_they_are_merged(read, more, paths):
    events = "Events: {A: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /more, Method: get}}}"
    text = described(DEFINITION, more=more)
    api = read(text.replace("CodeUri: .\n", f"CodeUri: .\n      {events}\n")).api

    assert len({route.path for route in api.routes}) == paths


@pytest.mark.parametrize("inclusion", ["Uri", "Body"])
def test_the_definition_may_stand_in_a_file(read, tmp_path, inclusion):
    (tmp_path / "api.json").write_text(json.dumps(DEFINITION))
    include = "{Fn::Transform: {Name: AWS::Include, Parameters: {Location: api.json}}}"
    value = "api.json" if inclusion == "Uri" else include
    text = described("").replace('DefinitionBody: ""', f"Definition{inclusion}: {value}")

    assert len({route.path for route in read(text).api.routes}) == 3


def preflight(**response: Any) -> dict[str, Any]:
    """Return a preflight with that answer."""
    mock = {"type": "mock", "responses": {"default": response}}
    return {"get": to(), "options": {"x-amazon-apigateway-integration": mock}}


REFUSED = [
    ({"/": preflight(statusCode=204)}, "statusCode: preflights are answered with 200 only"),
    (
        {"/": preflight(responseParameters={f"{HEADER}A": "context.requestId"})},
        "only headers with a fixed 'text'",
    ),
    (
        {"/": {"get": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": "arn"}}}},
        "uri: arn names no function",
    ),
    ({"/": {"get": {"x-amazon-apigateway-integration": {"type": "odd"}}}}, "type odd are not emul"),
    ({"/": {"get": to("Nobody")}}, "Nobody is no function of this template"),
]


@pytest.mark.parametrize(("paths", "sentence"), REFUSED)
def test_an_operation_that_is_not_emulated_is_refused_and_can_be_left_out(read, paths, sentence):
    text = described({"openapi": "3.0.1", "paths": {**paths, "/b": {"get": to()}}})

    with pytest.raises(TemplateError, match=rf"Api: DefinitionBody.paths./.*{sentence}"):
        read(text)
    template = read(text, allow_unsupported=True)
    assert "/b" in {route.path for route in template.api.routes}
    assert len(template.warnings) == 1


@pytest.mark.parametrize("place", ["s3://bucket/api.yaml", "{Bucket: b, Key: k}"])
def test_a_definition_in_s3_is_refused_by_name(read, place):
    text = described("").replace('DefinitionBody: ""', f"DefinitionUri: {place}")

    with pytest.raises(TemplateError, match="Api: DefinitionUri: a definition in S3"):
        read(text)


def test_a_definition_that_is_not_there_is_named(read, tmp_path):
    text = described("").replace('DefinitionBody: ""', "DefinitionUri: api.yaml")

    with pytest.raises(TemplateError, match=re.escape(f"{tmp_path / 'api.yaml'}: cannot read")):
        read(text)


def test_a_definition_that_a_deployment_copies_is_the_file_beside_the_template(read, tmp_path):
    (tmp_path / "api.yaml").write_text(
        "paths:\n  /a:\n    get:\n      x-amazon-apigateway-integration:\n"
        "        {type: mock, responses: {default: {statusCode: '200'}}}\n"
    )
    include = "{Name: AWS::Include, Parameters: {Location: !Sub 's3://${Bucket}/api.yaml'}}"
    text = f"{API}      DefinitionBody: {{Fn::Transform: {include}}}\n"
    api = read(text, before="Parameters: {Bucket: {Type: String}}").api

    assert [route.key for route in api.routes] == ["GET /a"]


def test_a_path_without_its_first_slash_has_one_as_on_aws(read):
    template = read(described({"openapi": "3.0.1", "paths": {"{proxy+}": {"post": to()}}}))

    assert [(route.method, route.path) for route in template.api.routes] == [("POST", "/{proxy+}")]
    (warning,) = template.warnings
    assert "paths.{proxy+}: should begin with a slash" in warning
