"""Routes for everybody: health, tokens, keys and the description."""

import base64
import json

from tests.e2e.conftest import log_in

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_health_asks_nobody(anybody):
    answer = anybody.call("GET", "/health")

    assert (answer.status, answer.body) == (200, {"status": "ok"})


def test_readiness_names_each_dependency(anybody):
    answer = anybody.call("GET", "/health/ready")

    assert (answer.status, answer.body["status"]) == (200, "ok")
    assert set(answer.body["dependencies"].values()) == {"ok"}


def test_the_limit_of_a_tenant_is_told_where_a_token_is_needed_and_only_there(anybody, demo):
    is_limited = {
        path: "ratelimit" in client.call("GET", path).headers
        for client, path in (
            (anybody, "/health"),
            (anybody, "/health/ready"),
            (anybody, "/.well-known/jwks.json"),
            (demo, "/v1/payments"),
            (demo, "/v1/notifications"),
            (demo, "/v1/analytics/names"),
        )
    }

    assert is_limited == {path: path.startswith("/v1/") for path in is_limited}
    assert demo.call("GET", "/v1/payments").headers["ratelimit-policy"].startswith('"payments";q=')


def test_a_token_says_what_it_is_for_and_how_long(anybody):
    basic = base64.b64encode(b"demo:demo-secret").decode()

    answer = anybody.call(
        "POST",
        "/oauth2/token",
        b"grant_type=client_credentials&scope=payments:read",
        {**FORM, "Authorization": f"Basic {basic}"},
    )

    assert answer.status == 200, answer
    assert answer.headers["cache-control"] == "no-store"
    del answer.body["access_token"]
    assert answer.body == {"token_type": "Bearer", "expires_in": 3600, "scope": "payments:read"}


def test_a_token_is_signed_with_a_published_key(base, anybody):
    token = log_in(base, "demo", "demo-secret").token
    assert token is not None
    header = token.partition(".")[0]

    keys = anybody.call("GET", "/.well-known/jwks.json").body["keys"]

    used = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]
    assert used in {each["kid"] for each in keys}


def test_the_description_names_every_route_of_this_suite(anybody):
    answer = anybody.call("GET", "/openapi.json")

    assert answer.body["openapi"].startswith("3.1")
    assert set(answer.body["paths"]) >= {
        "/health",
        "/oauth2/token",
        "/v1/payments",
        "/v1/payments/{payment_id}",
        "/v1/analytics/events",
        "/v1/analytics/metrics",
        "/v1/notifications",
        "/v1/notifications/{notification_id}",
    }


def test_the_page_is_html_that_may_load_nothing_from_elsewhere(anybody):
    answer = anybody.call("GET", "/docs")

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
