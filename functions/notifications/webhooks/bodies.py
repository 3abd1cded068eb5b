"""The bodies of webhooks as JSON: an event, or a notification that a client asked for."""

from collections.abc import Mapping
from typing import Any

import msgspec

from backend.clock import rfc3339
from notifications.rendered import Rendered

OF_TEMPLATE = "notification."  # begins the type of what a client asked for


def rendered(
    event_type: str, data: Mapping[str, Any], *, at_ms: int, sequence: int | None = None
) -> Rendered:
    """Return the body, as a notification has it, of what happened `at_ms`."""
    body: dict[str, Any] = {"type": event_type, "timestamp": rfc3339(at_ms)}
    if sequence is not None:
        body["sequence"] = sequence
    body["data"] = data
    text = msgspec.json.encode(body).decode()
    return Rendered(template=event_type, version=1, subject=event_type, text=text, html="")


def of_template(filled: Rendered, *, at_ms: int) -> Rendered:
    """Return a filled template as a webhook's body; a program has no use for its HTML."""
    data = {"subject": filled.subject, "text": filled.text}
    body = rendered(f"{OF_TEMPLATE}{filled.template}", data, at_ms=at_ms)
    return msgspec.structs.replace(
        body, template=filled.template, version=filled.version, subject=filled.subject
    )


def log_key(endpoint_id: str, notification_id: str, *, at_ms: int) -> str:
    """Return what orders an endpoint's deliveries by their time."""
    return f"{endpoint_id}/{at_ms:013d}/{notification_id}"
