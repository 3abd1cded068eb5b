"""The channel `sms`: posted to a URL as JSON, such as the mailbox's, or by Amazon SNS."""

import http.client
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

import msgspec

from backend import stale_connections
from notifications.answers import Accepted, Answer, Permanent, RetryAfter
from notifications.channels import spans
from notifications.channels.protocol import BATCH_TIMEOUT_S, SCHEDULE_S, Channel, one_by_one
from notifications.schema import Notification

NOT_NOW = frozenset({408, 425, 429})  # refusals that a later attempt may be spared
ANSWER_BYTES_MAX = 1_000  # the beginning of an answer says enough


def sender(url: str) -> Channel:
    """Return the sender of text messages: whom the URL names, or SNS where it is `sns:`."""
    if not url.startswith("sns:"):
        return SmsPoster(url)
    from notifications.channels.aws import SnsSender  # noqa: PLC0415  # boto3 costs 200 ms of CPU

    return SnsSender()


class SmsPoster:
    """The channel of text messages; it posts {id, to, text} over a kept connection."""

    schedule_s = SCHEDULE_S

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.netloc, timeout=BATCH_TIMEOUT_S / 2)
        self._path = urlunsplit(("", "", parts.path or "/", parts.query, ""))

    def send_all(self, batch: Sequence[Notification]) -> list[Answer]:
        """Post one text message for each notification and return what became of each."""
        attributes = {"http.request.method": "POST", "server.address": self._connection.host}
        return spans.around(batch, "POST sms", attributes, lambda: one_by_one(batch, self._send))

    def close(self) -> None:
        """Close the connection; the next message opens it again."""
        self._connection.close()

    def _send(self, notification: Notification) -> Answer:
        body = msgspec.json.encode(
            {"id": notification.id, "to": notification.to, "text": notification.rendered.text}
        )
        try:
            status = self._post(body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return RetryAfter(reason=f"No answer: {error or type(error).__name__}.")
        if 200 <= status < 300:
            return Accepted(code=status, reference=notification.id)
        if 400 <= status < 500 and status not in NOT_NOW:
            return Permanent(code=status, reason="Refused.")
        return RetryAfter(code=status, reason="Not taken.")

    def _post(self, body: bytes) -> int:
        headers = {"Content-Type": "application/json"}
        if self._connection.sock is not None and not stale_connections.is_open(
            self._connection.sock
        ):
            self.close()
        self._connection.request("POST", self._path, body, headers)
        response = self._connection.getresponse()
        response.read(ANSWER_BYTES_MAX)
        if not response.isclosed():
            self.close()
        return response.status
