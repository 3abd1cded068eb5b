"""The limits of a tenant's requests, through the events of the functions that they guard."""

import re

import pytest

from tests.conftest import free_port

PAYMENTS = "payments.app.app"
FIELDS = ("ratelimit-policy", "ratelimit")


def read(process, tenant, resource="/v1/payments", scope="payments:read"):
    return process.request("GET", resource, tenant=tenant, scope=scope)


@pytest.fixture
def limited(start):
    """Return payments' function in two processes, with one request a second for each tenant."""
    processes = [start(PAYMENTS, PAYMENT_REQUESTS_PER_TENANT_S="1") for _ in range(2)]
    for number, process in enumerate(processes):
        read(process, f"warms {number}")
    return processes


def test_a_tenant_over_its_limit_is_told_so_and_others_are_served_as_before(limited):
    first, second = [read(each, "greedy") for each in limited]
    quiet = read(limited[1], "quiet")

    assert (first.status, second.status, quiet.status) == (200, 429, 200)
    assert second.headers["retry-after"] == "1"
    assert second.headers["content-type"] == "application/problem+json"
    assert (second.body["code"], second.body["retryable"]) == ("throttled", True)
    assert [second.headers[each] for each in FIELDS] == ['"payments";q=1;w=1', '"payments";r=0;t=1']


def test_what_a_limit_refuses_is_counted(start, capfd):
    payments = start(PAYMENTS, PAYMENT_REQUESTS_PER_TENANT_S="1")
    statuses = [read(payments, "counted").status for _ in range(3)]

    assert 429 in statuses
    assert '"service":"payments","RequestsThrottled":[1.0]' in capfd.readouterr().err


def test_a_refusal_has_the_fields_of_the_limit_too(function):
    answer = function(PAYMENTS).request(
        "POST", "/v1/payments", body={}, tenant="wrong", scope="payments:write"
    )

    assert answer.status >= 400
    assert answer.headers["ratelimit-policy"] == '"payments";q=2000;w=1'


@pytest.mark.parametrize(
    ("handler", "resource", "scope", "group"),
    [
        ("notifications.app.app", "/v1/suppressions", "notifications:read", "notifications"),
        ("analytics.app.app", "/v1/analytics/names", "analytics:read", "analytics-reads"),
    ],
)
def test_each_group_of_routes_has_a_limit_of_its_own(function, handler, resource, scope, group):
    answer = read(function(handler), "grouped", resource, scope)

    assert answer.status == 200
    assert re.fullmatch(f'"{group}";r=\\d+;t=1', answer.headers["ratelimit"])


def test_open_routes_and_webhooks_of_the_provider_have_no_limit(function):
    health = function("api.app.app").request("GET", "/health")
    webhook = function(PAYMENTS).request("POST", "/v1/provider/webhooks", body={})

    assert not set(FIELDS) & {*health.headers, *webhook.headers}


def test_without_redis_each_process_limits_by_itself_and_refuses_nobody_for_it(start):
    alone = start(
        PAYMENTS,
        PAYMENT_REQUESTS_PER_TENANT_S="100",
        REDIS_URL=f"redis://127.0.0.1:{free_port()}/0",
    )
    answers = [read(alone, "lonely") for _ in range(20)]

    assert {each.status for each in answers} == {200}
    assert answers[0].headers["ratelimit"] == '"payments";r=99;t=1'
