"""Nonsense from functions and authorizers: it is an answer, or is refused as none."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.gateway.http_results import read_http_result
from local.gateway.policy import PolicyError, read_policy, read_simple
from local.gateway.results import MalformedResponse, read_result

NAMES = [
    *("statusCode", "headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded"),
    *("principalId", "policyDocument", "Statement", "Effect", "Action", "Resource"),
    *("context", "usageIdentifierKey", "isAuthorized", "content-type", "x"),
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-1, 700)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["200", "Allow", "*", "/wA=", "a\r\nb", "\ud800"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=6,
)
results = values | st.fixed_dictionaries(
    {}, optional={name: values for name in NAMES if name != "statusCode"} | {"statusCode": scalars}
)


@pytest.mark.row("1.22", "1.72")
@settings(max_examples=100, deadline=None)
@given(result=results)
def test_any_result_is_a_response_or_malformed(result):
    for read in (
        lambda: read_result(result, accept="image/png", binary_types=("image/png",)),
        lambda: with_lines(*read_http_result(result, "1.0")),
        lambda: with_lines(*read_http_result(result, "2.0")),
    ):
        try:
            status, lines, body = read()
        except MalformedResponse:
            continue
        assert 200 <= status <= 599
        assert isinstance(body, bytes)
        assert all(": " in line for line in lines.split("\r\n")[:-1])
        assert "\n" not in lines.replace("\r\n", "")


def with_lines(status: int, pairs: Any, body: bytes) -> tuple[int, str, bytes]:
    return status, "".join(f"{name}: {value}\r\n" for name, value in pairs), body


@pytest.mark.row("1.55", "1.77")
@settings(max_examples=100, deadline=None)
@given(result=results)
def test_any_answer_of_an_authorizer_is_a_policy_or_none(result):
    for read in (read_policy, lambda one: read_policy(one, as_text=False), read_simple):
        try:
            policy = read(result)
        except PolicyError:
            continue
        policy.decide("arn:aws:execute-api:a:b:c/d/GET/e")
