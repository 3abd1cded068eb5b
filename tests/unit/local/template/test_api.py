"""Routes, authorizers, answers and throttles of a template."""

import pytest

from local.template import Route, TemplateError, Throttle
from tests.unit.local.template.template_texts import API, FUNCTION, event

ROUTES = """
      Events:
        One: {Type: Api, Properties: {RestApiId: !Ref Api, Method: get, Path: /one}}
        Any:
          Type: Api
          Properties:
            {RestApiId: !Ref Api, Method: ANY, Path: "/any/{rest+}", Auth: {Authorizer: NONE}}
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      BinaryMediaTypes: [image~1png]
      MethodSettings:
        - {ResourcePath: /~1one, HttpMethod: GET, ThrottlingRateLimit: 5, ThrottlingBurstLimit: 9}
        - {ResourcePath: "/*", HttpMethod: "*", LoggingLevel: INFO}
      Auth:
        DefaultAuthorizer: Tokens
        Authorizers:
          Tokens:
            FunctionArn: !GetAtt Pages.Arn
            Identity: {ReauthorizeEvery: 60}
      GatewayResponses:
        THROTTLED:
          StatusCode: 420
          ResponseParameters:
            Headers: {Retry-After: "'1'", X-Id: context.requestId}
          ResponseTemplates: {application/problem+json: "{}"}
"""


def test_routes_know_their_function_and_their_authorizer(read):
    api = read(FUNCTION + ROUTES).api

    assert api.routes[0] == Route(
        method="GET", path="/one", function="Pages", authorizer="Tokens", key="GET /one"
    )
    assert [route.method for route in api.routes[1:]] == [
        "DELETE",
        "GET",
        "HEAD",
        "OPTIONS",
        "PATCH",
        "POST",
        "PUT",
    ]
    assert {route.authorizer for route in api.routes[1:]} == {None}


@pytest.mark.row("1.33", "1.75")
def test_an_integration_may_take_as_long_as_its_kind_of_api_lets_it(read):
    behind_http = "      Events: {A: {Type: HttpApi, Properties: {Method: GET, Path: /a}}}"

    assert read(FUNCTION + ROUTES).api.routes[0].timeout_ms == 29_000
    assert read(FUNCTION + behind_http).api.routes[0].timeout_ms == 30_000


@pytest.mark.row("1.58")
def test_the_answers_of_an_authorizer_are_kept_for_five_minutes_and_an_hour_at_most(read):
    def with_ttl(seconds):
        return FUNCTION + ROUTES.replace("ReauthorizeEvery: 60", seconds)

    assert read(with_ttl("Header: Authorization")).api.authorizers["Tokens"].ttl_s == 300
    assert read(with_ttl("ReauthorizeEvery: 3600")).api.authorizers["Tokens"].ttl_s == 3600
    with pytest.raises(TemplateError, match="3600"):
        read(with_ttl("ReauthorizeEvery: 3601"))


def test_the_api_brings_authorizers_responses_throttles_and_binary_types(read):
    api = read(FUNCTION + ROUTES).api

    tokens = api.authorizers["Tokens"]
    assert (tokens.function, tokens.kind, tokens.ttl_s) == ("Pages", "TOKEN", 60)
    assert tokens.sources == ("header.Authorization",)
    throttled = api.gateway_responses["THROTTLED"]
    assert throttled.status == 420
    assert throttled.headers == {
        "Content-Type": "application/problem+json",
        "Retry-After": "1",
        "X-Id": "$context.requestId",
    }
    assert throttled.body_template == "{}"
    assert api.throttles == (Throttle(path="/one", method="GET", rate_per_s=5, burst=9),)
    assert api.binary_types == ("image/png",)


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ("{RestApiId: !Ref Api, Method: GET, Path: nope}", "is no resource path"),
        ("{RestApiId: !Ref Api, Method: GET, Path: '/{a+}/b'}", "is no resource path"),
        ("{RestApiId: !Ref Api, Method: FETCH, Path: /a}", "is none of"),
        ("{Method: GET, Path: /a, RestApiId: Pages}", "Pages is no AWS::Serverless::Api"),
        ("{RestApiId: !Ref Api, Method: GET, Path: /a, Auth: {Authorizer: X}}", "not an author"),
    ],
)
def test_a_route_that_cannot_be_is_refused(read, properties, sentence):
    with pytest.raises(TemplateError) as caught:
        read(event(properties))

    assert sentence in str(caught.value)


def test_a_route_cannot_stand_twice(read):
    events = """
      Events:
        A: {Type: Api, Properties: {RestApiId: !Ref Api, Method: GET, Path: "/a/{b}"}}
        B: {Type: Api, Properties: {RestApiId: !Ref Api, Method: GET, Path: "/a/{c}"}}
"""
    with pytest.raises(TemplateError, match="is a route of Pages already"):
        read(API + FUNCTION + events)


@pytest.mark.parametrize("rate", ["-1", ".nan", ".inf", "fast"])
def test_a_rate_that_is_no_number_is_refused(read, rate):
    with pytest.raises(TemplateError, match=r"ThrottlingRateLimit: has to be a number from 0, not"):
        read(FUNCTION + ROUTES.replace("RateLimit: 5", f"RateLimit: {rate}"))


def test_a_route_of_an_http_api_may_have_a_limit_of_its_own(read):
    settings = "RouteSettings: {ThrottlingRateLimit: 5, ThrottlingBurstLimit: 9}"
    route = f"{{Path: /a, Method: get, {settings}}}"
    api = read(f"{FUNCTION}      Events: {{A: {{Type: HttpApi, Properties: {route}}}}}\n").api

    assert api.throttles == (Throttle(path="/a", method="GET", rate_per_s=5, burst=9),)
