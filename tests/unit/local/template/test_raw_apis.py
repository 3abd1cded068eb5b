"""APIs of CloudFormation's own resources, without SAM: what they say is what SAM's would say."""

import pytest

from local.template import Authorizer, JwtAuthorizer, TemplateError
from tests.unit.local.template.template_texts import FUNCTION

URI = (
    '!Sub "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Pages.Arn}'
    '/invocations"'
)
REST = f"""
  Api: {{Type: AWS::ApiGateway::RestApi, Properties: {{Name: pets}}}}
  Pets:
    Type: AWS::ApiGateway::Resource
    Properties: {{RestApiId: !Ref Api, ParentId: !GetAtt Api.RootResourceId, PathPart: pets}}
  Pet:
    Type: AWS::ApiGateway::Resource
    Properties: {{RestApiId: !Ref Api, ParentId: !Ref Pets, PathPart: "{{id}}"}}
  GetPet:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Pet
      HttpMethod: GET
      AuthorizationType: CUSTOM
      AuthorizerId: !Ref Tokens
      ApiKeyRequired: true
      Integration: {{Type: AWS_PROXY, IntegrationHttpMethod: POST, Uri: {URI}}}
  AnyOfRoot:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !GetAtt Api.RootResourceId
      HttpMethod: ANY
      AuthorizationType: NONE
      Integration: {{Type: AWS_PROXY, IntegrationHttpMethod: POST, Uri: {URI}}}
  Tokens:
    Type: AWS::ApiGateway::Authorizer
    Properties:
      RestApiId: !Ref Api
      Type: TOKEN
      Name: tokens
      IdentitySource: method.request.header.X-Token
      AuthorizerResultTtlInSeconds: 60
      AuthorizerUri: {URI}
  Teapot:
    Type: AWS::ApiGateway::GatewayResponse
    Properties: {{RestApiId: !Ref Api, ResponseType: UNAUTHORIZED, StatusCode: "418"}}
  Deployment: {{Type: AWS::ApiGateway::Deployment, Properties: {{RestApiId: !Ref Api}}}}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties:
      RestApiId: !Ref Api
      DeploymentId: !Ref Deployment
      StageName: live
      Variables: {{color: red}}
"""
PREFLIGHT = """
  Asked:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !Ref Pets
      HttpMethod: OPTIONS
      AuthorizationType: NONE
      Integration:
        Type: MOCK
        IntegrationResponses:
          - StatusCode: 200
            ResponseParameters: {method.response.header.Access-Control-Allow-Origin: "'*'"}
"""
HTTP = """
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: pets, ProtocolType: HTTP}}
  Called:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      IntegrationUri: !GetAtt Pages.Arn
      PayloadFormatVersion: "1.0"
      TimeoutInMillis: 5000
  Jwt:
    Type: AWS::ApiGatewayV2::Authorizer
    Properties:
      ApiId: !Ref Api
      AuthorizerType: JWT
      Name: jwt
      IdentitySource: [$request.header.Authorization]
      JwtConfiguration: {Audience: [pets], Issuer: "https://example.com"}
  GetPet:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: GET /pets/{id}
      Target: !Join [/, [integrations, !Ref Called]]
      AuthorizationType: JWT
      AuthorizerId: !Ref Jwt
      AuthorizationScopes: [read]
  Rest:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Api, RouteKey: $default, Target: !Sub "integrations/${Called}"}
  Stage: {Type: AWS::ApiGatewayV2::Stage, Properties: {ApiId: !Ref Api, StageName: live}}
"""


def test_a_rest_api_of_single_resources_has_their_routes_authorizers_and_stage(read):
    api = read(FUNCTION + REST + PREFLIGHT).api
    routes = {(route.method, route.path): route for route in api.routes}

    assert (api.kind, api.name, api.stage, api.variables) == (
        *("REST", "Api", "live"),
        {"color": "red"},
    )
    assert routes["GET", "/pets/{id}"].authorizer == "Tokens"
    assert routes["GET", "/pets/{id}"].needs_key
    assert routes["POST", "/"].authorizer is None
    assert api.authorizers["Tokens"] == Authorizer(
        name="Tokens",
        function="Pages",
        kind="TOKEN",
        sources=("header.X-Token",),
        validation=None,
        ttl_s=60,
    )
    assert api.gateway_responses["UNAUTHORIZED"].status == 418
    assert [(each.path, each.headers) for each in api.preflights] == [
        ("/pets", {"Access-Control-Allow-Origin": "*"})
    ]


def test_an_http_api_of_single_resources_has_their_routes_authorizers_and_stage(read):
    api = read(FUNCTION + HTTP).api
    route = next(route for route in api.routes if route.path == "/pets/{id}")

    assert (api.kind, api.stage) == ("HTTP", "live")
    assert (route.function, route.authorizer, route.scopes) == ("Pages", "Jwt", ("read",))
    assert (route.payload, route.timeout_ms) == ("1.0", 5000)
    assert "$default" in {route.path for route in api.routes}
    assert api.authorizers["Jwt"] == JwtAuthorizer(
        name="Jwt",
        source="header.Authorization",
        issuer="https://example.com",
        audience=("pets",),
    )


def test_an_http_api_with_a_target_has_a_default_route(read):
    quick = "{Name: quick, ProtocolType: HTTP, Target: !GetAtt Pages.Arn}"
    api = read(f"{FUNCTION}  Api: {{Type: AWS::ApiGatewayV2::Api, Properties: {quick}}}\n").api

    assert {(route.path, route.function, route.payload) for route in api.routes} == {
        ("$default", "Pages", "2.0")
    }


def test_a_deployment_may_name_the_stage(read):
    text = REST.replace("{RestApiId: !Ref Api}}", "{RestApiId: !Ref Api, StageName: early}}")

    assert read(FUNCTION + text).api.stage == "early"


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        (REST.replace("Type: AWS_PROXY", "Type: ODD", 1), "integrations of type odd are not"),
        (
            REST.replace("RestApiId: !Ref Api, ParentId: !Ref", "RestApiId: far, ParentId: !Ref"),
            "Pet",
        ),
        (HTTP.replace("ProtocolType: HTTP", "ProtocolType: MQTT"), "has to be HTTP or WEBSOCKET"),
    ],
)
def test_what_single_resources_ask_for_and_nobody_emulates_is_refused(read, resources, sentence):
    with pytest.raises(TemplateError, match=sentence):
        read(FUNCTION + resources)
