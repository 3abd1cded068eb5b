"""The reply of an integration, and its mapping to the answer of the API."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from local.gateway import mapping
from local.template import Integration

# Of headers that belong to one connection, none goes from one side to the other.
OF_ONE_CONNECTION = {"host", "connection", "content-length", "transfer-encoding", "accept-encoding"}


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of an integration, before it is mapped."""

    status: int
    headers: Mapping[str, str]
    body: str
    error: str | None = None  # a function's error message


class IntegrationError(Exception):
    """A call that came to nothing; the message is for the log."""


def answer_of(
    integration: Integration, event: mapping.Event, reply: Reply
) -> tuple[int, str, bytes]:
    """Return status, header lines and body of the answer. Raises IntegrationError."""
    kind = _header(reply, "content-type") or "application/json"
    if integration.kind in ("http_proxy", "subtype"):
        lines = _lines({**_passing_headers(reply), "Content-Type": kind})
        return reply.status, lines, reply.body.encode()
    outcome = _outcome(integration, reply)
    response = mapping.response_for(integration, outcome)
    if response is None:
        raise IntegrationError(f"no response is for {outcome or 'a success'}")
    body = (
        _json_of_xml(reply.body) if kind.startswith(("text/xml", "application/xml")) else reply.body
    )
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


def _outcome(integration: Integration, reply: Reply) -> str:
    """Return the text that patterns are compared with: a function's error, or a status."""
    is_function = integration.kind == "aws" and not integration.service
    return (reply.error or "") if is_function else str(reply.status)


def _passing_headers(reply: Reply) -> dict[str, str]:
    return {
        name: value
        for name, value in reply.headers.items()
        if name.lower() not in OF_ONE_CONNECTION
    }


def _lines(headers: Mapping[str, str]) -> str:
    safe = {name: re.sub(r"[\r\n]", " ", value) for name, value in headers.items()}
    return "".join(f"{name}: {value}\r\n" for name, value in safe.items())


def _header(reply: Reply, name: str) -> str:
    return next((value for key, value in reply.headers.items() if key.lower() == name), "")


def _json_of_xml(xml: str) -> str:
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
