"""One HTTP request to a part of the system, by way of no proxy."""

import http.client
from urllib.parse import urlsplit

ANSWER_MAX_S = 930.0  # a function may take 15 minutes


def exchange(
    url: str, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    """Return the answer and its body."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=ANSWER_MAX_S)
    try:
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()
