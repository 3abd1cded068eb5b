"""An HTTP API: events of payload 2.0 or 1.0, a lenient response, CORS of its own.

Rows 1.63 and 1.70 to 1.78 describe it. It words no errors by a template, and has neither API keys
nor usage plans.
"""

from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import Any
from urllib.parse import unquote

import orjson

from local.gateway.authorizer import LambdaAuthorizer
from local.gateway.cors import Origins
from local.gateway.events import Context, Stage, split_target
from local.gateway.exchange import Exchange
from local.gateway.http_events import event_1_0, event_2_0, question_1_0, question_2_0
from local.gateway.http_results import read_http_result
from local.gateway.identity import identity_of
from local.gateway.policy import read_policy, read_simple
from local.gateway.responses import Refusal
from local.gateway.target import Answer
from local.gateway.variables import Situation
from local.http.request import Request
from local.lambda_service.dispatch import Pool
from local.template import Api, Authorizer

AUTHORIZER_TIMEOUT_S = 10.0  # row 1.77, the longest wait

# What AWS says otherwise than a REST API; status and message by the kind of refusal.
_WORDS = {
    "ACCESS_DENIED": (403, "Forbidden"),
    "AUTHORIZER_CONFIGURATION_ERROR": (500, "Internal Server Error"),
    "DEFAULT_5XX": (500, "Internal Server Error"),
    "INTEGRATION_FAILURE": (503, "Service Unavailable"),
    "INTEGRATION_TIMEOUT": (503, "Service Unavailable"),
    "MISSING_AUTHENTICATION_TOKEN": (404, "Not Found"),
    "REQUEST_TOO_LARGE": (413, "Request Entity Too Large"),
}


class HttpDialect:
    """The dialect of an HTTP API: its events, answers and refusals."""

    def __init__(self, api: Api, *, port: int) -> None:
        self.stage = Stage(api.stage, str(port), (), api.variables or None)
        self._origins = Origins(api.cors) if api.cors else None

    def path(self, request: Request) -> str:
        return unquote(split_target(request.target)[0])

    def event(self, exchange: Exchange, payload: str) -> dict[str, Any]:
        return (event_2_0 if payload == "2.0" else event_1_0)(exchange, self.stage)

    def answer(self, exchange: Exchange, result: Any) -> Answer:
        assert exchange.target is not None
        status, pairs, body = read_http_result(result, exchange.target.payload)
        if self._origins:
            pairs = self._origins.replaced(pairs, exchange.request.fields.get("origin"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in pairs)
        return status, lines + self.identifiers(exchange.context), body

    def refusal(self, refusal: Refusal, situation: Situation) -> Answer:
        status, message = _WORDS.get(refusal.kind, (refusal.status, refusal.message))
        pairs = [("Content-Type", "application/json")]
        if refusal.retry_after_s is not None:
            pairs.append(("Retry-After", str(refusal.retry_after_s)))
        if refusal.challenge:
            pairs.append(("www-authenticate", refusal.challenge))
        if self._origins:
            pairs = self._origins.replaced(pairs, situation.request.fields.get("origin"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in pairs)
        return status, lines + self.identifiers(situation.context), _message(message)

    def identifiers(self, context: Context) -> str:
        return f"apigw-requestid: {context.extended_request_id}\r\n"

    def unrouted(self, request: Request) -> Answer | None:
        """Answer a preflight that no route takes."""
        if self._origins is None or request.method != "OPTIONS":
            return None
        return self._origins.preflight(request.fields)


def authorizer(
    authorizer: Authorizer, pool: Pool, variables: Mapping[str, str]
) -> LambdaAuthorizer:
    """Return a Lambda authorizer of payload 1.0 or 2.0 that answers a policy or yes and no."""
    return LambdaAuthorizer(
        authorizer,
        pool,
        monotonic,
        identify=identity_of(authorizer, variables, is_required=bool(authorizer.sources)),
        event=question_2_0 if authorizer.payload == "2.0" else question_1_0,
        read=read_simple if authorizer.is_simple else partial(read_policy, as_text=False),
        patience_s=AUTHORIZER_TIMEOUT_S,
    )


def _message(text: str | None) -> bytes:
    return orjson.dumps({"message": text})
