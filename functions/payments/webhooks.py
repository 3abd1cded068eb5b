"""Webhooks of the provider: whether it is the provider that speaks, and which answer it gives.

Signed as Standard Webhooks says. An event is not remembered: it is an answer like any other, and an
answer that nobody waits for any more changes nothing, however often and late it comes.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from backend import strict_json
from backend.errors import Unauthorized
from payments.provider import Answer, DisputeReport, Outcome, Word

TOLERANCE_S = 300  # either way; what is older may have been recorded and be sent by somebody else
SIGNATURES_MAX = 10  # a few while the provider changes its secret
SECRET_PREFIX = "whsec_"
HEARD = tuple(f"{kind}." for kind in ("charge", "capture", "void", "refund"))
DISPUTES = "dispute."


class ProviderEvent(Struct, frozen=True, kw_only=True):
    """The body of a webhook: what became of an order, in the form of the order's own answer."""

    id: str
    type: str
    data: dict[str, Any]


class Data(Outcome, frozen=True, kw_only=True):
    """The outcome of the order that was given under this key."""

    idempotency_key: str


def check(body: bytes, headers: Mapping[str, str], *, secret: str, now_s: float) -> None:
    """Raise Unauthorized unless whoever has the secret signed this body just now."""
    event_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "").split(" ")[:SIGNATURES_MAX]
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    if not (key and event_id and stamp.isascii() and stamp.isdigit() and len(stamp) < 15):
        raise _refusal("Send webhook-id, webhook-timestamp and webhook-signature.")
    if abs(now_s - int(stamp)) > TOLERANCE_S:
        raise _refusal(f"The webhook-timestamp is over {TOLERANCE_S} s away from our clock.")
    digest = hmac.digest(key, f"{event_id}.{stamp}.".encode() + body, hashlib.sha256)
    expected = b"v1," + base64.b64encode(digest)
    if not any(hmac.compare_digest(each.encode(), expected) for each in signatures):
        raise _refusal("No webhook-signature is one of ours over this body.")


def word(body: bytes) -> Word | None:
    """Return what the provider tells by this event; None for what is about no order or dispute."""
    event = strict_json.parse(body, ProviderEvent)
    if event.type.startswith(DISPUTES):
        return strict_json.convert(event.data, DisputeReport)
    if not event.type.startswith(HEARD):
        return None
    data = strict_json.convert(event.data, Data)
    return Answer(key=data.idempotency_key, outcome=data)


def _refusal(detail: str) -> Unauthorized:
    return Unauthorized(detail, code="webhook_signature_invalid")
