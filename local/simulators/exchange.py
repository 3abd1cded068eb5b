"""One request to a simulator with its answer, and the refusals that all of them share."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl

import msgspec

from local.http.limits import Limits
from local.http.request import Request
from local.http.same_origin import FOREIGN, is_foreign
from local.http.server import Server

QUERY_FIELDS_MAX = 16
LIMITS = Limits(
    connections_max=512,
    body_max_bytes=64 * 1024,  # a charge is below 1 KiB
    pipeline_max=1000,
    head_s=10.0,
    body_s=10.0,
    write_s=10.0,
)

JSON = {"content-type": "application/json"}
PROBLEM = {"content-type": "application/problem+json"}


class Exchange:
    """One request and, once, its answer."""

    __slots__ = ("_request", "is_lost", "path", "query")

    def __init__(self, request: Request) -> None:
        self._request = request
        self.path, _, self.query = request.target.partition("?")
        self.is_lost = False  # the connection is closed instead of the answer

    @property
    def method(self) -> str:
        """Return the method, in upper case."""
        return self._request.method

    @property
    def body(self) -> bytes:
        """Return the whole body."""
        return self._request.body

    def header(self, name: str) -> str:
        """Return the value of a header (name in lower case), empty where it is missing."""
        return self._request.fields.get(name, "")

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] = JSON) -> None:
        """Send the answer; the connection's next request comes up after it."""
        if self.is_lost:
            self._request.cut()
            return
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._request.reply(status, lines, body)


class Refusal(Exception):
    """A refusal that a route raises; it becomes an RFC 9457 problem with a stable `code`."""

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] = PROBLEM
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = {**headers, **PROBLEM}

    def body(self) -> bytes:
        """Return the problem as JSON."""
        return msgspec.json.encode(
            {
                "type": "about:blank",
                "title": HTTPStatus(self.status).phrase,
                "status": self.status,
                "detail": str(self),
                "code": self.code,
            }
        )


_UNREADABLE = {
    400: ("malformed_request", "this is not an HTTP/1.1 request as it should be"),
    408: ("request_timeout", f"no whole request in {LIMITS.head_s:.0f} s"),
    413: ("request_too_large", f"a body has at most {LIMITS.body_max_bytes} bytes"),
    417: ("expectation_failed", "the only expectation that is met is 100-continue"),
    503: ("too_many_connections", "too many connections; use one for many requests"),
}


class Simulator:
    """The application of `local.http` that gives each request to one function.

    Pages of other sites in a browser are refused before: they could make payments succeed.
    """

    def __init__(self, dispatch: Callable[[Exchange], None]) -> None:
        self._dispatch = dispatch

    def handle(self, request: Request) -> None:
        """Answer a request, or say why not."""
        exchange = Exchange(request)
        try:
            if is_foreign(request):
                raise Refusal(403, "foreign_page", FOREIGN)
            self._dispatch(exchange)
        except Refusal as refusal:
            exchange.answer(refusal.status, refusal.body(), refusal.headers)

    def refuse(self, request: Request, status: int) -> None:
        """Answer what cannot be read."""
        refusal = Refusal(status, *_UNREADABLE[status])
        Exchange(request).answer(status, refusal.body(), refusal.headers)


def server_of(dispatch: Callable[[Exchange], None]) -> Server:
    """Return the HTTP server of a simulator."""
    return Server(Simulator(dispatch), LIMITS)


def no_route(exchange: Exchange, allowed: Mapping[str, str]) -> Refusal:
    """Return 404 or 405 for a request that no route took; `allowed` has each path's methods."""
    if methods := allowed.get(exchange.path):
        detail = f"{exchange.path} takes {methods}"
        return Refusal(405, "method_not_allowed", detail, {"allow": methods})
    return Refusal(404, "not_found", f"there are {', '.join(allowed)}")


def query_fields(query: str, allowed: frozenset[str]) -> dict[str, str]:
    """Return the fields of a query string; refuse unknown and repeated ones."""
    try:
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=bool(query),
            errors="strict",
            max_num_fields=QUERY_FIELDS_MAX,
        )
    except ValueError as error:
        raise Refusal(400, "invalid_query", "the query string is malformed") from error
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Refusal(400, "invalid_query", "a query field stands twice")
    if unknown := fields.keys() - allowed:
        raise Refusal(
            400,
            "invalid_query",
            f"unknown query field {min(unknown)}; known are {', '.join(sorted(allowed))}",
        )
    return fields


def query_number(fields: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    """Return the whole number `name` between `low` and `high`."""
    text = fields.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
        raise Refusal(400, "invalid_query", f"{name} must be a whole number from {low} to {high}")
    return int(text)
