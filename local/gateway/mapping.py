"""The mapping of requests and answers between an API and its integrations.

`event` is the request as the event of payload 1.0 has it.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from local.gateway import java_methods
from local.template import Integration, IntegrationResponse

Event = dict[str, Any]

_STEP = re.compile(r"\.([\w$-]+)|\['([^']+)'\]|\[\"([^\"]+)\"\]|\[(\d+)\]")
_VARIABLE = re.compile(r"\$\{(request\.[\w.$\[\]'-]+|context\.[\w.]+|stageVariables\.\w+)\}")
_LISTS = {"header": "headers", "querystring": "queryStringParameters", "path": "pathParameters"}


OVERRIDES = ("requestOverride", "responseOverride")


class UnsupportedMediaType(Exception):
    """A request whose content type has no template where there has to be one."""


class BadTemplate(Exception):
    """A template that cannot be rendered; the message says why."""


def path_of(document: Any, path: str) -> Any:
    """Return the value at a JSONPath such as $.a.b[0] of a document, or None."""
    position, value = 1, document
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise BadTemplate(f"{path} is no path such as $.a.b[0]")
        name = step[1] or step[2] or step[3]
        if name is not None:
            value = value.get(name) if isinstance(value, Mapping) else None
        else:
            index = int(step[4])
            value = value[index] if isinstance(value, list) and index < len(value) else None
        position = step.end()
    return value


class _Input:
    """`$input` of a template: the body, and the parameters of the request."""

    def __init__(self, body: str, event: Event) -> None:
        self.body = body
        self._event = event
        self._document = _parsed(body)  # which a template may change by #set

    def path(self, path: str) -> Any:
        value = path_of(self._document, path)
        return "" if value is None else value

    def json(self, path: str) -> str:
        return json.dumps(path_of(self._document, path), separators=(",", ":"))

    def params(self, name: str | None = None) -> Any:
        places = ("path", "querystring", "header")
        of_place = {place: dict(self._event.get(_LISTS[place]) or {}) for place in places}
        if name is None:
            return of_place
        if name in of_place:
            return of_place[name]
        lists = (of_place["path"], of_place["querystring"], _lower(of_place["header"]))
        keys = (name, name, name.lower())
        return next((each[key] for each, key in zip(lists, keys, strict=True) if key in each), "")


class _Util:
    """`$util` of a template."""

    escapeJavaScript = staticmethod(lambda text: json.dumps(_text(text))[1:-1].replace("'", "\\'"))
    urlEncode = staticmethod(lambda text: quote_plus(_text(text)))
    urlDecode = staticmethod(lambda text: unquote_plus(_text(text)))
    base64Encode = staticmethod(lambda text: base64.b64encode(_text(text).encode()).decode())
    base64Decode = staticmethod(lambda text: base64.b64decode(_text(text)).decode())
    parseJson = staticmethod(lambda text: json.loads(_text(text)))


def _overrides() -> dict[str, Any]:
    return {place: {} for place in _LISTS}


def rendered(template: str, body: str, event: Event) -> str:
    """Return a template filled in; what it overrides is in the event then. Raises BadTemplate.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-override-request-response-parameters.html
    """
    import airspeed  # noqa: PLC0415 - few APIs have a template

    java_methods.add_to(airspeed.operators.__additional_methods__)
    overrides = {name: event.setdefault(name, _overrides()) for name in OVERRIDES}
    names = {
        "input": _Input(body, event),
        "util": _Util(),
        "context": {**(event.get("requestContext") or {}), **overrides},
        "stageVariables": event.get("stageVariables") or {},
    }
    try:
        return str(airspeed.Template(template).merge(names))
    except (airspeed.TemplateError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise BadTemplate(str(error) or type(error).__name__) from error


def request_body(integration: Integration, event: Event) -> str:
    """Return the body for the integration. Raises UnsupportedMediaType and BadTemplate."""
    kind = header(event, "content-type").partition(";")[0].strip() or "application/json"
    body = str(event.get("body") or "")
    if kind in integration.templates:
        return rendered(integration.templates[kind], body, event)
    is_strict = integration.passthrough == "never" or (
        integration.passthrough == "when_no_templates" and integration.templates
    )
    if is_strict:
        raise UnsupportedMediaType(kind)
    return body


def request_parameters(integration: Integration, place: str, event: Event) -> dict[str, str]:
    """Return the parameters for a place: header, querystring or path."""
    prefix = f"integration.request.{place}."
    values = {
        name.removeprefix(prefix): _parameter(source, event)
        for name, source in integration.parameters.items()
        if name.startswith(prefix)
    }
    values |= (event.get("requestOverride") or {}).get(place) or {}
    return {name: str(value) for name, value in values.items() if value is not None}


def _parameter(source: str, event: Event) -> str | None:
    """Return the value of method.request.header.NAME and its like, or of 'a fixed text'."""
    if source.startswith("'"):
        return source.strip("'")
    for place, member in _LISTS.items():
        prefix = f"method.request.{place}."
        if source.startswith(prefix):
            values = event.get(member) or {}
            name = source.removeprefix(prefix)
            return header(event, name) if place == "header" else values.get(name)
    if source.startswith("method.request.body"):
        path = source.removeprefix("method.request.body").lstrip(".") or "$"
        return _text(path_of(_parsed(str(event.get("body") or "")), path))
    return _context(source, event)


def action_parameter(value: str, event: Event) -> Any:
    """Return a parameter of an HTTP API's integration: text with $request.body.name in it."""
    if value.startswith("$") and not value.startswith("${"):
        return _selected(value[1:], event)
    return _VARIABLE.sub(lambda match: _text(_selected(match[1], event)), value)


def _selected(source: str, event: Event) -> Any:
    place, _, name = source.removeprefix("request.").partition(".")
    if not source.startswith("request."):
        return _context(source, event)
    if place == "body":
        body = str(event.get("body") or "")
        return path_of(_parsed(body), f"$.{name}") if name else body
    if place == "header":
        return header(event, name)
    if place in _LISTS:
        return (event.get(_LISTS[place]) or {}).get(name)
    return event.get("path") if source == "request.path" else None


def _context(source: str, event: Event) -> str | None:
    prefix, _, rest = source.partition(".")
    if prefix == "stageVariables":
        return (event.get("stageVariables") or {}).get(rest)
    value = path_of(event.get("requestContext") or {}, f"$.{rest}") if prefix == "context" else None
    return None if value is None else _text(value)


def response_for(integration: Integration, outcome: str) -> IntegrationResponse | None:
    """Return the response for a status or an error's message, by its pattern or the default."""
    for response in integration.responses:
        if not response.pattern or re.fullmatch(response.pattern, outcome, re.DOTALL):
            return response
    return None


def response_headers(
    response: IntegrationResponse, headers: Mapping[str, str], body: str, event: Event
) -> dict[str, str]:
    """Return the headers that a response sets, of fixed texts and of the integration's answer."""
    sources: dict[str, Callable[[str], Any]] = {
        "integration.response.header.": lambda name: _lower(headers).get(name.lower()),
        "integration.response.body.": lambda path: path_of(_parsed(body), f"$.{path}"),
    }
    values: dict[str, Any] = {}
    for target, source in response.parameters.items():
        name = target.removeprefix("method.response.header.")
        values[name] = _parameter(source, event)
        for prefix, read in sources.items():
            if source.startswith(prefix):
                values[name] = read(source.removeprefix(prefix))
    return {name: _text(value) for name, value in values.items() if value is not None}


def header(event: Event, name: str) -> str:
    """Return a header's value, whatever its letters; empty where there is none."""
    return str(_lower(event.get("headers") or {}).get(name.lower(), ""))


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # whoever asks may nest as deep as a body is long
        return {}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
