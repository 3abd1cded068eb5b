"""Links by which a recipient unsubscribes, signed: nobody can do it for others (RFC 8058)."""

import base64
import hashlib
import hmac

from backend.errors import InvalidRequest


class Links:
    """Links that name a notification, made and checked; its recipient is the one to unsubscribe."""

    def __init__(self, *, base_url: str, key: str) -> None:
        self._page = f"{base_url.rstrip('/')}/unsubscribe"
        self._key = key.encode()

    def url(self, notification_id: str) -> str:
        """Return the link in one notification; raises InvalidRequest where there is no key."""
        if not self._key:
            raise InvalidRequest(
                "This template needs unsubscribe links, which are not set up here.",
                code="template_not_available",
                param="template",
            )
        return f"{self._page}?id={notification_id}&signature={self._signature(notification_id)}"

    def holds(self, notification_id: str, signature: str) -> bool:
        """Tell whether a link is ours."""
        expected = self._signature(notification_id).encode()
        return bool(self._key) and hmac.compare_digest(expected, signature.encode(errors="replace"))

    def _signature(self, notification_id: str) -> str:
        digest = hmac.digest(self._key, f"unsubscribe {notification_id}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:18]).decode()  # 144 bits, and no padding
