"""An authorizer's answer, read once for many requests (rows 1.52, 1.56 to 1.59 and 1.77).

Deny comes before allow, and what no statement names is denied.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

_INVOKE = "execute-api:Invoke"
# A token's policy is AWS's 8 KB at most there; this bounds the work of one request here.
STATEMENTS_MAX = 100
_ANYTHING = re.compile(".*", re.DOTALL)


class Decision(Enum):
    """The decision of a policy on one method."""

    ALLOW = "allow"
    EXPLICIT_DENY = "explicit deny"
    IMPLICIT_DENY = "implicit deny"


class PolicyError(ValueError):
    """The authorizer's answer is no policy (row 1.55, failures)."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The context of a caller who may come in, as the function gets it."""

    caller: Mapping[str, Any]  # requestContext.authorizer of payload 1.0
    nested: Mapping[str, Any]  # and of payload 2.0, under the kind of authorizer
    usage_key: str | None = None  # the API key that the authorizer found
    identity: Mapping[str, str] = field(default_factory=dict)  # of who has signed the request

    @property
    def name(self) -> str:
        """The caller's name, for its turns: the tenant if the context has one, else who it is."""
        caller = self.caller
        return str(caller.get("tenant") or caller.get("principalId") or caller.get("sub") or "")


@dataclass(frozen=True, slots=True)
class Policy:
    """The caller's grant, and the methods that it may invoke."""

    grant: Grant
    allowed: re.Pattern[str] | None
    denied: re.Pattern[str] | None

    def decide(self, method_arn: str) -> Decision:
        """Return whether the caller may invoke the method of that ARN."""
        if self.denied is not None and self.denied.fullmatch(method_arn):
            return Decision.EXPLICIT_DENY
        if self.allowed is not None and self.allowed.fullmatch(method_arn):
            return Decision.ALLOW
        return Decision.IMPLICIT_DENY


def read_policy(result: Any, *, as_text: bool = True) -> Policy:
    """Return the policy in what an authorizer returned. Raises PolicyError where it is not one.

    A REST API hands the context on `as_text`, an HTTP API as it is.
    """
    answer = _object(result)
    principal_id = answer.get("principalId")
    if not isinstance(principal_id, str) or not principal_id:
        raise PolicyError("principalId is missing")
    document = answer.get("policyDocument")
    if not isinstance(document, dict):
        raise PolicyError("policyDocument is missing")
    statements = _as_list(document.get("Statement"))
    if not statements or len(statements) > STATEMENTS_MAX:
        raise PolicyError(f"a policy has 1 to {STATEMENTS_MAX} statements")
    resources: dict[str, list[str]] = {"Allow": [], "Deny": []}
    for statement in statements:
        effect, patterns = _statement(statement)
        resources[effect] += patterns
    context = _context(answer)
    if as_text:
        context = {name: _as_text(name, value) for name, value in context.items()}
    usage_key = answer.get("usageIdentifierKey")
    if usage_key is not None and not isinstance(usage_key, str):
        raise PolicyError("usageIdentifierKey is no text")
    grant = Grant({**context, "principalId": principal_id}, {"lambda": context}, usage_key)
    return Policy(grant, _pattern(resources["Allow"]), _pattern(resources["Deny"]))


def read_simple(result: Any) -> Policy:
    """Return the policy of an HTTP API's simple answer, for every method alike."""
    answer = _object(result)
    is_authorized = answer.get("isAuthorized")
    if not isinstance(is_authorized, bool):
        raise PolicyError("isAuthorized is neither true nor false")
    context = _context(answer)
    return Policy(Grant(context, {"lambda": context}), _ANYTHING if is_authorized else None, None)


def _object(result: Any) -> dict[str, Any]:
    if not isinstance(result, dict):
        raise PolicyError("the authorizer returned no object")
    return result


def _statement(statement: Any) -> tuple[str, list[str]]:
    """Return the effect and the resources of a statement, none where its action is another one."""
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError("a statement needs Effect: Allow or Deny")
    actions = _texts(statement.get("Action"), "Action")
    resources = _texts(statement.get("Resource"), "Resource")
    unknown = statement.keys() - {"Action", "Effect", "Resource", "Sid"}
    if unknown:
        raise PolicyError(f"a statement has what is not emulated: {', '.join(sorted(unknown))}")
    if not any(_wildcard(action, re.IGNORECASE).fullmatch(_INVOKE) for action in actions):
        resources = []
    return statement["Effect"], resources


def _context(answer: dict[str, Any]) -> dict[str, Any]:
    context = answer.get("context")
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise PolicyError("context is no object")
    return context


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    raise PolicyError(f"context.{name} is neither text nor number nor boolean")


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _texts(value: Any, name: str) -> list[str]:
    texts = _as_list(value)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise PolicyError(f"a statement needs {name}: a text or a list of texts")
    return texts


def _pattern(resources: list[str]) -> re.Pattern[str] | None:
    if not resources:
        return None
    return re.compile("|".join(_expression(resource) for resource in resources), re.DOTALL)


def _wildcard(text: str, flags: re.RegexFlag) -> re.Pattern[str]:
    return re.compile(_expression(text), flags)


def _expression(text: str) -> str:
    """Return the pattern as one of `re`: `*` is any run of characters, `?` one.

    The groups are atomic, as in `fnmatch`: a long path of the client's choice is searched once.
    """
    first, *rest = [re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", text)]
    if not rest:
        return first
    *inner, last = rest
    return first + "".join(f"(?>.*?{part})" for part in inner) + f".*{last}"
