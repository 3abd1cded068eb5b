"""Calls of operations: what goes into a request with a token, and the record that comes out."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from spillway_client.errors import SpillwayError, Unauthorized, UnexpectedAnswer
from spillway_client.reading import UnreadableRecord, record
from spillway_client.records import Token
from spillway_client.tokens import Tokens
from spillway_client.transport import Clock, Redirected, Request, Transport

R = TypeVar("R")
PAGE_SIZE = 100  # the most that the API gives
KEY = re.compile(r"[!-~]{1,255}")


class Calls:
    """The calls of one OAuth client."""

    def __init__(
        self, transport: Transport, client_id: str, secret: str, scope: str | None, clock: Clock
    ) -> None:
        self._transport = transport
        credentials = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"  # RFC 6749, 2.3.1
        self._basic = "Basic " + base64.b64encode(credentials.encode()).decode()
        self._scope = scope
        self._tokens = Tokens(self.new_token, clock.now)

    def new_token(self) -> Token:
        """Return a token of this client's own."""
        form = {
            "grant_type": "client_credentials",
            **({"scope": self._scope} if self._scope else {}),
        }
        headers = {
            "Authorization": self._basic,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = urlencode(form).encode()
        request = Request(method="POST", path="/oauth2/token", headers=headers, body=body)
        return _read(Token, self._transport.send(request))

    def open(self, kind: type[R], path: str) -> R:
        """Get what needs no token."""
        return _read(kind, self._transport.send(Request(method="GET", path=path)))

    def get(self, kind: type[R], path: str, /, **query: object) -> R:
        """Get one object; members of the query that are None are left out."""
        return _read(kind, self._send(Request(method="GET", path=path + _query(query))))

    def pages(
        self, kind: type[R], path: str, cursor: str = "id", /, **query: object
    ) -> Iterator[R]:
        """Yield all of a list; `cursor` is the member that says where the next page begins.

        What comes before an object is yielded from that on, so the other way round.
        """
        goes_back = query.get("ending_before") is not None
        while True:
            page = self.get(dict, path, limit=PAGE_SIZE, **query)
            items = members_of(kind, page)
            items = items[::-1] if goes_back else items
            yield from items
            if not page.get("has_more") or not items:
                return
            query["ending_before" if goes_back else "starting_after"] = getattr(items[-1], cursor)

    def content(self, path: str, **query: object) -> Iterator[bytes]:
        """Yield the bytes of a part of a content, or of the whole where that is elsewhere."""
        try:
            yield self._send(Request(method="GET", path=path + _query(query)))
        except Redirected as elsewhere:
            yield from self._transport.stream(elsewhere.location)

    def send(
        self,
        kind: type[R],
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        repeatable: bool = True,
    ) -> R:
        """Change something, under the idempotency key where the operation has one."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key is not None:
            if not KEY.fullmatch(key):
                raise ValueError("an idempotency key is 1 to 255 visible ASCII characters")
            headers["Idempotency-Key"] = key
        request = Request(
            method=method,
            path=path,
            headers=headers,
            body=None if body is None else _json(body),
            repeatable=repeatable,
        )
        try:
            return _read(kind, self._send(request))
        except SpillwayError as error:
            error.idempotency_key = key
            raise

    def _send(self, request: Request) -> bytes:
        token = self._tokens.current()
        try:
            return self._transport.send(_with_token(request, token))
        except Unauthorized:  # it was revoked, or the keys were changed: once more with another
            return self._transport.send(_with_token(request, self._tokens.instead_of(token)))


def members_of(kind: type[R], page: Mapping[str, Any]) -> list[R]:
    """Return the records of a page."""
    try:
        return [record(kind, each) for each in page["data"]]
    except (KeyError, TypeError, UnreadableRecord) as error:
        raise UnexpectedAnswer(f"not a page of {kind.__name__}: {error}") from error


def path_of(template: str, **ids: str) -> str:
    """Return the path of these objects; an id that would lead to another route is refused."""
    for name, value in ids.items():
        if not value.strip("."):
            raise ValueError(f"{name} is {value!r}, which is no id")
    return template.format_map({name: quote(value, safe="") for name, value in ids.items()})


def present(**members: object) -> dict[str, object]:
    """Return those that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def _with_token(request: Request, token: str) -> Request:
    return Request(
        method=request.method,
        path=request.path,
        headers={**request.headers, "Authorization": f"Bearer {token}"},
        body=request.body,
        repeatable=request.repeatable,
    )


def _query(members: Mapping[str, object]) -> str:
    texts: dict[str, object] = {}
    for name, value in members.items():
        if isinstance(value, Mapping):
            texts |= {f"{name}[{member}]": text for member, text in value.items()}
        elif value is not None:
            texts[name.rstrip("_")] = _time_text(value) if isinstance(value, datetime) else value
    return f"?{urlencode(texts)}" if texts else ""


def _read(kind: type[R], body: bytes) -> R:
    try:
        members: Any = json.loads(body)
        if kind is dict and not isinstance(members, dict):
            raise UnreadableRecord("the answer is no object")
        return members if kind is dict else record(kind, members)
    except (ValueError, UnreadableRecord) as error:
        raise UnexpectedAnswer(f"not what the API describes: {error}") from error


def _json(body: object) -> bytes:
    return json.dumps(body, allow_nan=False, default=_plain).encode()


def _plain(value: object) -> object:
    """Return what JSON has for a time or a record."""
    if isinstance(value, datetime):
        return _time_text(value)
    if is_dataclass(value):
        return present(**{each.name: getattr(value, each.name) for each in fields(value)})
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r:.100} cannot be sent as JSON")


def _time_text(time: datetime) -> str:
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone; use datetime.now(UTC) or astimezone()")
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
