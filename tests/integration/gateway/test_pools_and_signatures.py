"""Authorizers of AWS's own before a REST API and an HTTP API: user pools and signatures."""

import json
import os
import time
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.conftest import free_port
from tests.integration.gateway.issuer import Issuer
from tests.integration.gateway_process import Answer, GatewayProcess, ok

POOL_URL = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_a"
HTTP_PORT = str(free_port())
TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Rest:
    Type: AWS::Serverless::Api
    Properties:
      StageName: prod
      Auth:
        DefaultAuthorizer: Pool
        Authorizers:
          Pool: {UserPoolArn: arn:aws:cognito-idp:eu-west-1:000000000000:userpool/eu-west-1_a}
  Pages:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: pages.handler
      CodeUri: functions
      Events:
        OfPool: {Type: Api, Properties: {Path: /pool, Method: get, RestApiId: !Ref Rest}}
        Scoped:
          Type: Api
          Properties:
            Path: /scoped
            Method: get
            RestApiId: !Ref Rest
            Auth: {Authorizer: Pool, AuthorizationScopes: [pets/read, pets/write]}
        Signed:
          Type: Api
          Properties:
            {Path: /signed, Method: get, RestApiId: !Ref Rest, Auth: {Authorizer: AWS_IAM}}
        Http: {Type: HttpApi, Properties: {Path: /, Method: get, Auth: {Authorizer: AWS_IAM}}}
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[GatewayProcess]:
    """Yield a gateway whose user pools are where the issuer is."""
    variables = {**os.environ, "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": issuer.url}
    folder = tmp_path_factory.mktemp("pools")
    with GatewayProcess(folder, TEMPLATE, "--api-port", HTTP_PORT, variables=variables) as own:
        own.environment("Pages", ok)
        yield own


def ask(gateway: GatewayProcess, path: str, token: str) -> Answer:
    return gateway.request("GET", path, headers={"Authorization": token})


@pytest.mark.row("1.65")
def test_the_claims_of_a_pools_token_reach_the_function_as_text(gateway, issuer):
    expiry_s = time.time() + 60
    groups = {"cognito:groups": ["a", "b"], "email_verified": True}
    token = issuer.token(iss=POOL_URL, exp=expiry_s, **groups)
    answers = [ask(gateway, "/pool", token), ask(gateway, "/pool", f"Bearer {token}")]

    for answer in answers:
        claims = answer.json["requestContext"]["authorizer"]["claims"]
        assert claims["sub"] == "ann"
        assert claims["cognito:groups"] == "a,b"
        assert claims["email_verified"] == "true"
        assert claims["exp"] == time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(expiry_s))


@pytest.mark.row("1.65")
@pytest.mark.parametrize("claims", [{"iss": "https://a.example"}, {"exp": 1}, {"exp": None}])
def test_a_token_that_is_not_the_pools_or_not_good_is_401(gateway, issuer, claims):
    answers = [
        ask(gateway, "/pool", issuer.token(**{"iss": POOL_URL, **claims})),
        ask(gateway, "/pool", "nonsense"),
        gateway.request("GET", "/pool"),
    ]

    assert [answer.status for answer in answers] == [401] * 3
    assert answers[0].json == {"message": "Unauthorized"}


@pytest.mark.row("1.65")
@pytest.mark.parametrize(
    ("claims", "status"),
    [({"scope": "openid pets/read"}, 200), ({"scope": "openid"}, 401), ({}, 401)],
)
def test_a_route_with_scopes_wants_one_of_them(gateway, issuer, claims, status):
    assert ask(gateway, "/scoped", issuer.token(iss=POOL_URL, **claims)).status == status


@pytest.mark.row("1.66")
def test_a_route_of_iam_lets_in_who_signs(gateway):
    signature = "AWS4-HMAC-SHA256 Credential=a/20300101/eu-west-1/execute-api/aws4_request"
    unsigned = gateway.request("GET", "/signed")

    signed = ask(gateway, "/signed", signature)
    query = "X-Amz-Signature=b&X-Amz-Credential=a%2F20300101%2Feu-west-1%2Fexecute-api"
    in_query = gateway.request("GET", f"/signed?{query}")

    for answer in (signed, in_query):
        identity = answer.json["requestContext"]["identity"]
        assert identity["accessKey"] == "a"
        assert identity["userArn"] == "arn:aws:iam::000000000000:user/local"
    assert (unsigned.status, unsigned.json) == (403, {"message": "Missing Authentication Token"})


@pytest.mark.row("1.66")
def test_an_http_api_beside_it_answers_at_a_port_of_its_own(gateway):
    address = f"http://127.0.0.1:{HTTP_PORT}/"
    signed = Request(address, headers={"Authorization": "AWS4-HMAC-SHA256 Credential=a/b"})
    with urlopen(signed, timeout=10) as answer:
        event = json.load(answer)
    with pytest.raises(HTTPError) as unsigned:
        urlopen(address, timeout=10)

    assert event["routeKey"] == "GET /"
    iam = event["requestContext"]["authorizer"]["iam"]
    assert (iam["accessKey"], iam["userArn"]) == ("a", "arn:aws:iam::000000000000:user/local")
    assert unsigned.value.code == 403
    assert json.load(unsigned.value) == {"message": "Forbidden"}
