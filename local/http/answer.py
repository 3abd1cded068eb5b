"""An answer as it goes over the wire; what it says is the application's business."""

import time
from email.utils import formatdate
from http import HTTPStatus

from local.http.request import Request

_NO_BODY_STATUS = frozenset({204, 304})
_STATUS_TEXT = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class _Date:
    """The Date header's value, made once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True)
        return self._text


_date = _Date().now


def encode_answer(
    request: Request, status: int, header_lines: str, body: bytes, *, is_last: bool
) -> bytes:
    """Return the bytes that answer `request`; after the last answer the connection is closed."""
    text = _STATUS_TEXT.get(status) or f"{status} "
    length = "" if status in _NO_BODY_STATUS else f"Content-Length: {len(body)}\r\n"
    if is_last:
        connection = "Connection: close\r\n"
    else:
        connection = "Connection: keep-alive\r\n" if request.protocol == "HTTP/1.0" else ""
    lines = f"HTTP/1.1 {text}\r\n{header_lines}Date: {_date()}\r\n{length}{connection}\r\n"
    head = lines.encode("utf-8", "replace")
    return head if request.method == "HEAD" or not length else head + body
