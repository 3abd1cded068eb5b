"""The edges of a function: `api` and `endpoint` for API Gateway, `consumer` for SQS, `scheduled`.

They own what every handler needs and no domain should repeat: caller and scope, problem+json,
metrics, the partial batch response. A view takes a Call and returns a Response, or raises a
BackendError.
"""

import functools
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from chalice.app import Blueprint, Chalice, MultiDict, Request, Response

from backend import strict_json, telemetry, tracing
from backend.callers import ANYBODY, Caller, caller_of
from backend.errors import (
    PROBLEM_CONTENT_TYPE,
    BackendError,
    InvalidRequest,
    Throttled,
    of_queue,
    problem,
)
from backend.problem_answers import problem_of_chalice, problem_response, request_id_of
from backend.telemetry import Origin, logger, metrics_of
from redis_sqs import QueueUnavailable

T = TypeVar("T")
View = Callable[..., Response]

REQUEST_FIELDS = (
    "headers",
    "multiValueQueryStringParameters",
    "pathParameters",
    "stageVariables",
    "body",
)
# Visible ASCII, at most 255 characters, as Stripe takes it; RFC 8941's quotes are optional.
IDEMPOTENCY_KEY = re.compile(r'^"?([\x21\x23-\x7e]{1,255})"?$')
MEMBER = re.compile(r"(\w+)\[([^\[\]]*)\]")  # of an object, in a query


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One authorised request, as a view gets it."""

    caller: Caller
    request: Request

    @property
    def context(self) -> Any:
        """The Lambda context of the invocation."""
        return self.request.lambda_context

    @property
    def raw_body(self) -> bytes:
        """The body as it was sent."""
        raw = self.request.raw_body
        return raw.encode() if isinstance(raw, str) else bytes(raw)

    def body(self, shape: type[T], *, may_be_empty: bool = False) -> T:
        """Return the JSON body as `shape`; raises InvalidRequest.

        Where every field may be left out, so may be the body.
        """
        raw = self.request.raw_body
        if not raw and may_be_empty:
            raw = b"{}"
        return strict_json.parse(raw.encode() if isinstance(raw, str) else raw, shape)

    def query(self, shape: type[T]) -> T:
        """Return the query parameters as `shape` (numbers are parsed); raises InvalidRequest.

        `metadata[order]=7` is the member `order` of an object `metadata`.
        """
        values = self.request.query_params or MultiDict({})
        members: dict[str, Any] = {}
        for name in values:
            if len(values.getlist(name)) > 1:
                raise InvalidRequest(f"`{name}` stands in the query twice.", param=name)
            member = MEMBER.fullmatch(name)
            if member is None or isinstance(members.get(member[1]), str):
                members[name] = values[name]
            else:
                members.setdefault(member[1], {})[member[2]] = values[name]
        return strict_json.convert_text(members, shape)

    def idempotency_key(self) -> str:
        """Return the Idempotency-Key header; raises InvalidRequest 400 where it is missing."""
        raw = self.request.headers.get("idempotency-key")
        if not raw:
            raise InvalidRequest(
                "Send an Idempotency-Key header, new for each operation.",
                status=400,
                code="idempotency_key_required",
            )
        match = IDEMPOTENCY_KEY.match(raw)
        if match is None or _times_sent(self.request, "idempotency-key") > 1:
            raise InvalidRequest(
                "The Idempotency-Key must be 1 to 255 visible ASCII characters, sent once.",
                status=400,
                code="idempotency_key_invalid",
            )
        return match[1]


class Api(Chalice):
    """A Chalice app that answers an event which is no request, where Chalice fails at it."""

    def __call__(self, event: Any, context: Any) -> Any:
        if lacking := _lacking(event):
            error = InvalidRequest(
                f"The event is no request of API Gateway: it has no {lacking}.", status=400
            )
            body = json.dumps(problem(error, request_id=str(context.aws_request_id)))
            headers = {"Content-Type": PROBLEM_CONTENT_TYPE}
            return {"statusCode": 400, "headers": headers, "body": body}
        return super().__call__(event, context)


def _lacking(event: Any) -> str:
    """Return the first field of a request that Chalice reads and the event has not, or nothing."""
    if not isinstance(event, dict):
        return REQUEST_FIELDS[0]
    context = event.get("requestContext")
    if not isinstance(context, dict) or "resourcePath" not in context:
        return "requestContext.resourcePath"
    return next((name for name in REQUEST_FIELDS if name not in event), "")


def api(name: str) -> Chalice:
    """Return the Chalice app of domain `name`, whose every error is problem+json."""
    app = Api(app_name=name, configure_logs=False)
    metrics = metrics_of(name)

    @app.middleware("http")
    def edge(request: Request, get_response: Callable[[Request], Response]) -> Response:
        started_s = time.monotonic()
        response = get_response(request)
        metrics.finish(request.lambda_context)
        tracing.end(request.lambda_context)
        if response.status_code >= 400 and isinstance(response.body, dict):
            response = problem_of_chalice(response, request)
        if request.context.get("authorizer"):
            from backend import request_log  # noqa: PLC0415  # imported with the first scope

            request_log.note(request, response, started_s=started_s)
        return response

    return app


def endpoint(
    app: Chalice | Blueprint, scope: str | None = None, *, unpacks: bool = False
) -> Callable[[Callable[..., Response]], View]:
    """Make a function of a Call a view of `app`; `scope` None means open to everybody.

    A body under a Content-Encoding is refused, but where the view `unpacks` it itself. Where a
    scope is needed, the caller's tenant has a limit of requests a second.
    """
    limited = _limited_as(scope) if scope else None

    def decorate(view: Callable[..., Response]) -> View:
        @functools.wraps(view)
        def guarded(**path: str) -> Response:
            request = app.current_request
            assert request is not None  # Chalice sets it before it calls a view
            telemetry.begin(
                request_id_of(request), traceparent=request.headers.get("traceparent", "")
            )
            tracing.begin()
            fields: dict[str, str] = {}
            try:
                caller = caller_of(request, scope) if scope else ANYBODY
                if limited:
                    limited(caller.tenant, fields)
                if not unpacks:
                    _refuse_packed(request)
                response = view(Call(caller=caller, request=request), **path)
            except BackendError as error:
                response = problem_response(error, request)
            except QueueUnavailable as error:
                response = problem_response(of_queue(error), request)
            response.headers.update(fields)
            return response

        guarded.scope = scope  # type: ignore[attr-defined]  # a test walks the routes by it
        return guarded

    return decorate


def _limited_as(scope: str) -> Callable[[str, dict[str, str]], None]:
    """Return what takes a request of a tenant from its limit and writes the RateLimit fields."""
    # They need Redis, open routes need not; the log is for `api`, and imported before any request.
    from backend import rate_limits, request_log  # noqa: F401, PLC0415

    group = rate_limits.group_of(scope)

    def take(tenant: str, fields: dict[str, str]) -> None:
        turn = rate_limits.take(tenant, group)
        fields.update(turn.fields)
        if turn.wait_s:
            metrics_of(group.partition("-")[0]).count("RequestsThrottled")
            detail = f"Too many requests to {group}; retry after the time given."
            raise Throttled(detail, retry_after_s=turn.wait_s)

    return take


def reply(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return `body` (a Struct, or what JSON can hold) as a JSON response."""
    text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
    content: dict[str, str | list[str]] = {"Content-Type": "application/json", **(headers or {})}
    return Response(body=text, status_code=status, headers=content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of an SQS event with its body parsed (row 4.1, the SQS event)."""

    message_id: str
    body: Any
    sent_at_ms: int
    trace: str = ""  # that its sender was in, as AWS writes it


def consumer(
    name: str, shape: Any = dict, *, about: Callable[[Any], Iterable[str]] = lambda body: ()
) -> Callable[[Callable[[Sequence[Record]], Iterable[str]]], Callable[[Any, Any], Any]]:
    """Make a function of a batch an SQS handler with ReportBatchItemFailures.

    The function returns the ids of the messages to deliver again, best a mapping to the reasons;
    an exception means all of them. Bodies are parsed as `shape`; a record whose body is not is
    reported alone, so that it ends in the dead-letter queue and its neighbours are handled. `about`
    returns the ids of the objects that a body is about: log lines on them name message and trace.

    The reasons are logged, and answered as `failureReasons` besides what AWS reads: the workers of
    one machine keep them with the messages.
    """
    from backend import breaker  # noqa: PLC0415  # it needs Redis, open routes need not

    metrics = metrics_of(name)

    def decorate(
        handle: Callable[[Sequence[Record]], Iterable[str]],
    ) -> Callable[[Any, Any], Any]:
        @functools.wraps(handle)
        def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
            records, reasons = _records(event, shape)
            objects = {each.message_id: tuple(about(each.body)) for each in records}
            _begin_batch(records, objects, context)
            breaker.wait_for_store()
            try:
                reasons |= _reasons(handle(records)) if records else {}
            except Exception as error:  # edge: an invocation; its records come again
                logger.exception("the batch failed", extra={"records": len(records)})
                reasons |= dict.fromkeys((each.message_id for each in records), _text(error))
            metrics.finish(context)
            tracing.end(context)
            if not reasons:
                return {"batchItemFailures": []}
            for message_id, reason in reasons.items():
                ids = {
                    "message_id": message_id,
                    "object_id": next(iter(objects.get(message_id, ())), None),
                }
                logger.error("message failed", extra={**ids, "reason": reason})
            failures = [{"itemIdentifier": each} for each in sorted(reasons)]
            return {"batchItemFailures": failures, "failureReasons": reasons}

        return handler

    return decorate


def _reasons(failed: Iterable[str]) -> Mapping[str, str]:
    """Return why each of these messages comes again, by id."""
    if isinstance(failed, Mapping):
        return failed
    return dict.fromkeys(failed, "reported by the handler as failed")


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _begin_batch(
    records: Sequence[Record], objects: Mapping[str, Iterable[str]], context: object
) -> None:
    origins = {
        object_id: Origin(record.message_id, record.trace)
        for record in records
        for object_id in objects[record.message_id]
    }
    telemetry.begin(getattr(context, "aws_request_id", ""), origins=origins)
    tracing.begin()


def scheduled(name: str) -> Callable[[Callable[[Any], T]], Callable[[Any, Any], T]]:
    """Make a function of an event the handler of a schedule.

    An error is raised on: Lambda then counts a failed run, which alarms, and the next run follows.
    """
    metrics = metrics_of(name)

    def decorate(run: Callable[[Any], T]) -> Callable[[Any, Any], T]:
        @functools.wraps(run)
        def handler(event: Any, context: object) -> T:
            telemetry.begin(getattr(context, "aws_request_id", ""))
            tracing.begin()
            try:
                return run(event)
            finally:
                metrics.finish(context)
                tracing.end(context)

        return handler

    return decorate


def _times_sent(request: Request, header: str) -> int:
    """Return how often a header was sent; Chalice itself shows the last only."""
    sent = request.to_original_event().get("multiValueHeaders") or {}
    return sum(len(values) for name, values in sent.items() if name.lower() == header)


def _refuse_packed(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity") and request.raw_body:
        raise InvalidRequest(
            "Send the body as it is, without Content-Encoding.",
            status=415,
            code="unsupported_encoding",
        )


def _records(event: dict[str, Any], shape: Any) -> tuple[list[Record], dict[str, str]]:
    records: list[Record] = []
    malformed: dict[str, str] = {}
    for raw in event["Records"]:
        message_id = raw["messageId"]
        try:
            body = msgspec.json.decode(raw["body"], type=shape)
        except msgspec.DecodeError as error:
            malformed[message_id] = f"malformed message: {_text(error)}"
            continue
        about = raw["attributes"]
        records.append(
            Record(
                message_id=message_id,
                body=body,
                sent_at_ms=int(about["SentTimestamp"]),
                trace=about.get("AWSTraceHeader", ""),
            )
        )
    return records, malformed
