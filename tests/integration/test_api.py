"""The API's own routes and the authorizer, through their doors."""

import base64
import json
import resource
import time

import jwt
import pytest

from tests.conftest import free_port
from tests.integration.function_process import HandlerError
from tests.integration.test_documents_crash import served

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
METHOD_ARN = "arn:aws:execute-api:eu-west-1:000000000000:local/prod/GET/v1/payments"
GRANT = "grant_type=client_credentials"


@pytest.fixture
def api(function):
    return function("api.app.app")


@pytest.fixture
def ask_token(api):
    """Post a form to the token endpoint."""

    def post(body, **headers):
        return api.request("POST", "/oauth2/token", body=body, headers={**FORM, **headers})

    return post


@pytest.fixture
def authorize(function):
    """Ask the authorizer about an Authorization header."""

    def ask(header):
        event = {"type": "TOKEN", "authorizationToken": header, "methodArn": METHOD_ARN}
        return function("api.app.authorizer").invoke(event)

    return ask


def basic(credentials):
    return {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}


@pytest.mark.parametrize(
    ("event", "lacking"),
    [
        ({}, "requestContext.resourcePath"),
        ([], "headers"),
        ({"requestContext": None}, "requestContext.resourcePath"),
        ({"requestContext": {"resourcePath": "/health", "httpMethod": "GET"}}, "headers"),
    ],
)
def test_an_event_that_is_no_request_is_answered_with_what_it_lacks(api, event, lacking):
    answer = api.invoke(event)

    assert answer["statusCode"] == 400
    assert f"it has no {lacking}." in json.loads(answer["body"])["detail"]


def test_health_answers_without_asking_a_dependency(start):
    api = start("api.app.app", REDIS_URL="redis://127.0.0.1:1/0", MONGO_URL="mongodb://127.0.0.1:1")
    answer = api.request("GET", "/health")

    assert (answer.status, answer.body) == (200, {"status": "ok"})


def test_ready_names_the_state_of_each_dependency(api, start):
    nobody = free_port()
    without_queues = start("api.app.app", REDIS_URL=f"redis://127.0.0.1:{nobody}/0")
    without_store = start("api.app.app", MONGO_URL=f"mongodb://127.0.0.1:{nobody}")
    answers = [
        each.request("GET", "/health/ready") for each in (api, without_queues, without_store)
    ]

    assert [answer.status for answer in answers] == [200, 503, 503]
    assert [answer.body["dependencies"] for answer in answers] == [
        {"store": "ok", "queues": "ok"},
        {"store": "ok", "queues": "unavailable"},
        {"store": "unavailable", "queues": "ok"},
    ]


def test_a_store_without_space_is_not_ready_until_there_is_space_again(start, tmp_path):
    port, no_space = free_port(), (1, resource.RLIM_INFINITY)
    space = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    with served(port, tmp_path / "documents.sqlite") as (server, _):
        statuses = []
        for limit in (space, no_space, space):
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, limit)
            api = start("api.app.app", MONGO_URL=f"mongodb://127.0.0.1:{port}")
            statuses.append(api.request("GET", "/health/ready").status)

    assert statuses == [200, 503, 200]


def test_a_dependency_is_asked_at_most_once_a_second(start):
    api = start("api.app.app", MONGO_URL=f"mongodb://127.0.0.1:{free_port()}")
    api.request("GET", "/health/ready")
    started = time.monotonic()
    for _ in range(5):
        api.request("GET", "/health/ready")

    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (GRANT, basic("demo:demo-secret")),
        (GRANT, basic("demo:demo%2Dsecret")),
        (f"{GRANT}&client_id=demo&client_secret=demo-secret", {}),
        (f"{GRANT}&client_id=demo&client_secret=demo-secret&resource=x", {}),
    ],
)
def test_a_client_gets_a_token_for_all_its_scopes(ask_token, authorize, body, headers):
    answer = ask_token(body, **headers)

    assert answer.status == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    token = answer.body["access_token"]
    assert {name: answer.body[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "payments:read payments:write",
    }
    assert authorize(f"Bearer {token}")["context"] == {
        "tenant": "demo",
        "scope": "payments:read payments:write",
    }


def test_a_client_may_ask_for_fewer_scopes(ask_token, authorize):
    answer = ask_token(f"{GRANT}&scope=payments%3Aread", **basic("demo:demo-secret"))

    assert answer.body["scope"] == "payments:read"
    assert authorize(f"Bearer {answer.body['access_token']}")["context"]["scope"] == "payments:read"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (GRANT, {}, 401, "invalid_client"),
        (GRANT, basic("demo:wrong"), 401, "invalid_client"),
        (GRANT, basic("nobody:demo-secret"), 401, "invalid_client"),
        (GRANT, basic("nobody:"), 401, "invalid_client"),
        (GRANT, basic("demo"), 401, "invalid_client"),
        (GRANT, {"Authorization": "Basic not-base64"}, 401, "invalid_client"),
        (GRANT, {"Authorization": "Bearer x"}, 401, "invalid_client"),
        (f"{GRANT}&client_id=demo", {}, 401, "invalid_client"),
        ("", basic("demo:demo-secret"), 400, "invalid_request"),
        (None, basic("demo:demo-secret"), 400, "invalid_request"),
        (f"{GRANT}&{GRANT}", basic("demo:demo-secret"), 400, "invalid_request"),
        (f"{GRANT}&x={'y' * 5000}", basic("demo:demo-secret"), 400, "invalid_request"),
        (f"{GRANT}&client_secret=a", basic("demo:demo-secret"), 400, "invalid_request"),
        ("grant_type=password", basic("demo:demo-secret"), 400, "unsupported_grant_type"),
        (f"{GRANT}&scope=admin", basic("demo:demo-secret"), 400, "invalid_scope"),
        (f"{GRANT}&scope=%20", basic("demo:demo-secret"), 400, "invalid_scope"),
    ],
)
def test_a_wrong_token_request_is_refused_as_rfc_6749_says(ask_token, body, headers, status, code):
    answer = ask_token(body, **headers)

    assert answer.status == status, answer.text
    assert (answer.body["code"], answer.body["error"]) == (code, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_an_unknown_client_and_a_wrong_secret_are_answered_alike(ask_token):
    bodies = []
    for credentials in ("demo:wrong", "nobody:wrong"):
        body = ask_token(GRANT, **basic(credentials)).body
        bodies.append({k: v for k, v in body.items() if k not in ("instance", "request_id")})

    assert bodies[0] == bodies[1]


def test_a_token_request_that_is_no_form_is_415(api):
    answer = api.request("POST", "/oauth2/token", body={"grant_type": "client_credentials"})

    assert (answer.status, answer.body["code"]) == (415, "unsupported_media_type")


def test_a_token_can_be_checked_with_the_published_keys(api, ask_token):
    keys = api.request("GET", "/.well-known/jwks.json").body
    token = ask_token(GRANT, **basic("demo:demo-secret")).body["access_token"]
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="spillway")

    assert (claims["tenant"], claims["client_id"]) == ("demo", "demo")
    assert "d" not in keys["keys"][0]


def test_the_authorizers_policy_is_good_for_every_route_of_the_stage(ask_token, authorize):
    token = ask_token(GRANT, **basic("demo:demo-secret")).body["access_token"]
    policy = authorize(f"bearer {token}")

    assert policy["principalId"] == "demo"
    assert policy["policyDocument"]["Statement"] == [
        {
            "Action": "execute-api:Invoke",
            "Effect": "Allow",
            "Resource": "arn:aws:execute-api:eu-west-1:000000000000:local/prod/*",
        }
    ]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer a.b.c", "Basic ZGVtbzp4"])
def test_the_authorizer_refuses_with_the_one_word_that_means_401(authorize, header):
    with pytest.raises(HandlerError, match=r"^Unauthorized$"):
        authorize(header)


def test_the_authorizer_refuses_a_good_token_of_another_kind(ask_token, authorize):
    token = ask_token(GRANT, **basic("demo:demo-secret")).body["access_token"]

    with pytest.raises(HandlerError, match=r"^Unauthorized$"):
        authorize(f"Token {token}")


def test_the_openapi_document_and_its_page_are_served(api):
    document = api.request("GET", "/openapi.json")
    page = api.request("GET", "/docs")

    assert json.loads(document.text)["openapi"] == "3.1.0"
    assert document.headers["content-type"] == "application/json"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
