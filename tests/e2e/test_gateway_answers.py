"""Answers of the gateway itself, before any function is asked: status, then shape."""

import pytest

from tests.e2e.conftest import assert_problem, key

GOOD = b'{"amount":1000,"currency":"EUR","payment_method":"pm_card_visa"}'
NO_ROUTES = [("GET", "/nothing"), ("DELETE", "/v1/payments"), ("POST", "/health"), ("GET", "/v1")]
NO_TOKENS = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer nonsense"},
    {"Authorization": "Basic ZGVtbzpkZW1v"},
]


@pytest.mark.parametrize("headers", NO_TOKENS, ids=["none", "empty", "nonsense", "basic"])
def test_no_good_token_is_unauthorized(anybody, headers):
    answer = anybody.call("POST", "/v1/payments", GOOD, {**key(), **headers})

    assert answer.status == 401, answer


@pytest.mark.parametrize(("method", "path"), NO_ROUTES)
def test_what_is_no_route_is_forbidden_as_api_gateway_has_it(demo, method, path):
    assert demo.call(method, path).status == 403


def test_no_token_is_told_in_the_problem_shape(anybody):
    assert_problem(anybody.call("GET", "/v1/payments"), 401, "unauthorized")


def test_no_route_is_told_in_the_problem_shape(demo):
    assert_problem(demo.call("GET", "/nothing"), 403, "no_such_route")


@pytest.mark.parametrize("path", ["/nothing", "/v1/payments/pay_nobody"])
def test_a_problem_names_the_request_as_its_header_does(demo, path):
    answer = demo.call("GET", path)

    assert answer.body["request_id"] == answer.headers["x-amzn-requestid"]


def test_each_answer_has_an_id_of_its_own(anybody):
    ids = {anybody.call("GET", "/health").headers["x-amzn-requestid"] for _ in range(2)}

    assert len(ids) == 2
