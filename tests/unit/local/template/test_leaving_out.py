"""APIs that are not emulated whole: function URLs, authorizers of AWS's own."""

import pytest

from local.template import TemplateError
from tests.unit.local.template.template_texts import API, FUNCTION, event, property_of_function

OTHER = FUNCTION.replace("Pages:", "Other:")
JWT = """
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Tokens
        Authorizers:
          Tokens:
            AuthorizationScopes: [read]
            JwtConfiguration: {issuer: "https://example.com", audience: [a]}
            IdentitySource: $request.header.Authorization
"""


def test_a_functions_url_is_the_default_route_of_an_http_api(read):
    url = "FunctionUrlConfig: {AuthType: NONE, Cors: {AllowOrigins: ['*'], AllowMethods: [GET]}}"
    api = read(property_of_function(url)).api

    assert (api.kind, api.stage) == ("HTTP", "$default")
    assert {(route.key, route.function, route.payload) for route in api.routes} == {
        ("$default", "Pages", "2.0")
    }
    assert api.cors is not None
    assert api.cors.methods == ("GET",)


URL = "      FunctionUrlConfig: {AuthType: NONE}\n"


def test_a_url_that_is_not_emulated_is_refused_and_leaves_its_function(read):
    resources = FUNCTION + URL.replace("NONE", "NONE, InvokeMode: RESPONSE_STREAM")
    with pytest.raises(TemplateError) as caught:
        read(resources)
    template = read(resources, allow_unsupported=True)

    assert "FunctionUrlConfig.InvokeMode: responses are not streamed" in str(caught.value)
    assert "Pages" in template.functions
    assert len(template.warnings) == 1


@pytest.mark.parametrize(
    ("auth", "scopes"), [("", ("read",)), (", Auth: {AuthorizationScopes: [write]}", ("write",))]
)
def test_scopes_of_a_token_authorizer_hold_for_routes_that_name_none(read, auth, scopes):
    route = f"{{Path: /a, Method: GET, ApiId: !Ref Api{auth}}}"
    events = f"      Events: {{A: {{Type: HttpApi, Properties: {route}}}}}\n"

    assert read(JWT + FUNCTION + events).api.routes[0].scopes == scopes


@pytest.mark.parametrize(
    "unknown",
    ['issuer: !Sub "https://cognito-idp.com/${Pool}", audience: [a]', "audience: [!Ref Pool]"],
)
def test_tokens_of_a_pool_that_is_on_aws_only_are_asked_of_nobody(read, unknown):
    api = JWT.replace('issuer: "https://example.com", audience: [a]', unknown)
    route = "{Path: /a, Method: GET, ApiId: !Ref Api}"
    events = f"      Events: {{A: {{Type: HttpApi, Properties: {route}}}}}\n"
    text = api + FUNCTION + events + "  Pool: {Type: AWS::Cognito::UserPool}\n"
    if "issuer" not in unknown:
        text = text.replace("audience:", "issuer: x, audience:")

    with pytest.raises(TemplateError, match="only AWS knows"):
        read(text)
    template = read(text, allow_unsupported=True)
    assert template.api.routes[0].authorizer is None
    assert len(template.warnings) == 1


def test_an_event_whose_value_only_aws_knows_is_left_out_of_its_function(read):
    text = event("{Path: !ImportValue Path, Method: GET, RestApiId: !Ref Api}")
    template = read(text, allow_unsupported=True)

    assert set(template.functions) == {"Pages"}
    assert template.api.routes == ()


def test_a_layer_that_is_not_emulated_is_left_out_with_its_use(read):
    layer = "  Far: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: 's3://b/k'}}\n"
    text = property_of_function("Layers: [!Ref Far]") + layer + API
    template = read(text, allow_unsupported=True)

    assert template.functions["Pages"].layers == ()
    assert [warning.split(": ")[1] for warning in template.warnings] == ["Far"]
