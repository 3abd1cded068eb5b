"""Lambda authorizers of kind TOKEN: the cache of their policies, and one question a token.

What a policy says is in `policy`; rows 1.50 to 1.58.
"""

import logging
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import orjson

from local.gateway.dispatch import End, Invocation, Outcome, Pool
from local.gateway.policy import Decision, Policy, PolicyError, read_policy
from local.gateway.responses import (
    AUTHORIZER_ERROR,
    EXPLICIT_DENY,
    IMPLICIT_DENY,
    OVERLOADED,
    UNAUTHORIZED,
    Refusal,
)
from local.template import Authorizer

log = logging.getLogger(__name__)

# Tokens whose policy is kept; with a token of 1 KB each about 10 MB.
CACHE_MAX = 10_000

# Told the caller's context for the function, or why the request is refused.
Decided = Callable[[dict[str, str] | Refusal], None]


class TokenAuthorizer:
    """One authorizer of the API."""

    def __init__(self, authorizer: Authorizer, pool: Pool, clock: Callable[[], float]) -> None:
        self._header = authorizer.sources[0].removeprefix("header.").lower()
        self._validation = re.compile(authorizer.validation) if authorizer.validation else None
        self._ttl_s = authorizer.ttl_s
        self._name = authorizer.name
        self._pool = pool
        self._clock = clock
        self._policies: OrderedDict[str, tuple[float, Policy]] = OrderedDict()
        self._asked: dict[str, list[tuple[str, Decided]]] = {}

    def authorize(
        self, fields: dict[str, str], method_arn: str, ids: tuple[str, str], decided: Decided
    ) -> None:
        """Decide on a request by its token; `ids` are its request id and trace.

        `decided` is called at once where the policy is cached, else when the function answered.
        """
        token = fields.get(self._header)
        if not token or (self._validation and not self._validation.fullmatch(token)):
            decided(UNAUTHORIZED)  # 1.53: the function is not asked
            return
        policy = self._cached(token)
        if policy is not None:
            decided(_decide(policy, method_arn))
        elif token in self._asked:
            self._asked[token].append((method_arn, decided))
        else:
            self._asked[token] = [(method_arn, decided)]
            self._ask(token, method_arn, ids)

    def _cached(self, token: str) -> Policy | None:
        entry = self._policies.get(token)
        if entry is None:
            return None
        expires_s, policy = entry
        if self._clock() >= expires_s:
            del self._policies[token]
            return None
        self._policies.move_to_end(token)
        return policy

    def _ask(self, token: str, method_arn: str, ids: tuple[str, str]) -> None:
        event = orjson.dumps(
            {"type": "TOKEN", "authorizationToken": token, "methodArn": method_arn}
        )
        request_id, trace = ids
        invocation = Invocation(
            request_id, trace, event, lambda outcome: self._answered(token, outcome)
        )
        self._pool.invoke(invocation, self._clock())

    def _answered(self, token: str, outcome: Outcome) -> None:
        answer = self._read(outcome)
        if isinstance(answer, Policy) and self._ttl_s:
            self._policies[token] = (self._clock() + self._ttl_s, answer)
            if len(self._policies) > CACHE_MAX:
                self._policies.popitem(last=False)
        for method_arn, decided in self._asked.pop(token):
            decided(_decide(answer, method_arn) if isinstance(answer, Policy) else answer)

    def _read(self, outcome: Outcome) -> Policy | Refusal:
        if outcome.end is End.RESULT:
            return self._read_result(outcome.result)
        if outcome.end in (End.THROTTLED, End.EXPIRED):
            return OVERLOADED
        if outcome.error and outcome.error.get("errorMessage") == "Unauthorized":
            return UNAUTHORIZED  # 1.54
        log.warning("authorizer %s failed: %s", self._name, outcome.error or outcome.end.value)
        return AUTHORIZER_ERROR

    def _read_result(self, result: Any) -> Policy | Refusal:
        try:
            return read_policy(result)
        except PolicyError as error:
            log.warning("authorizer %s: %s", self._name, error)
            return AUTHORIZER_ERROR


def _decide(policy: Policy, method_arn: str) -> dict[str, str] | Refusal:
    decision = policy.decide(method_arn)
    if decision is Decision.ALLOW:
        return policy.context
    return EXPLICIT_DENY if decision is Decision.EXPLICIT_DENY else IMPLICIT_DENY
