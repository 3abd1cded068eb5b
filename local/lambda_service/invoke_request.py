"""The request to the Invoke API, read from HTTP or refused in Lambda's words."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote

import orjson

from local.http.request import Request
from local.lambda_service import api_table
from local.runtime.environment import function_arn
from local.runtime.frames import loads

SYNCHRONOUS_MAX_BYTES = 6 * 1024 * 1024
# Lambda's 1 MiB, less what our queue's message says beside the event.
ASYNCHRONOUS_MAX_BYTES = 1024 * 1024 - 1024
CLIENT_CONTEXT_MAX_BYTES = 3_583
LONGEST_S = 920.0  # the longest function runs 15 minutes, and may have waited before
KINDS = ("RequestResponse", "Event", "DryRun")
LOG_TYPES = ("None", "Tail")

_PATH = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?")


class Refused(Exception):
    """Lambda's answer to a request that it does not run."""

    def __init__(self, status: int, kind: str, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.reason = reason

    def body(self) -> bytes:
        type_ = "Service" if self.status >= 500 else "User"
        named = {"Reason": self.reason} if self.reason else {}
        return orjson.dumps({**named, "Type": type_, "Message": str(self), "message": str(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeParameters:
    """One call of Invoke."""

    function: str  # name or logical id
    kind: str  # one of KINDS
    event: bytes  # JSON
    client_context: object
    wants_log: bool


def read(request: Request) -> InvokeParameters:
    """Return what `request` asks. Raises Refused."""
    path, _, query = request.target.partition("?")
    match = _PATH.fullmatch(path)
    if match is None or request.method != "POST":
        operation = api_table.operation(request.method, path) or f"{request.method} {path}"
        sentence = f"{operation} is not emulated; only Invoke is"
        raise Refused(404, "UnknownOperationException", sentence)
    _refuse_unread(request.fields, parse_qs(query, keep_blank_values=True))
    kind = request.fields.get("x-amz-invocation-type", "RequestResponse")
    if kind not in KINDS:
        raise _invalid(f"the invocation type {kind!r} is none of {', '.join(KINDS)}")
    log_type = request.fields.get("x-amz-log-type", "None")
    if log_type not in LOG_TYPES:
        raise _invalid(f"the log type {log_type!r} is none of {', '.join(LOG_TYPES)}")
    qualifier = parse_qs(query).get("Qualifier", [""])[0]
    return InvokeParameters(
        function=_function(unquote(match[1]), qualifier),
        kind=kind,
        event=_event(request, kind),
        client_context=_client_context(request.fields.get("x-amz-client-context", "")),
        wants_log=log_type == "Tail" and kind == "RequestResponse",
    )


def _refuse_unread(fields: Mapping[str, str], query: Mapping[str, object]) -> None:
    """Refuse a parameter of Invoke that no code here reads, and one that Invoke has not."""
    for name in api_table.UNREAD:
        if api_table.INVOKE[name][1].lower() in fields:
            raise _invalid(f"the parameter {name} of Invoke is not emulated")
    if unknown := sorted(query.keys() - {"Qualifier"}):
        raise _invalid(f"{unknown[0]} is no parameter of Invoke")


def not_found(name: str) -> Refused:
    return Refused(404, "ResourceNotFoundException", f"Function not found: {function_arn(name)}")


def _function(text: str, qualifier: str) -> str:
    """Return the name in a name, an ARN or a part of one; of whose account and region it is not."""
    *_, name, _, suffix, _ = _checked("FunctionName", text).groups()
    if qualifier:
        _checked("Qualifier", qualifier)
    if suffix and qualifier and suffix != qualifier:
        sentence = "The derived qualifier from the function name does not match"
        raise _invalid(f"{sentence} the specified qualifier.")
    suffix = suffix or qualifier
    if suffix not in ("", "$LATEST"):
        raise not_found(f"{name}:{suffix}")  # only $LATEST runs here
    return name


def _checked(parameter: str, text: str) -> re.Match[str]:
    """Return how botocore's pattern of a parameter matches. Raises Refused in Lambda's words."""
    pattern, most = api_table.PATTERNS[parameter]
    rule = f"have length less than or equal to {most}"
    match = pattern.fullmatch(text) if len(text) <= most else None
    if match is None:
        if len(text) <= most:
            rule = f"satisfy regular expression pattern: {pattern.pattern}"
        member = parameter[0].lower() + parameter[1:]
        sentence = f"Value {text!r} at '{member}' failed to satisfy constraint: Member must {rule}"
        raise Refused(400, "ValidationException", f"1 validation error detected: {sentence}")
    return match


def _event(request: Request, kind: str) -> bytes:
    body, most = request.body, SYNCHRONOUS_MAX_BYTES
    if kind == "Event":  # both are in the message
        most = ASYNCHRONOUS_MAX_BYTES - len(request.fields.get("x-amz-client-context", ""))
    if len(body) > most:
        sentence = f"{len(body)} byte payload is too large for the {kind} invocation type"
        raise Refused(413, "RequestTooLargeException", f"{sentence} (limit {most} bytes)")
    try:
        _check_json(body or b"{}")
    except (ValueError, RecursionError) as error:
        sentence = f"Could not parse request body into json: {error}"
        raise Refused(400, "InvalidRequestContentException", sentence) from error
    return body or b"{}"


def _check_json(body: bytes) -> None:
    """Raise ValueError unless `body` is JSON, which may hold what only Python reads: 1e400."""
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        json.loads(body.decode(), parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _client_context(encoded: str) -> object:
    if not encoded:
        return None
    if len(encoded) > CLIENT_CONTEXT_MAX_BYTES:
        raise _invalid(f"the client context is over {CLIENT_CONTEXT_MAX_BYTES} bytes")
    try:
        context = loads(base64.b64decode(encoded, validate=True))
    except ValueError as error:
        raise _invalid("the client context is no base64 of JSON") from error
    if not isinstance(context, dict):
        raise _invalid("the client context is no JSON object")
    return context


def _invalid(sentence: str) -> Refused:
    return Refused(400, "InvalidParameterValueException", sentence)
