"""Lambda authorizers: their answers' cache, one question a caller (rows 1.50 to 1.58, 1.77).

`identity` names the caller, `policy` understands the answer.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from local.gateway.events import Context
from local.gateway.identity import Identity, Incoming
from local.gateway.policy import Decision, Grant, Policy, PolicyError
from local.gateway.responses import (
    AUTHORIZER_ERROR,
    EXPLICIT_DENY,
    IMPLICIT_DENY,
    OVERLOADED,
    UNAUTHORIZED,
    Refusal,
)
from local.lambda_service.dispatch import INTEGRATION_TIMEOUT_S, End, Invocation, Outcome, Pool
from local.template import Authorizer, Function
from local.traces.context import header, new_span_id

log = logging.getLogger(__name__)

# Callers whose policy is kept; with a token of 1 KB each about 10 MB.
CACHE_MAX = 10_000
# Of the concurrency that the function may use: who is not known yet leaves the rest to others.
UNKNOWN_SHARE = 0.5

# Gets the caller's grant, or the refusal.
Callback = Callable[[Grant | Refusal], None]


class Subject(Incoming, Protocol):
    """The request that an authorizer decides on."""

    context: Context
    method_arn: str
    is_traced: bool
    question: tuple[Invocation, Function] | None  # that was asked for this request

    @property
    def scopes(self) -> tuple[str, ...]: ...

    def event(self, payload: str) -> dict[str, Any]: ...


class RequestAuthorizer(Protocol):
    """A judge of requests: a function, or the keys of a token's issuer."""

    def authorize(self, subject: Subject, callback: Callback) -> None:
        """Call `callback`, at once where the answer is known, else when it is."""


class LambdaAuthorizer:
    """One authorizer of the API.

    `identify` names the caller, `event` is the question by that name, `read` understands the
    answer, for which the gateway waits `patience_s`.
    """

    def __init__(
        self,
        authorizer: Authorizer,
        pool: Pool,
        clock: Callable[[], float],
        *,
        identify: Callable[[Subject], Identity | None],
        event: Callable[[Subject, Identity], dict[str, Any]],
        read: Callable[[Any], Policy],
        patience_s: float = INTEGRATION_TIMEOUT_S,
    ) -> None:
        self._identify = identify
        self._event = event
        self._read = read
        self._patience_s = patience_s
        self._ttl_s = authorizer.ttl_s
        self._name = authorizer.name
        self._pool = pool
        self._clock = clock
        self._policies: OrderedDict[Identity, tuple[float, Policy]] = OrderedDict()
        self._rejected: OrderedDict[Identity, float] = OrderedDict()  # until when
        self._questions: dict[Identity, list[tuple[str, Callback]]] = {}

    def authorize(self, subject: Subject, callback: Callback) -> None:
        identity = self._identify(subject)
        if identity is None:
            callback(UNAUTHORIZED)  # row 1.53, no identity: the function is not invoked
            return
        policy = self._cached(identity)
        if policy is not None:
            callback(_decide(policy, subject.method_arn))
        elif identity in self._questions:
            self._questions[identity].append((subject.method_arn, callback))
        elif self._pool.in_flight >= max(1, self._pool.concurrency * UNKNOWN_SHARE):
            callback(UNAUTHORIZED if self._is_rejected(identity) else OVERLOADED)
        else:
            self._ask(identity, subject, callback)

    def _cached(self, identity: Identity) -> Policy | None:
        entry = self._policies.get(identity)
        if entry is None:
            return None
        expires_s, policy = entry
        if self._clock() >= expires_s:
            del self._policies[identity]
            return None
        self._policies.move_to_end(identity)
        return policy

    def _is_rejected(self, identity: Identity) -> bool:
        """Return whether the function has lately rejected that identity.

        API Gateway keeps policies only (row 1.54, errors are not cached), so this counts only where
        too many wait for the function.
        """
        return self._clock() < self._rejected.get(identity, 0.0)

    def _ask(self, identity: Identity, subject: Subject, callback: Callback) -> None:
        waiting = [(subject.method_arn, callback)]
        if self._ttl_s:  # whoever comes meanwhile gets the answer that will be kept
            self._questions[identity] = waiting
        span_id = new_span_id()
        trace_id = subject.context.incoming.trace_id
        invocation = Invocation(
            subject.context.invocation_id,
            header(trace_id, span_id, is_sampled=subject.is_traced),
            orjson.dumps(self._event(subject, identity)),
            lambda outcome: self._answered(identity, waiting, outcome),
            self._patience_s,
        )
        invocation.span_id = span_id
        subject.question = (invocation, self._pool.function)
        self._pool.invoke(invocation, self._clock())

    def _answered(
        self, identity: Identity, waiting: list[tuple[str, Callback]], outcome: Outcome
    ) -> None:
        answer = self._understand(outcome)
        self._questions.pop(identity, None)
        if isinstance(answer, Policy) and self._ttl_s:
            self._policies[identity] = (self._clock() + self._ttl_s, answer)
            if len(self._policies) > CACHE_MAX:
                self._policies.popitem(last=False)
        elif answer is UNAUTHORIZED and self._ttl_s:
            self._rejected[identity] = self._clock() + self._ttl_s
            if len(self._rejected) > CACHE_MAX:
                self._rejected.popitem(last=False)
        for method_arn, callback in waiting:
            callback(_decide(answer, method_arn) if isinstance(answer, Policy) else answer)

    def _understand(self, outcome: Outcome) -> Policy | Refusal:
        if outcome.end in (End.THROTTLED, End.EXPIRED):
            return OVERLOADED
        if outcome.end is End.RESULT:
            try:
                return self._read(outcome.result)
            except PolicyError as error:
                log.warning("authorizer %s: %s", self._name, error)
                return AUTHORIZER_ERROR
        if outcome.error and outcome.error.get("errorMessage") == "Unauthorized":
            return UNAUTHORIZED  # row 1.54, the word that means 401
        log.warning("authorizer %s failed: %s", self._name, outcome.error or outcome.end.value)
        return AUTHORIZER_ERROR


def _decide(policy: Policy, method_arn: str) -> Grant | Refusal:
    decision = policy.decide(method_arn)
    if decision is Decision.ALLOW:
        return policy.grant
    return EXPLICIT_DENY if decision is Decision.EXPLICIT_DENY else IMPLICIT_DENY
