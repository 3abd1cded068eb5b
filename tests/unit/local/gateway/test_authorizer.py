"""The time for which an authorizer's answer is kept, and the longest wait for it."""

from collections.abc import Callable
from typing import Any

import pytest

from local.gateway import http_api, rest
from local.gateway.authorizer import LambdaAuthorizer
from local.gateway.events import Context
from local.gateway.identity import identity_of
from local.gateway.policy import Grant, read_policy
from local.gateway.responses import AUTHORIZER_ERROR, Refusal
from local.gateway.variables import Situation
from local.http.request import Request
from local.lambda_service.dispatch import End, Invocation, Outcome
from local.template import Authorizer, Function

POLICY = {
    "principalId": "p",
    "policyDocument": {"Statement": [{"Action": "*", "Effect": "Allow", "Resource": "*"}]},
}


class Question:
    """A request with a token."""

    method_arn = "arn"
    scopes = ()
    is_traced = True
    question: tuple[Invocation, Function] | None = None

    def __init__(self) -> None:
        self.request = Request("10.0.0.9", 0.0)
        self.request.fields["authorization"] = "t"
        self.context = Context({}, 1.0)

    def event(self, payload: str) -> dict[str, Any]:
        return {}

    def situation(self) -> Situation:
        return Situation(request=self.request, context=self.context, stage="prod")


class AnsweringPool:
    """The double of the pool of the authorizer's function: it answers at once, or not at all."""

    function = None
    in_flight = 0
    concurrency = 1000

    def __init__(self, outcome: Outcome | None = None) -> None:
        self.outcome = outcome
        self.invocations: list[Invocation] = []

    def invoke(self, invocation: Invocation, now_s: float) -> None:
        self.invocations.append(invocation)
        if self.outcome:
            invocation.end(self.outcome)


def of_token(**more: Any) -> Authorizer:
    usual = {"kind": "TOKEN", "sources": ("header.Authorization",), "validation": None}
    return Authorizer(name="A", function="F", **{**usual, "ttl_s": 300, **more})


@pytest.mark.row("1.58")
def test_a_policy_is_kept_for_its_time_to_live():
    pool, now_s = AnsweringPool(Outcome(End.RESULT, POLICY)), [1000.0]
    clock: Callable[[], float] = lambda: now_s[0]  # noqa: E731 - the time is the test's
    authorizer = LambdaAuthorizer(
        of_token(),
        pool,  # type: ignore[arg-type]
        clock,
        identify=identity_of(of_token(), {}, is_required=True),
        event=rest.token_event,
        read=read_policy,
    )
    answers: list[Grant | Refusal] = []
    counts = []
    for second in (0, 299, 300, 301):
        now_s[0] = 1000.0 + second
        authorizer.authorize(Question(), answers.append)
        counts.append(len(pool.invocations))

    assert counts == [1, 1, 2, 2]
    assert all(isinstance(answer, Grant) for answer in answers)


@pytest.mark.row("1.58")
@pytest.mark.parametrize(("ttl_s", "count"), [(300, 1), (0, 2)])
def test_requests_together_share_an_answer_only_where_it_is_kept(ttl_s, count):
    pool = AnsweringPool()
    authorizer = rest.authorizer(of_token(ttl_s=ttl_s), pool, {})  # type: ignore[arg-type]

    for _ in range(2):
        authorizer.authorize(Question(), lambda answer: None)

    assert len(pool.invocations) == count


@pytest.mark.row("1.77")
@pytest.mark.parametrize(("api", "patience_s"), [(rest, 29.0), (http_api, 10.0)])
def test_an_authorizer_is_waited_for_by_the_kind_of_api(api, patience_s):
    pool = AnsweringPool()

    api.authorizer(of_token(payload="2.0"), pool, {}).authorize(Question(), lambda answer: None)

    assert pool.invocations[0].patience_s == patience_s


@pytest.mark.row("1.55")
def test_an_authorizer_that_takes_too_long_has_failed():
    pool = AnsweringPool(Outcome(End.TIMED_OUT))
    answers: list[Grant | Refusal] = []

    rest.authorizer(of_token(), pool, {}).authorize(Question(), answers.append)  # type: ignore[arg-type]

    assert answers == [AUTHORIZER_ERROR]
