"""What a route calls instead of a function's proxy: a service of AWS here, HTTP, a function by
mapped events, or nothing (row 1.40).

Templates and calls run in threads: they are for few requests, and a slow one keeps nobody waiting.
"""

import asyncio
import base64
import json
import logging
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from xml.etree import ElementTree

from local.gateway import mapping, responses
from local.gateway.responses import Refusal
from local.lambda_service.dispatch import End, Invocation, Outcome, Pool
from local.template import Integration
from local.template.integrations import JSON_SERVICES
from local.template.intrinsics import REGION

if TYPE_CHECKING:
    from local.gateway.exchange import Exchange

log = logging.getLogger(__name__)

CALLS_MAX = 32  # at a time, of all routes; beyond it requests are refused
ANSWER_MAX_BYTES = 10 * 1024 * 1024  # row 1.38: of what an integration answers
# The variables that name a service's endpoint to SDKs, where they are not its name.
_ENDPOINTS = {"events": "EVENTBRIDGE", "states": "SFN", "secretsmanager": "SECRETS_MANAGER"}
_JSON_1_0 = ("dynamodb", "sqs", "states")
_FORM = "application/x-www-form-urlencoded"
_NOT_PASSED = {"host", "connection", "content-length", "transfer-encoding", "accept-encoding"}
_FAILED = Refusal("DEFAULT_5XX", 500, "Internal server error", "InternalServerErrorException")
_UNSUPPORTED = Refusal(
    "UNSUPPORTED_MEDIA_TYPE", 415, "Unsupported Media Type", "BadRequestException"
)

_threads = ThreadPoolExecutor(CALLS_MAX, thread_name_prefix="integration")
_tasks: set[asyncio.Task[None]] = set()
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # services are on loopback


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of an integration, before it is mapped."""

    status: int
    headers: Mapping[str, str]
    body: str
    error: str | None = None  # a function's error message


class IntegrationError(Exception):
    """A call that came to nothing; the message is for the log."""


class Caller:
    """The integration of one route; `pool` is a function's, where it is called by mapped events."""

    def __init__(self, integration: Integration, pool: Pool | None, patience_s: float) -> None:
        self._integration = integration
        self.place = integration.place
        self._pool = pool
        self._patience_s = patience_s

    def serve(self, exchange: "Exchange") -> None:
        """Answer a request in the background; refuse it where too many are being answered."""
        if len(_tasks) >= CALLS_MAX:
            exchange.refuse(responses.OVERLOADED)
            return
        task = asyncio.get_running_loop().create_task(self._answer(exchange))
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    async def _answer(self, exchange: "Exchange") -> None:
        integration, event = self._integration, exchange.event("1.0")
        try:
            async with asyncio.timeout(self._patience_s):
                body = await _in_thread(mapping.request_body, integration, event)
                if self._pool is not None:
                    reply = await _invoked(self._pool, body, exchange, self._patience_s)
                else:
                    call = (integration, event, body, self._patience_s, exchange.inner_trace)
                    reply = await _in_thread(_called, *call)
                answer = await _in_thread(_mapped, integration, event, reply)
        except mapping.UnsupportedMediaType:
            exchange.refuse(_UNSUPPORTED)
        except TimeoutError:
            exchange.refuse(responses.TIMED_OUT)
        except (IntegrationError, mapping.BadTemplate) as error:
            log.warning("the integration with %s failed: %s", integration.place, error)
            exchange.refuse(_FAILED)
        else:
            exchange.answer(*answer)


async def _in_thread(function: Any, *arguments: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(_threads, function, *arguments)


async def _invoked(pool: Pool, body: str, exchange: "Exchange", patience_s: float) -> Reply:
    """Return a function's answer to a mapped event. Raises IntegrationError."""
    outcomes: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    try:
        event = json.dumps(json.loads(body or "{}")).encode()
    except ValueError as error:
        raise IntegrationError(f"the template made no JSON: {error}") from error
    context = exchange.context
    invocation = Invocation(
        context.invocation_id, exchange.inner_trace, event, outcomes.set_result, patience_s
    )
    invocation.span_id = context.handler_span_id
    exchange.mapped = (invocation, pool.function)
    pool.invoke(invocation, asyncio.get_running_loop().time())
    try:
        outcome = await outcomes
    finally:
        if not outcomes.done():
            pool.abandon(invocation)
    if outcome.end is End.RESULT:
        return Reply(200, {}, json.dumps(outcome.result))
    if outcome.end is not End.ERROR:
        raise IntegrationError(outcome.end.value)
    failure = outcome.error or {}
    return Reply(200, {}, json.dumps(failure), error=str(failure.get("errorMessage", "")))


def _called(
    integration: Integration, event: mapping.Event, body: str, wait_s: float, trace: str
) -> Reply:
    """Return the answer of what is no function. Raises IntegrationError.

    `trace` goes with the call, as API Gateway has it; SQS keeps it with a message.
    """
    if integration.kind == "mock":
        return Reply(_status_of(body), {}, "")
    if integration.kind in ("http", "http_proxy"):
        request = _http_request(integration, event, body)
    elif integration.kind == "subtype":
        request = _action_request(integration, event)
    else:
        request = _service_request(integration, event, body)
    request.add_header("X-Amzn-Trace-Id", trace)
    try:
        with _opener.open(request, timeout=wait_s) as answer:
            return _reply(answer.status, answer)
    except urllib.error.HTTPError as error:
        return _reply(error.code, error)
    except (OSError, ValueError) as error:
        raise IntegrationError(f"{request.full_url}: {error}") from error


def _reply(status: int, answer: Any) -> Reply:
    body = answer.read(ANSWER_MAX_BYTES).decode("utf-8", "replace")
    return Reply(status, dict(answer.headers.items()), body)


def _status_of(body: str) -> int:
    """Return the status that the template of a fixed answer says. Raises IntegrationError."""
    try:
        return int(json.loads(body or '{"statusCode": 200}')["statusCode"])
    except (ValueError, TypeError, KeyError) as error:
        raise IntegrationError("the request template has no statusCode") from error


def _http_request(
    integration: Integration, event: mapping.Event, body: str
) -> urllib.request.Request:
    is_proxy = integration.kind == "http_proxy"
    queries = dict(event.get("queryStringParameters") or {}) if is_proxy else {}
    headers = {
        name: value
        for name, value in (event.get("headers") or {}).items()
        if is_proxy and name.lower() not in _NOT_PASSED
    }
    places = dict(event.get("pathParameters") or {}) | mapping.request_parameters(
        integration, "path", event
    )
    headers |= mapping.request_parameters(integration, "header", event)
    queries |= mapping.request_parameters(integration, "querystring", event)
    url = re.sub(
        r"\{([\w.-]+)\+?\}", lambda match: quote(str(places.get(match[1], ""))), integration.uri
    )
    if not url.startswith(("http://", "https://")):
        raise IntegrationError(f"{url} is no address on the web")
    if queries:
        url += ("&" if "?" in url else "?") + urlencode(queries)
    method = event["httpMethod"] if integration.method in ("ANY", "") else integration.method
    data = None if method in ("GET", "HEAD") else _bytes(body, event)
    return urllib.request.Request(url, data, headers, method=method)


def _bytes(body: str, event: mapping.Event) -> bytes:
    if event.get("isBase64Encoded") and body == event.get("body"):
        return base64.b64decode(body)
    return body.encode()


def _service_request(
    integration: Integration, event: mapping.Event, body: str
) -> urllib.request.Request:
    """Return the call of a service, as its own protocol has it."""
    service, action = integration.service, integration.action
    headers = mapping.request_parameters(integration, "header", event)
    query = mapping.request_parameters(integration, "querystring", event)
    if service == "s3":
        places = mapping.request_parameters(integration, "path", event)
        path = re.sub(r"\{([\w.-]+)\}", lambda match: quote(places.get(match[1], "")), action)
        url = path + (f"?{urlencode(query)}" if query else "")
        return _signed(service, url, _bytes(body, event), headers, integration.method)
    is_form = service == "sns" or action.startswith("/") or body.startswith("Action=")
    if service in JSON_SERVICES and not is_form and not query:
        return _json_request(service, action, body)
    path, name = (action, {}) if action.startswith("/") else ("/", {"Action": action})
    form = {**name, **query, **dict(parse_qsl(body, keep_blank_values=True))}
    return _signed(service, path, urlencode(form).encode(), {"Content-Type": _FORM}, "POST")


def _action_request(integration: Integration, event: mapping.Event) -> urllib.request.Request:
    """Return the call that an HTTP API's integration makes of its parameters."""
    service = integration.service
    values = {
        name: mapping.action_parameter(value, event)
        for name, value in integration.parameters.items()
    }
    parameters = {name: value for name, value in values.items() if value is not None}
    if service == "sqs":
        form = {"Action": integration.action, **parameters}
        return _signed(service, "/", urlencode(form).encode(), {"Content-Type": _FORM}, "POST")
    if service == "events":
        detail = parameters.get("Detail")
        parameters["Detail"] = detail if isinstance(detail, str) else json.dumps(detail)
        parameters = {"Entries": [parameters]}
    if service == "kinesis":
        parameters["Data"] = base64.b64encode(str(parameters.get("Data", "")).encode()).decode()
    for name in ("Input", "input"):
        if name in parameters and not isinstance(parameters[name], str):
            parameters[name] = json.dumps(parameters[name])
    if service == "states":
        parameters = {name[:1].lower() + name[1:]: value for name, value in parameters.items()}
    return _json_request(service, integration.action, json.dumps(parameters))


def _json_request(service: str, action: str, body: str) -> urllib.request.Request:
    kind = "1.0" if service in _JSON_1_0 else "1.1"
    headers = {
        "Content-Type": f"application/x-amz-json-{kind}",
        "X-Amz-Target": f"{JSON_SERVICES[service]}.{action}",
    }
    return _signed(service, "/", body.encode(), headers, "POST")


def _signed(
    service: str, path: str, body: bytes, headers: Mapping[str, str], method: str
) -> urllib.request.Request:
    """Return a request to a service here, which looks at the signature for its name only."""
    name = _ENDPOINTS.get(service, service.upper())
    endpoint = os.environ.get(f"AWS_ENDPOINT_URL_{name}") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint is None or not urlsplit(endpoint).hostname:
        raise IntegrationError(f"{service} is not on this machine")
    scope = f"local/20300101/{REGION}/{service}/aws4_request"
    signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    return urllib.request.Request(
        endpoint.rstrip("/") + path,
        body,
        {**headers, "Authorization": signature},
        method=method,
    )


def _mapped(integration: Integration, event: mapping.Event, reply: Reply) -> tuple[int, str, bytes]:
    """Return status, header lines and body of the answer. Raises IntegrationError."""
    kind = _header(reply, "content-type") or "application/json"
    if integration.kind in ("http_proxy", "subtype"):
        lines = _lines({**_passed(reply), "Content-Type": kind})
        return reply.status, lines, reply.body.encode()
    response = mapping.chosen(integration, _judged(integration, reply))
    if response is None:
        raise IntegrationError(f"no response is for {_judged(integration, reply) or 'a success'}")
    body = _as_json(reply.body) if kind.startswith(("text/xml", "application/xml")) else reply.body
    headers = mapping.response_headers(response, reply.headers, body, event)
    if response.templates:
        kind = next(iter(response.templates))
        body = mapping.rendered(response.templates[kind], body, event)
    override = event.get("responseOverride") or {}
    headers |= {name: str(value) for name, value in (override.get("header") or {}).items()}
    if not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = kind if response.templates else "application/json"
    return _status(override.get("status", response.status)), _lines(headers), body.encode()


def _status(value: Any) -> int:
    """Return the status that a template sets. Raises IntegrationError."""
    try:
        status = int(value)
    except (TypeError, ValueError):
        status = 0
    if not 100 <= status <= 599:
        raise IntegrationError(f"{value!r} is no status")
    return status


def _judged(integration: Integration, reply: Reply) -> str:
    """Return what patterns are compared with: a function's error, or a status."""
    is_function = integration.kind == "aws" and not integration.service
    return (reply.error or "") if is_function else str(reply.status)


def _passed(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name.lower() not in _NOT_PASSED}


def _lines(headers: Mapping[str, str]) -> str:
    safe = {name: re.sub(r"[\r\n]", " ", value) for name, value in headers.items()}
    return "".join(f"{name}: {value}\r\n" for name, value in safe.items())


def _header(reply: Reply, name: str) -> str:
    return next((value for key, value in reply.headers.items() if key.lower() == name), "")


def _as_json(xml: str) -> str:
    """Return the XML of SQS and SNS as the JSON that they answer an API with."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise IntegrationError(f"the answer is no XML: {error}") from error
    return json.dumps({_local(root.tag): _values(root)})


def _values(element: ElementTree.Element) -> Any:
    if not len(element):
        return element.text or ""
    return {_local(child.tag): _values(child) for child in element}


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
