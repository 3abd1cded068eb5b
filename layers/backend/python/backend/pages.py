"""Lists as clients ask for them: page by page, newest first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Protocol, TypeVar

from msgspec import Meta, Struct

from backend.errors import Fault, InvalidRequest

T = TypeVar("T")
E_contra = TypeVar("E_contra", contravariant=True)  # where a read begins


class OneWayQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of a list that is read in one direction: its first page, or a later one."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    starting_after: str | None = None


class PageQuery(OneWayQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of a list: its first page, or the one after or before an object of the list."""

    ending_before: str | None = None

    @staticmethod
    def cross_check(fields: Mapping[str, Any]) -> Iterator[Fault]:
        """Return what is wrong with fields of which each is right by itself."""
        if fields.get("starting_after") is not None and fields.get("ending_before") is not None:
            detail = "Give either `starting_after` or `ending_before`."
            yield Fault("ending_before", "invalid_value", detail)


class Read(Protocol[T, E_contra]):
    """A read of up to `limit` objects, newest first: those next to one of these, or the newest.

    They are older than `after`, or newer than `before`.
    """

    def __call__(
        self, *, limit: int, after: E_contra | None, before: E_contra | None
    ) -> list[T]: ...


def page_of(
    query: PageQuery, *, find: Callable[[str], E_contra | None], read: Read[T, E_contra]
) -> tuple[list[T], bool]:
    """Return the page that `query` asks for, and whether there are more.

    Before an object, there are more where newer ones are. Raises InvalidRequest where `find` finds
    nothing by the id in `starting_after` or `ending_before`.
    """
    after = _edge(query.starting_after, "starting_after", find)
    before = _edge(query.ending_before, "ending_before", find)
    objects = read(limit=query.limit + 1, after=after, before=before)
    page = objects[: query.limit] if before is None else objects[-query.limit :]
    return page, len(objects) > query.limit


def page_in(
    query: PageQuery, objects: Sequence[T], *, id_of: Callable[[T], str]
) -> tuple[list[T], bool]:
    """Return the page that `query` asks for of these objects, newest first."""
    places = {id_of(each): place for place, each in enumerate(objects)}

    def read(*, limit: int, after: int | None, before: int | None) -> list[int]:
        if before is not None:
            return list(range(max(0, before - limit), before))
        first = 0 if after is None else after + 1
        return list(range(first, min(len(objects), first + limit)))

    page, has_more = page_of(query, find=places.get, read=read)
    return [objects[each] for each in page], has_more


def _edge(
    object_id: str | None, param: str, find: Callable[[str], E_contra | None]
) -> E_contra | None:
    if object_id is None:
        return None
    edge = find(object_id)
    if edge is None:
        raise InvalidRequest("There is nothing of this id in the list.", param=param)
    return edge
