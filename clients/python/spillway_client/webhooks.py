"""The check that a webhook is one of Spillway's, as Standard Webhooks 1.0 says."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping

from spillway_client.errors import InvalidWebhook
from spillway_client.reading import UnreadableRecord, record
from spillway_client.records import WebhookEvent

TOLERANCE_S = 300  # what was signed earlier, or later, may be a repeat of somebody else's
PREFIX = "whsec_"


def verify_webhook(
    body: bytes,
    headers: Mapping[str, str],
    secrets: str | Iterable[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> WebhookEvent:
    """Return the event of a webhook; raise InvalidWebhook where it cannot be trusted.

    `body` is the request's bytes as they came, before any parsing. While a secret is being changed,
    `secrets` holds both: one that fits is enough. `now_s` is the time as time.time() gives it.
    """
    keys = [_key(each) for each in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ValueError("there must be at least one secret")
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, at = lower["webhook-id"], lower["webhook-timestamp"]
        signatures = lower["webhook-signature"].encode().split()
    except KeyError as error:
        raise InvalidWebhook(f"the header {error} is missing") from None
    _check_time(at, time.time() if now_s is None else now_s, tolerance_s)
    signed = b"%s.%s.%s" % (message_id.encode(), at.encode(), body)
    if not _is_signed(signed, keys, signatures):
        raise InvalidWebhook("no signature fits: it is not Spillway's, or the secret is another")
    try:
        return record(WebhookEvent, {"id": message_id, **json.loads(body)})
    except (ValueError, TypeError, UnreadableRecord) as error:
        raise InvalidWebhook(f"the signature holds, but the body is no event: {error}") from None


def _check_time(at: str, now_s: float, tolerance_s: float) -> None:
    if not (at.isascii() and at.isdecimal() and len(at) <= 15):
        raise InvalidWebhook("webhook-timestamp is no number of seconds")
    if abs(now_s - int(at)) > tolerance_s:
        raise InvalidWebhook(f"it was signed more than {tolerance_s:g} s ago, or ahead of time")


def _is_signed(signed: bytes, keys: list[bytes], signatures: list[bytes]) -> bool:
    """Compare in a time that says nothing about how much of a signature is right."""
    digests = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    matches = [
        hmac.compare_digest(each, b"v1," + digest) for digest in digests for each in signatures
    ]
    return any(matches)


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError(f"a webhook's secret is {PREFIX} and base64")  # it is not shown: a secret
    return key
