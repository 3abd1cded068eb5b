"""The REST API: from a request to its route, authorizer and function, and back to an answer."""

import time
from collections.abc import Mapping
from time import monotonic

import orjson

from local.gateway import events, responses
from local.gateway.authorizer import TokenAuthorizer
from local.gateway.dispatch import End, Invocation, Outcome, Pool
from local.gateway.logs import BufferedLog, access_line
from local.gateway.metrics import Metrics, RouteMeter
from local.gateway.output import FunctionOutput
from local.gateway.request import Request
from local.gateway.responses import GatewayResponses, Refusal, Situation
from local.gateway.router import Router
from local.gateway.throttle import TokenBucket, bucket_for
from local.template import Api, Route, Template

# 1.38: Lambda's limit on an event, which the escaped body reaches before API Gateway's 10 MB.
EVENT_MAX_BYTES = 6 * 1024 * 1024

CLIENT_GONE = 499  # nginx's number for a client that closed before its answer

_REFUSAL_OF_END = {
    End.ERROR: responses.FUNCTION_ERROR,
    End.EXPIRED: responses.OVERLOADED,
    End.THROTTLED: responses.FUNCTION_THROTTLED,
    End.TIMED_OUT: responses.TIMED_OUT,
}


class _Target:
    """A route with everything that can be known before a request comes."""

    __slots__ = ("authorizer", "bucket", "meter", "method", "path", "pool")

    def __init__(
        self,
        route: Route,
        *,
        pool: Pool,
        authorizer: TokenAuthorizer | None,
        bucket: TokenBucket | None,
        meter: RouteMeter,
    ) -> None:
        self.method = route.method
        self.path = route.path
        self.pool = pool
        self.authorizer = authorizer
        self.bucket = bucket
        self.meter = meter


class RestApi:
    """Answers requests by the functions of a template."""

    def __init__(
        self,
        template: Template,
        pools: Mapping[str, Pool],
        metrics: Metrics,
        access_log: BufferedLog,
        output: FunctionOutput,
        *,
        port: int,
    ) -> None:
        api = template.api
        self.in_flight = 0
        self.stage = api.stage
        self.binary_types = tuple(kind.lower() for kind in api.binary_types)
        self.responses = GatewayResponses(api.gateway_responses)
        self.access_log = access_log
        self.output = output
        self.port = str(port)
        self.unrouted = metrics.route("none", "none", "none")
        self.router = Router(_targets(api, pools, metrics))

    def handle(self, request: Request) -> None:
        """Answer `request` when its function has; refuse it where there is none."""
        exchange = _Exchange(self, request)
        self.in_flight += 1
        request.dropped = exchange.drop
        exchange.begin()

    def refuse(self, request: Request, status: int) -> None:
        """Answer what is not HTTP as it should be, or too large."""
        self.in_flight += 1
        _Exchange(self, request).refuse(responses.malformed(status))


def _targets(api: Api, pools: Mapping[str, Pool], metrics: Metrics) -> list[_Target]:
    authorizers = {
        name: TokenAuthorizer(authorizer, pools[authorizer.function], monotonic)
        for name, authorizer in api.authorizers.items()
    }
    return [
        _Target(
            route,
            pool=pools[route.function],
            authorizer=authorizers[route.authorizer] if route.authorizer else None,
            bucket=bucket_for(api.throttles, route.path, route.method, monotonic()),
            meter=metrics.route(route.function, route.path, route.method),
        )
        for route in api.routes
    ]


class _Exchange:
    """One request on its way through the API."""

    __slots__ = (
        "_api",
        "_context",
        "_invocation",
        "_parameters",
        "_request",
        "_started_s",
        "_target",
    )

    def __init__(self, api: RestApi, request: Request) -> None:
        self._api = api
        self._request = request
        self._context = events.Context(request.fields, time.time())
        self._target: _Target | None = None
        self._parameters: dict[str, str] | None = None
        self._invocation: Invocation | None = None
        self._started_s = 0.0

    def begin(self) -> None:
        request, api = self._request, self._api
        path = events.collapse(events.split_target(request.target)[0])
        match = api.router.match(request.method, path)
        if match is None:
            self.refuse(responses.NO_ROUTE)
            return
        target, self._parameters = match
        self._target = target
        if target.bucket is not None and not target.bucket.take(monotonic()):
            self.refuse(responses.THROTTLED)
        elif target.authorizer is None:
            self._invoke(None)
        else:
            arn = events.method_arn(api.stage, request.method, path)
            ids = (self._context.request_id, self._context.trace)
            target.authorizer.authorize(request.fields, arn, ids, self._authorized)

    def drop(self) -> None:
        """The client has gone: what has not started never will."""
        self._request.reply = _nobody
        self._note(CLIENT_GONE, 0)
        if self._invocation is not None:
            assert self._target is not None
            self._target.pool.abandon(self._invocation)

    def refuse(self, refusal: Refusal) -> None:
        target = self._target
        resource = target.path if target else ""
        situation = Situation(self._request, self._context, refusal, resource, self._api.stage)
        status, lines, body = self._api.responses.render(situation)
        self._reply(status, lines, body)

    def _authorized(self, answer: dict[str, str] | Refusal) -> None:
        if isinstance(answer, Refusal):
            self.refuse(answer)
        elif self._request.reply is not _nobody:
            self._invoke(answer)

    def _invoke(self, authorizer: dict[str, str] | None) -> None:
        api, target = self._api, self._target
        assert target is not None
        event = orjson.dumps(
            events.build_event(
                self._request,
                self._context,
                resource=target.path,
                stage=api.stage,
                port=api.port,
                path_parameters=self._parameters,
                authorizer=authorizer,
                binary_types=api.binary_types,
            )
        )
        if len(event) > EVENT_MAX_BYTES:
            self.refuse(responses.TOO_LARGE)
            return
        context = self._context
        self._started_s = monotonic()
        self._invocation = Invocation(context.request_id, context.trace, event, self._ended)
        target.pool.invoke(self._invocation, self._started_s)

    def _ended(self, outcome: Outcome) -> None:
        if outcome.end is not End.RESULT:
            self.refuse(_REFUSAL_OF_END[outcome.end])
            return
        try:
            status, lines, body = events.read_result(
                outcome.result,
                accept=self._request.fields.get("accept"),
                binary_types=self._api.binary_types,
            )
        except events.MalformedResponse as error:
            self._api.output.failed(
                self._function(), self._context.request_id, {"errorMessage": str(error)}
            )
            self.refuse(responses.FUNCTION_ERROR)
            return
        context = self._context
        ours = (
            f"x-amzn-RequestId: {context.request_id}\r\n"
            f"x-amz-apigw-id: {context.extended_request_id}\r\n"
            f"X-Amzn-Trace-Id: {context.trace}\r\n"
        )
        self._reply(status, lines + ours, body)

    def _function(self) -> str:
        assert self._target is not None
        return self._target.pool.function.logical_id

    def _reply(self, status: int, lines: str, body: bytes) -> None:
        request = self._request
        if request.reply is _nobody:
            return
        request.reply(status, lines, body)
        request.dropped = None
        self._note(status, len(body))

    def _note(self, status: int, length: int) -> None:
        """Count the request and log it, once."""
        api, target = self._api, self._target
        api.in_flight -= 1
        now_s = monotonic()
        latency_s = now_s - self._request.received_s
        meter = target.meter if target else api.unrouted
        meter.answered(status, latency_s)
        line = access_line(
            self._request,
            self._context,
            resource=target.path if target else "-",
            status=status,
            length=length,
            latency_s=latency_s,
            integration_s=now_s - self._started_s if self._started_s else 0.0,
        )
        api.access_log.append(line)


def _nobody(status: int, header_lines: str, body: bytes) -> None:
    """The reply of a request whose client has gone."""
