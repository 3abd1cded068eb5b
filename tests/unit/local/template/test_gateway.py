"""Keys, plans, CORS, authorizers and HTTP APIs of a template: what is read, what is refused."""

import pytest

from local.commands.explain import explained
from local.template import ApiKey, Quota, TemplateError, Throttle
from tests.unit.local.template.template_texts import FUNCTION, event

REST = """
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
"""
HTTP = """
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Description: an API
"""
KEY = "  Key: {Type: AWS::ApiGateway::ApiKey, Properties: {Enabled: true%s}}\n"
PLAN = """
  Plan:
    Type: AWS::ApiGateway::UsagePlan
    Properties:
      ApiStages: [{ApiId: !Ref Api, Stage: %s, Throttle: {/a/b/GET: {RateLimit: 2}}}]
      Throttle: {RateLimit: 5, BurstLimit: 9}
      Quota: {Limit: 7, Period: DAY}
  Member:
    Type: AWS::ApiGateway::UsagePlanKey
    Properties: {KeyId: !Ref Key, KeyType: API_KEY, UsagePlanId: !Ref Plan}
"""


def events(*routes: str, kind: str = "Api", reference: str = "RestApiId: !Ref Api, ") -> str:
    """Return the function with a route for each of `routes`."""
    lines = [
        f"        E{number}: {{Type: {kind}, Properties: {{{reference}{route}}}}}\n"
        for number, route in enumerate(routes)
    ]
    return f"{FUNCTION}      Events:\n{''.join(lines)}"


def test_a_plan_has_its_keys_throttles_and_quota(read):
    plans = read(REST + KEY % ", Value: 0123456789-0123456789" + PLAN % "prod").api.usage_plans

    assert plans[0].keys == (ApiKey(id="Key", value="0123456789-0123456789", is_enabled=True),)
    assert plans[0].quota == Quota(limit=7, period="DAY")
    assert plans[0].throttles == (
        Throttle(path="/*", method="*", rate_per_s=5, burst=9),
        Throttle(path="/a/b", method="GET", rate_per_s=2, burst=5000),
    )


def test_a_plan_of_another_stage_is_not_the_apis(read):
    assert read(REST + KEY % "" + PLAN % "test").api.usage_plans == ()


@pytest.mark.row("1.36", "1.64")
def test_a_key_is_in_one_plan_of_a_stage(read):
    second = PLAN.replace("  Plan:", "  Second:").replace("  Member:", "  Other:")
    plans = PLAN % "prod" + second.replace("!Ref Plan", "!Ref Second")

    assert read(REST + KEY % "" + plans % "test").api.usage_plans[0].name == "Plan"
    with pytest.raises(TemplateError, match="Plan and Second, plans of one stage, both have it"):
        read(REST + KEY % "" + plans % "prod")


@pytest.mark.row("1.64")
def test_a_key_without_a_value_has_one_that_stays_the_same(read):
    values = {
        read(REST + KEY % "" + PLAN % "prod").api.usage_plans[0].keys[0].value for _ in range(2)
    }

    assert len(values) == 1
    assert 20 <= len(values.pop()) <= 128


def test_explain_tells_what_to_send_as_key(read):
    template = read(REST + KEY % ", Value: 0123456789-0123456789" + PLAN % "prod")

    assert explained(template)["API keys"] == [
        {
            "key": "Key",
            "plan": "Plan",
            "x-api-key": "0123456789-0123456789",
            "quota": "7 a day",
        }
    ]


def test_any_is_spelled_out_but_for_the_methods_that_stand_beside_it(read):
    api = read(REST + events('Method: ANY, Path: "/a/{b}"', 'Method: get, Path: "/a/{c}"')).api

    assert sorted((route.method, route.path) for route in api.routes) == [
        ("DELETE", "/a/{b}"),
        ("GET", "/a/{c}"),
        ("HEAD", "/a/{b}"),
        ("OPTIONS", "/a/{b}"),
        ("PATCH", "/a/{b}"),
        ("POST", "/a/{b}"),
        ("PUT", "/a/{b}"),
    ]


def test_cors_gives_every_path_without_options_a_preflight(read):
    cors = "      Cors: \"'*'\"\n      Auth: {ApiKeyRequired: true}\n"
    routes = ("Method: get, Path: /a", "Method: post, Path: /a", "Method: options, Path: /b")
    api = read(REST + cors + events(*routes)).api

    preflight = api.preflights[0]
    assert [each.path for each in api.preflights] == ["/a"]
    assert preflight.headers == {
        "Access-Control-Allow-Methods": "GET,OPTIONS,POST",
        "Access-Control-Allow-Origin": "*",
    }
    assert preflight.needs_key


def test_an_api_that_nobody_declares_is_made_with_the_globals(read):
    rest = read(
        events("Method: get, Path: /a", reference=""),
        before="Globals: {Api: {BinaryMediaTypes: [a/b]}}",
    ).api
    http = read(events("Method: get, Path: /a", kind="HttpApi", reference="")).api

    assert (rest.kind, rest.stage, rest.binary_types) == ("REST", "Prod", ("a/b",))
    assert (http.kind, http.stage, http.routes[0].payload) == ("HTTP", "$default", "2.0")


def test_an_event_without_a_path_is_the_default_route(read):
    api = read(HTTP + events("TimeoutInMillis: 50", kind="HttpApi", reference="ApiId: !Ref Api, "))

    assert {(route.key, route.path) for route in api.api.routes} == {("$default", "$default")}
    assert len(api.api.routes) == 7


@pytest.mark.row("1.78")
@pytest.mark.parametrize(
    "line",
    [
        *("ApiKeySourceType: HEADER", "Auth: {ApiKeyRequired: true}", "Auth: {UsagePlan: {}}"),
        *("BinaryMediaTypes: [a/b]", "GatewayResponses: {}", "Models: {}", "TracingEnabled: true"),
    ],
)
def test_what_only_a_rest_api_has_is_not_for_an_http_api(read, line):
    route = "Method: get, Path: /a"

    with pytest.raises(TemplateError, match="is not emulated"):
        read(
            HTTP + f"      {line}\n" + events(route, kind="HttpApi", reference="ApiId: !Ref Api, ")
        )


TOKENS = "      Auth: {Authorizers: {A: {FunctionArn: !GetAtt Pages.Arn, %s}}}\n" + FUNCTION


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        (REST + "      Cors: '*'", "Cors.AllowOrigin: .* single quotes"),
        (REST + "      ApiKeySourceType: COOKIE", "neither HEADER nor AUTHORIZER"),
        (REST + "      AccessLogSetting: {Format: '$context.status'}", "name .context.requestId"),
        (REST + "      Auth: {UsagePlan: {CreateUsagePlan: SOME}}", "none of PER_API"),
        (REST + KEY % ", Value: short", "20 to 128 characters"),
        (REST + (PLAN % "prod"), "Ref Key: no such"),
        (REST + KEY % "" + (PLAN % "prod").replace("DAY", "YEAR"), "none of DAY, WEEK, MONTH"),
        (REST + KEY % "" + (PLAN % "prod").replace("DAY", "DAY, Offset: 1"), "Offset"),
        (REST + TOKENS % "FunctionPayloadType: X", "neither TOKEN nor REQUEST"),
        (REST + TOKENS % "FunctionPayloadType: REQUEST", "needs a source of identity"),
        (REST + TOKENS % "Identity: {ValidationExpression: '('}", "no regular expression"),
        (REST + "      Auth: {Authorizers: {A: {}}}", "an authorizer without"),
        (REST + events("Method: get, Path: /a, TimeoutInMillis: 30000"), "50 to 29000"),
        (
            REST + events("Method: get, Path: /a", kind="HttpApi", reference="ApiId: !Ref Api, "),
            "Api is no AWS::",
        ),
        (HTTP + "      GatewayResponses: {}", "GatewayResponses: is not emulated"),
        (HTTP + TOKENS % "AuthorizerPayloadFormatVersion: '3.0'", "has to be 1.0, or 2.0"),
        (
            HTTP + TOKENS % "AuthorizerPayloadFormatVersion: '1.0', EnableSimpleResponses: true",
            "simple responses need it",
        ),
        (
            HTTP + "      Auth: {Authorizers: {A: {JwtConfiguration: {}, IdentitySource: x}}}",
            "has to be .request.header",
        ),
        (
            HTTP + "      CorsConfiguration: {AllowOrigins: ['*'], AllowCredentials: true}",
            "needs origins by name",
        ),
        (
            HTTP
            + events(
                "Method: get, Path: /a, PayloadFormatVersion: '3.0'",
                kind="HttpApi",
                reference="ApiId: !Ref Api, ",
            ),
            "neither 1.0 nor 2.0",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(read, resources, sentence):
    with pytest.raises(TemplateError, match=sentence):
        read(resources)


@pytest.mark.parametrize(("value", "is_allowed"), [("\"'*'\"", True), ("'false'", False)])
def test_credentials_are_allowed_by_whatever_sam_takes_for_true(read, value, is_allowed):
    cors = f"Cors: {{AllowOrigin: \"'https://a'\", AllowCredentials: {value}}}"
    api = read(
        event("{Path: /a, Method: GET, RestApiId: !Ref Api}").replace(
            "StageName: prod", f"StageName: prod\n      {cors}"
        )
    ).api

    allowed = {"Access-Control-Allow-Credentials": "true"} if is_allowed else {}
    assert allowed.items() <= api.preflights[0].headers.items()
    assert ("Access-Control-Allow-Credentials" in api.preflights[0].headers) is is_allowed
