"""A REST API: events of payload 1.0, a strict response, errors in the template's words."""

from collections.abc import Mapping
from time import monotonic
from typing import Any

from local.gateway.authorizer import LambdaAuthorizer, Subject
from local.gateway.events import Context, Stage, build_event, collapse, split_target
from local.gateway.exchange import Exchange
from local.gateway.identity import Identity, identity_of
from local.gateway.policy import read_policy
from local.gateway.responses import GatewayResponses, Refusal
from local.gateway.results import read_result
from local.gateway.target import Answer
from local.gateway.variables import Situation
from local.http.request import Request
from local.lambda_service.dispatch import Pool
from local.template import Api, Authorizer, Preflight

# Row 1.51, the event's form: the members that a REQUEST authorizer gets of the function's event.
_QUESTION = (
    "resource",
    "path",
    "httpMethod",
    "headers",
    "multiValueHeaders",
    "queryStringParameters",
    "multiValueQueryStringParameters",
    "pathParameters",
    "stageVariables",
    "requestContext",
)


class RestDialect:
    """The dialect of a REST API: its events, answers and refusals."""

    def __init__(self, api: Api, *, port: int) -> None:
        self.stage = Stage(
            api.stage,
            str(port),
            tuple(kind.lower() for kind in api.binary_types),
            api.variables or None,
        )
        self._responses = GatewayResponses(api.gateway_responses)

    def path(self, request: Request) -> str:
        return collapse(split_target(request.target)[0])

    def event(self, exchange: Exchange, payload: str) -> dict[str, Any]:
        target, grant = exchange.target, exchange.grant
        assert target is not None
        return build_event(
            exchange.request,
            exchange.context,
            self.stage,
            resource=target.path,
            path_parameters=exchange.parameters,
            grant=grant,
            key=exchange.key,
        )

    def answer(self, exchange: Exchange, result: Any) -> Answer:
        status, lines, body = read_result(
            result,
            accept=exchange.request.fields.get("accept"),
            binary_types=self.stage.binary_types,
        )
        context = exchange.context
        trace = f"X-Amzn-Trace-Id: {context.trace}\r\n"
        return status, f"{lines}{self.identifiers(context)}{trace}", body

    def refusal(self, refusal: Refusal, situation: Situation) -> Answer:
        return self._responses.render(refusal, situation)

    def identifiers(self, context: Context) -> str:
        return (
            f"x-amzn-RequestId: {context.request_id}\r\n"
            f"x-amz-apigw-id: {context.extended_request_id}\r\n"
        )

    def unrouted(self, request: Request) -> Answer | None:
        return None


def authorizer(
    authorizer: Authorizer, pool: Pool, variables: Mapping[str, str]
) -> LambdaAuthorizer:
    """Return a Lambda authorizer, of kind TOKEN or REQUEST."""
    is_token = authorizer.kind == "TOKEN"
    return LambdaAuthorizer(
        authorizer,
        pool,
        monotonic,
        # Where nothing is cached, API Gateway does not look at the sources either.
        identify=identity_of(authorizer, variables, is_required=bool(authorizer.ttl_s)),
        event=token_event if is_token else request_event,
        read=read_policy,
    )


def token_event(subject: Subject, identity: Identity) -> dict[str, Any]:
    """Return the event of a TOKEN authorizer: three keys, no more (row 1.50, the event's form)."""
    return {"type": "TOKEN", "authorizationToken": identity[0], "methodArn": subject.method_arn}


def request_event(subject: Subject, identity: Identity) -> dict[str, Any]:
    """Return the event of a REQUEST authorizer (row 1.51, the event's form)."""
    event = subject.event("1.0")
    question = {"type": "REQUEST", "methodArn": subject.method_arn}
    return question | {name: event[name] for name in _QUESTION}


def preflight(method: Preflight) -> Answer:
    """Return the answer of the OPTIONS method that SAM makes for CORS (row 1.62, the mock)."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in method.headers.items())
    return 200, f"Content-Type: application/json\r\n{lines}", b"{}\n"
