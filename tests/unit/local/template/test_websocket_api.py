"""WebSocket APIs of a template, as SAM's own resource and written part by part."""

import pytest

from local.template import TemplateError
from tests.unit.local.template.template_texts import FUNCTION

OF_SAM = """
  Chat:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      RouteSelectionExpression: $request.body.kind
      StageName: live
      Auth: {AuthType: CUSTOM, AuthArn: !GetAtt Pages.Arn, IdentitySource: [route.request.header.A]}
      Routes:
        $connect: {FunctionArn: !GetAtt Pages.Arn}
        say: {FunctionArn: !GetAtt Pages.Arn, IntegrationTimeout: 500}
"""
PARTS = """
  Chat:
    Type: AWS::ApiGatewayV2::Api
    Properties: {ProtocolType: WEBSOCKET, RouteSelectionExpression: "${request.body.kind}"}
  Store:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Chat
      IntegrationType: AWS
      IntegrationUri: !Sub arn:aws:apigateway:${AWS::Region}:sqs:path/${AWS::AccountId}/jobs
      RequestTemplates: {$default: "Action=SendMessage&MessageBody=$input.body"}
  Say:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Chat, RouteKey: say, Target: !Sub "integrations/${Store}"}
"""


def test_sams_own_websocket_api_has_routes_and_one_authorizer(read):
    api = read(FUNCTION + OF_SAM).apis[0]

    assert (api.kind, api.stage, api.selection) == ("WEBSOCKET", "live", ("kind",))
    assert [
        (route.key, route.function, route.authorizer, route.timeout_ms) for route in api.routes
    ] == [
        ("$connect", "Pages", "Authorizer", 29_000),
        ("say", "Pages", None, 500),
    ]
    assert api.authorizers["Authorizer"].sources == ("header.A",)


def test_a_route_may_lead_to_a_service(read):
    (route,) = read(FUNCTION + PARTS).apis[0].routes

    assert route.integration.service == "sqs"
    assert route.integration.templates == {
        "application/json": "Action=SendMessage&MessageBody=$input.body"
    }


def test_what_refers_to_a_websocket_api_gets_its_address(read, monkeypatch):
    monkeypatch.setenv("SPILLWAY_API_URLS", '{"": "http://127.0.0.1:1"}')
    at_aws = "${Chat}.execute-api.${AWS::Region}.amazonaws.com/live"
    variables = (
        f"{{A: !Sub 'wss://{at_aws}', B: !Sub 'https://{at_aws}', C: !GetAtt Chat.ApiEndpoint}}"
    )
    function = FUNCTION + f"      Environment: {{Variables: {variables}}}\n"

    assert read(function + PARTS).functions["Pages"].environment == {
        "A": "ws://127.0.0.1:1/live",
        "B": "http://127.0.0.1:1/live",
        "C": "ws://127.0.0.1:1",
    }


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("$request.body.kind", "$request.header.kind", "use \\$request.body.NAME"),
        ("route.request.header.A", "A", "has to be route.request.header.NAME"),
        ("AuthType: CUSTOM", "AuthType: JWT", "JWT is none of NONE, AWS_IAM, CUSTOM"),
        ("say: {FunctionArn: !GetAtt Pages.Arn", "say: {FunctionArn: far", "far is no function"),
    ],
)
def test_what_a_websocket_api_cannot_have_is_refused(read, before, after, sentence):
    with pytest.raises(TemplateError, match=sentence):
        read(FUNCTION + OF_SAM.replace(before, after))
