"""Lambda authorizers: the cache of their answers, and one question a caller (1.50 to 1.58, 1.77).

Who the caller is stands in `identity`, what an answer means in `policy`.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from local.gateway.events import Context
from local.gateway.identity import Identified, Identity
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
from local.template import Authorizer

log = logging.getLogger(__name__)

# Callers whose policy is kept; with a token of 1 KB each about 10 MB.
CACHE_MAX = 10_000
# Of the concurrency that the function may use: who is not known yet leaves the rest to others.
UNKNOWN_SHARE = 0.5

# Told what the function may know of the caller, or why the request is refused.
Decided = Callable[[Grant | Refusal], None]


class Asked(Identified, Protocol):
    """The request that an authorizer decides on."""

    context: Context
    method_arn: str

    @property
    def scopes(self) -> tuple[str, ...]: ...

    def event(self, payload: str) -> dict[str, Any]: ...


class RequestAuthorizer(Protocol):
    """What decides on requests: a function, or the keys of a token's issuer."""

    def authorize(self, asked: Asked, decided: Decided) -> None:
        """Call `decided`, at once where the answer is known, else when it is."""


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
        identify: Callable[[Asked], Identity | None],
        event: Callable[[Asked, Identity], dict[str, Any]],
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
        self._asked: dict[Identity, list[tuple[str, Decided]]] = {}

    def authorize(self, asked: Asked, decided: Decided) -> None:
        identity = self._identify(asked)
        if identity is None:
            decided(UNAUTHORIZED)  # 1.53: the function is not asked
            return
        policy = self._cached(identity)
        if policy is not None:
            decided(_decide(policy, asked.method_arn))
        elif identity in self._asked:
            self._asked[identity].append((asked.method_arn, decided))
        elif self._pool.in_flight >= max(1, self._pool.concurrency * UNKNOWN_SHARE):
            decided(UNAUTHORIZED if self._is_rejected(identity) else OVERLOADED)
        else:
            self._ask(identity, asked, decided)

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
        """Return whether the function said lately that nobody is known by that name.

        API Gateway keeps policies only (1.54, an error is asked again), so this counts only where
        too many wait for the function.
        """
        return self._clock() < self._rejected.get(identity, 0.0)

    def _ask(self, identity: Identity, asked: Asked, decided: Decided) -> None:
        waiting = [(asked.method_arn, decided)]
        if self._ttl_s:  # whoever comes meanwhile gets the answer that will be kept
            self._asked[identity] = waiting
        invocation = Invocation(
            asked.context.invocation_id,
            asked.context.trace,
            orjson.dumps(self._event(asked, identity)),
            lambda outcome: self._answered(identity, waiting, outcome),
            self._patience_s,
        )
        self._pool.invoke(invocation, self._clock())

    def _answered(
        self, identity: Identity, waiting: list[tuple[str, Decided]], outcome: Outcome
    ) -> None:
        answer = self._understand(outcome)
        self._asked.pop(identity, None)
        if isinstance(answer, Policy) and self._ttl_s:
            self._policies[identity] = (self._clock() + self._ttl_s, answer)
            if len(self._policies) > CACHE_MAX:
                self._policies.popitem(last=False)
        elif answer is UNAUTHORIZED and self._ttl_s:
            self._rejected[identity] = self._clock() + self._ttl_s
            if len(self._rejected) > CACHE_MAX:
                self._rejected.popitem(last=False)
        for method_arn, decided in waiting:
            decided(_decide(answer, method_arn) if isinstance(answer, Policy) else answer)

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
            return UNAUTHORIZED  # 1.54
        log.warning("authorizer %s failed: %s", self._name, outcome.error or outcome.end.value)
        return AUTHORIZER_ERROR


def _decide(policy: Policy, method_arn: str) -> Grant | Refusal:
    decision = policy.decide(method_arn)
    if decision is Decision.ALLOW:
        return policy.grant
    return EXPLICIT_DENY if decision is Decision.EXPLICIT_DENY else IMPLICIT_DENY
