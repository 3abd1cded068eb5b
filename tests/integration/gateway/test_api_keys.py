"""API keys and usage plans through the gateway: who may come, and how often."""

from collections.abc import Iterator

import pytest

from tests.integration.gateway.guard import policy
from tests.integration.gateway_process import Answer, GatewayProcess, ok, returns

RESOURCES = """
  Pages:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.pages
      Runtime: python3.13
      CodeUri: functions/
      Events:
        Page:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: GET, Path: /page}
        Rare:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: GET, Path: /rare}
        Open:
          Type: Api
          Properties: {RestApiId: !Ref Api, Method: GET, Path: /open, Auth: {ApiKeyRequired: false}}
  Disabled:
    Type: AWS::ApiGateway::ApiKey
    Properties: {Value: disabled-0123456789-0123456789}
  DisabledMember:
    Type: AWS::ApiGateway::UsagePlanKey
    Properties: {KeyId: !Ref Disabled, KeyType: API_KEY, UsagePlanId: !Ref Plenty}
  Homeless:
    Type: AWS::ApiGateway::ApiKey
    Properties: {Enabled: true, Value: homeless-0123456789-0123456789}
"""


def plan(name: str, limits: str) -> str:
    """Return a usage plan with one key, whose value is made of its name."""
    return f"""
  {name}:
    Type: AWS::ApiGateway::UsagePlan
    Properties:
      ApiStages:
        - ApiId: !Ref Api
          Stage: prod
          Throttle: {{/rare/GET: {{RateLimit: 0.01, BurstLimit: 1}}}}
      {limits}
  {name}Key:
    Type: AWS::ApiGateway::ApiKey
    Properties: {{Enabled: true, Value: {key_of(name)}}}
  {name}Member:
    Type: AWS::ApiGateway::UsagePlanKey
    Properties: {{KeyId: !Ref {name}Key, KeyType: API_KEY, UsagePlanId: !Ref {name}}}
"""


def key_of(name: str) -> str:
    return f"{name.lower()}-0123456789-0123456789"


TEMPLATE = (
    """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties: {StageName: prod, Auth: {ApiKeyRequired: true}}
"""
    + RESOURCES
    + plan("Plenty", "Quota: {Limit: 1000, Period: DAY}")
    + plan("Bursty", "Throttle: {RateLimit: 0.01, BurstLimit: 2}")
    + plan("Counted", "Quota: {Limit: 2, Period: MONTH}")
    + plan("Other", "Quota: {Limit: 2, Period: WEEK}")
)

BY_AUTHORIZER = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      ApiKeySourceType: AUTHORIZER
      Auth:
        ApiKeyRequired: true
        UsagePlan: {CreateUsagePlan: PER_API, Quota: {Limit: 1, Period: DAY}}
        DefaultAuthorizer: Tokens
        Authorizers: {Tokens: {FunctionArn: !GetAtt Guard.Arn}}
  Guard:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.guard, Runtime: python3.13, CodeUri: functions/}
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), TEMPLATE) as process:
        process.environment("Pages", ok)
        yield process


def get(gateway: GatewayProcess, path: str, name: str) -> Answer:
    return gateway.request("GET", path, headers={"x-api-key": key_of(name)})


@pytest.mark.row("1.36")
@pytest.mark.parametrize("key", [None, "", "wrong", key_of("Disabled"), key_of("Homeless")])
def test_without_a_key_of_a_plan_it_is_403(gateway, key):
    answer = gateway.request("GET", "/page", headers={} if key is None else {"X-API-Key": key})

    assert (answer.status, answer.json) == (403, {"message": "Forbidden"})
    assert answer.headers["x-amzn-ErrorType"] == "ForbiddenException"


@pytest.mark.row("1.36")
def test_a_route_may_do_without_a_key(gateway):
    assert gateway.request("GET", "/open").status == 200


@pytest.mark.row("1.3")
def test_the_function_learns_the_key(gateway):
    identity = get(gateway, "/page", "Plenty").json["requestContext"]["identity"]

    assert (identity["apiKey"], identity["apiKeyId"]) == (key_of("Plenty"), "PlentyKey")


@pytest.mark.row("1.35", "1.60")
def test_a_key_over_its_plans_rate_is_429_and_others_are_not(gateway):
    answers = [get(gateway, "/page", "Bursty") for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].json == {"message": "Too Many Requests"}
    assert get(gateway, "/page", "Plenty").status == 200


@pytest.mark.row("1.60")
def test_a_method_of_a_plan_has_a_rate_of_its_own(gateway):
    statuses = [get(gateway, path, "Plenty").status for path in ("/rare", "/rare", "/page")]

    assert statuses == [200, 429, 200]


@pytest.mark.row("1.35")
@pytest.mark.parametrize("name", ["Counted", "Other"])
def test_a_key_over_its_quota_is_429(gateway, name):
    answers = [get(gateway, "/page", name) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].json == {"message": "Limit Exceeded"}
    assert answers[2].headers["x-amzn-ErrorType"] == "LimitExceededException"


@pytest.mark.row("1.52", "1.64")
def test_the_authorizer_may_bring_the_key_that_sam_makes(tmp_path):
    template = BY_AUTHORIZER + RESOURCES + plan("Plenty", "Quota: {Limit: 9, Period: DAY}")
    with GatewayProcess(tmp_path, template) as gateway:
        gateway.environment("Pages", ok)
        key = "d3e174140efc10ac395d370647e5bab1d82b3c16"
        gateway.environment("Guard", returns({**policy("Allow", "*"), "usageIdentifierKey": key}))

        headers = {"Authorization": "t", "x-api-key": "is not looked at"}
        statuses = [gateway.request("GET", "/page", headers=headers).status for _ in range(2)]

    assert statuses == [200, 429]
