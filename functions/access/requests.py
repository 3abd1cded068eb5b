"""The request log of a tenant: looked through newest first, within a bound."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Protocol

from msgspec import UNSET, Meta, Struct, UnsetType

from backend.clock import LATEST_MS, parse_rfc3339, rfc3339
from backend.errors import InvalidRequest
from backend.pages import OneWayQuery
from backend.request_log import PATH_MAX, Logged
from backend.shapes import END, Moment

SEARCHED_MAX = 50_000  # requests that one call looks through: a quarter of a second
BLOCKS_MAX = 1_000  # read by one call, which may have one request each
ID = re.compile(r"req_([a-z2-7]{26})_([0-9]{1,6})")


class RequestQuery(OneWayQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/requests; `path` is the beginning of one."""

    status: (
        Annotated[
            str,
            Meta(
                pattern="^[1-5]([0-9]{2}|xx)" + END,
                extra={"expected": "a status such as 404, or 4xx"},
            ),
        ]
        | None
    ) = None
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    path: (
        Annotated[
            str,
            Meta(
                pattern="^/",
                max_length=PATH_MAX,
                extra={"expected": "the beginning of a path, such as /v1/payments"},
            ),
        ]
        | None
    ) = None
    client_id: Annotated[str, Meta(max_length=100)] | None = None
    created_gte: Moment | None = None
    created_lt: Moment | None = None


class RequestView(Struct, frozen=True, kw_only=True):
    """A request as clients see it; `unlogged` like it were left out before it."""

    id: str
    created_at: str
    method: str
    route: str
    path: str
    status: int
    duration_ms: int
    request_id: str
    client_id: str
    code: str | UnsetType = UNSET
    unlogged: int | UnsetType = UNSET


class RequestPage(Struct, frozen=True, kw_only=True):
    """One page of a list."""

    data: list[RequestView]
    has_more: bool


class Search(Struct, frozen=True, kw_only=True):
    """The requests that a query is for."""

    tags: frozenset[str]
    path: str
    from_ms: int
    until_ms: int

    def matches(self, request: Logged) -> bool:
        """Tell whether a request is one of them."""
        return (
            self.tags <= tags_of(request)
            and request.path.startswith(self.path)
            and self.from_ms <= request.at_ms < self.until_ms
        )


def tags_of(request: Logged) -> frozenset[str]:
    """Return what a request can be looked for by."""
    status = str(request.status)
    return frozenset((status, f"{status[0]}xx", request.method, f"client {request.client_id}"))


class Block(Protocol):
    """Requests that were recorded together; see `access.request_store`."""

    @property
    def id(self) -> str: ...

    @property
    def created_ms(self) -> int: ...

    def requests(self) -> list[Logged]: ...


class Blocks(Protocol):
    """The store of requests; `access.request_store` says what each function guarantees."""

    def find(self, tenant: str, block_id: str) -> Any: ...

    def blocks(self, tenant: str, search: Search, *, after: Any) -> Iterator[Any]: ...


def newest(query: RequestQuery, *, tenant: str, store: Blocks) -> RequestPage:
    """Return one page of the requests that match, newest first.

    Where the bound is reached the page has what was there until then; without any, the error says
    how to look on.
    """
    search = _search_of(query)
    page: list[RequestView] = []
    searched = 0
    for number, (block, requests) in enumerate(_parts(query, search, tenant, store)):
        if searched > SEARCHED_MAX or number > BLOCKS_MAX:
            return _cut_short(page, block.created_ms)
        searched += len(requests)
        for place in reversed(range(len(requests))):
            if not search.matches(requests[place]):
                continue
            if len(page) == query.limit:
                return RequestPage(data=page, has_more=True)
            page.append(_view(f"req_{block.id}_{place}", requests[place]))
    return RequestPage(data=page, has_more=False)


def _parts(
    query: RequestQuery, search: Search, tenant: str, store: Blocks
) -> Iterator[tuple[Block, list[Logged]]]:
    """Yield blocks with those of their requests that are older than `starting_after`."""
    after: Block | None = None
    if query.starting_after is not None:
        match = ID.fullmatch(query.starting_after)
        after = store.find(tenant, match[1]) if match else None
        if after is None or match is None:
            raise InvalidRequest("There is nothing of this id in the list.", param="starting_after")
        yield after, after.requests()[: int(match[2])]
    for block in store.blocks(tenant, search, after=after):
        yield block, block.requests()


def _cut_short(page: list[RequestView], next_ms: int) -> RequestPage:
    if not page:
        raise InvalidRequest(
            f"None of some {SEARCHED_MAX:,} requests matches; look on with"
            f" created_lt={rfc3339(next_ms + 1)}.",
            code="search_too_long",
            param="created_lt",
        )
    return RequestPage(data=page, has_more=True)


def _search_of(query: RequestQuery) -> Search:
    client = None if query.client_id is None else f"client {query.client_id}"
    tags = (query.status, query.method, client)
    lower, upper = query.created_gte, query.created_lt
    return Search(
        tags=frozenset(each for each in tags if each is not None),
        path=query.path or "",
        from_ms=0 if lower is None else parse_rfc3339(lower, param="created_gte"),
        until_ms=LATEST_MS if upper is None else parse_rfc3339(upper, param="created_lt"),
    )


def _view(request_id: str, request: Logged) -> RequestView:
    return RequestView(
        id=request_id,
        created_at=rfc3339(request.at_ms),
        method=request.method,
        route=request.route,
        path=request.path,
        status=request.status,
        duration_ms=request.duration_ms,
        request_id=request.request_id,
        client_id=request.client_id,
        code=request.code or UNSET,
        unlogged=request.unlogged or UNSET,
    )
