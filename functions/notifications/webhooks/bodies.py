"""The bodies of webhooks as JSON: an event, or a notification that a client asked for."""

import msgspec

from backend import domain_events
from notifications.rendered import Rendered

OF_TEMPLATE = "notification."  # begins the type of what a client asked for


def of_text(event_type: str, text: str) -> Rendered:
    """Return a body's text as a notification has it."""
    return Rendered(template=event_type, version=1, subject=event_type, text=text, html="")


def of_template(filled: Rendered, *, at_ms: int) -> Rendered:
    """Return a filled template as a webhook's body; a program has no use for its HTML."""
    data = {"subject": filled.subject, "text": filled.text}
    text = domain_events.body_of(f"{OF_TEMPLATE}{filled.template}", data, at_ms=at_ms)
    return msgspec.structs.replace(filled, text=text, html="")


def log_key(endpoint_id: str, notification_id: str, *, at_ms: int) -> str:
    """Return what orders an endpoint's deliveries by their time."""
    return f"{endpoint_id}/{at_ms:013d}/{notification_id}"
