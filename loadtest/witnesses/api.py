"""A small JSON client for everything around the load itself: the token, the lists, the console."""

import base64
import http.client
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from loadtest.generator import tls

TIMEOUT_S = 15.0  # above API Gateway's habits, below the patience of who watches


class ApiError(Exception):
    """An address that does not answer, or answers something else; the text says which and what."""


class Api:
    """One server, one connection at a time."""

    def __init__(
        self,
        base: str,
        *,
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,
        ca_file: str = "",
    ):
        self.base = base
        self._where = urlsplit(base)
        self._tls = tls.context_for(ca_file) if self._where.scheme == "https" else None
        self._headers = {"Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, **query: object) -> Any:
        """Return the JSON answer of a GET; ApiError unless it is 200."""
        whole = f"{path}?{urlencode(query)}" if query else path
        status, body = self._exchange("GET", self._where.path + whole, b"", {})
        if status != http.HTTPStatus.OK:
            raise ApiError(f"GET {self.base}{whole} answered {status}")
        return self._json(whole, body)

    def text(self, path: str) -> str:
        """Return the answer of a GET as text; ApiError unless it is 200."""
        status, body = self._exchange("GET", self._where.path + path, b"", {})
        if status != http.HTTPStatus.OK:
            raise ApiError(f"GET {self.base}{path} answered {status}")
        return body.decode("utf-8", "replace")

    def find(self, path: str) -> Any | None:
        """Return the answer as `get` does, but None where there is no such thing."""
        status, body = self._exchange("GET", self._where.path + path, b"", {})
        if status == http.HTTPStatus.NOT_FOUND:
            return None
        if status != http.HTTPStatus.OK:
            raise ApiError(f"GET {self.base}{path} answered {status}")
        return self._json(path, body)

    def send(self, raw_request: bytes) -> tuple[int, bytes]:
        """Send a request made for the driver once more; return status and body."""
        head, _, body = raw_request.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, path, _ = first.split(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        headers.pop("Content-Length", None)
        return self._exchange(method, path, body, headers)

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _exchange(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        fresh = self._connection is None
        if self._connection is None:
            self._connection = self._connect()
        try:
            self._connection.request(method, path, body or None, self._headers | headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if fresh or method != "GET":
                origin = f"{self._where.scheme}://{self._where.netloc}"
                raise ApiError(f"{method} {origin}{path}: {error or type(error)}") from error
        return self._exchange(method, path, body, headers)  # the kept connection had gone stale

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._where.hostname or "", self._where.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port or 80, timeout=self._timeout_s)
        return http.client.HTTPSConnection(
            host, port or 443, timeout=self._timeout_s, context=self._tls
        )

    def _json(self, path: str, body: bytes) -> Any:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ApiError(f"GET {self.base}{path} answered no JSON") from error


def fetch_token(base: str, client_id: str, client_secret: str, *, ca_file: str = "") -> str:
    """Return an access token by client credentials; ApiError says why there is none."""
    api = Api(base, ca_file=ca_file)
    secret = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    body = b"grant_type=client_credentials"
    request = (
        f"POST {urlsplit(base).path}/oauth2/token HTTP/1.1\r\nAuthorization: Basic {secret}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    )
    status, answer = api.send(request.encode() + body)
    api.close()
    try:
        return str(orjson.loads(answer)["access_token"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ApiError(f"POST {base}/oauth2/token answered {status} without a token") from error
