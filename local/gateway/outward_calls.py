"""The calls of integrations that are no function: AWS's services here, HTTP, and fixed answers."""

import base64
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from local.gateway import mapping
from local.gateway.integration_reply import OF_ONE_CONNECTION, IntegrationError, Reply
from local.runtime.aws_calls import endpoint_of
from local.template import Integration
from local.template.integrations import JSON_SERVICES
from local.template.intrinsics import REGION

REPLY_MAX_BYTES = 10 * 1024 * 1024  # row 1.38, payload sizes: of an answer
_PART_BYTES = 64 * 1024  # of an answer; between two of them the deadline is looked at
# The names by which SDKs look for a service's endpoint, where they are not the service's own.
_SERVICE_IDS = {"events": "EventBridge", "states": "SFN", "secretsmanager": "Secrets Manager"}
_JSON_1_0 = ("dynamodb", "sqs", "states")
_FORM = "application/x-www-form-urlencoded"

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # services are on loopback


def call(
    integration: Integration, event: mapping.Event, body: str, wait_s: float, trace: str
) -> Reply:
    """Return the reply of an integration that is no function. Raises IntegrationError.

    `trace` goes with the call, as API Gateway has it; SQS keeps it with a message. It has
    `wait_s` in all, or little more where nothing comes.
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
    ends_s = monotonic() + wait_s
    try:
        with _opener.open(request, timeout=wait_s) as answer:
            return _reply(answer.status, answer, ends_s)
    except urllib.error.HTTPError as error:
        with error:
            return _reply(error.code, error, ends_s)
    except (OSError, ValueError, HTTPException) as error:
        raise IntegrationError(f"{request.full_url}: {error}") from error


def _reply(status: int, answer: Any, ends_s: float) -> Reply:
    """Return the whole answer. Raises IntegrationError, OSError and HTTPException."""
    body = bytearray()
    while part := answer.read1(_PART_BYTES):
        body += part
        if len(body) > REPLY_MAX_BYTES:
            raise IntegrationError(f"the answer is over {REPLY_MAX_BYTES // 1024**2} MB")
        if monotonic() > ends_s:
            raise TimeoutError("the answer takes too long")
    if answer.length:  # of Content-Length, which read1 does not hold a server to
        raise IntegrationError(f"the answer ended {answer.length} bytes early")
    return Reply(status, dict(answer.headers.items()), body.decode("utf-8", "replace"))


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
        if is_proxy and name.lower() not in OF_ONE_CONNECTION
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
    endpoint = endpoint_of(_SERVICE_IDS.get(service, service))
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
