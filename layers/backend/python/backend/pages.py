"""Lists as clients ask for them: page by page, newest first."""

from collections.abc import Callable
from typing import Annotated, Protocol, TypeVar

from msgspec import Meta, Struct

from backend.errors import InvalidRequest

T = TypeVar("T")


class PageQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of a list: the first page, or the one after an object of the list."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    starting_after: str | None = None


class Read(Protocol[T]):
    """A read of up to `limit` objects, newest first, older than `after`."""

    def __call__(self, *, limit: int, after: T | None) -> list[T]: ...


def page_of(
    query: PageQuery, *, find: Callable[[str], T | None], read: Read[T]
) -> tuple[list[T], bool]:
    """Return the page that `query` asks for, and whether there are more.

    Raises InvalidRequest where `find` finds nothing by the id in `starting_after`.
    """
    after = None
    if query.starting_after is not None:
        after = find(query.starting_after)
        if after is None:
            raise InvalidRequest("There is nothing of this id in the list.", param="starting_after")
    objects = read(limit=query.limit + 1, after=after)
    return objects[: query.limit], len(objects) > query.limit
