"""The store of logged requests: one tenant's in packed blocks, as each alone would be dear."""

import zlib
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct, field
from pymongo.collection import Collection

from access.requests import Search, tags_of
from backend import ids
from backend.request_log import Logged
from backend.store import (
    EXPIRY,
    NEWEST,
    Document,
    collection,
    insert_new,
    moment_after,
    newest,
    store_errors,
)

LIFE_S = 7 * 86_400
INDEXES = (NEWEST, EXPIRY)
AT_ONCE = 50  # blocks of one read

_decoder = msgspec.json.Decoder(list[Logged])


class Block(Struct, frozen=True, kw_only=True):
    """Requests of one tenant that were recorded together, in order of time."""

    id: str = field(name="_id")
    tenant: str
    created_ms: int  # of the newest
    first_ms: int
    tags: tuple[str, ...]  # what some request of it has; see `requests.tags_of`
    packed: bytes

    def requests(self) -> list[Logged]:
        """Return the requests, oldest first."""
        return _decoder.decode(zlib.decompress(self.packed))


def insert_all(requests: Sequence[Logged]) -> None:
    """Store requests; those of a slice that was stored before are not stored again."""
    by_tenant: dict[str, list[Logged]] = {}
    for each in requests:
        by_tenant.setdefault(each.tenant, []).append(each)
    blocks = [_block(tenant, members) for tenant, members in by_tenant.items()]
    expiry = moment_after(LIFE_S)
    documents: list[Document] = [
        {**msgspec.to_builtins(each, builtin_types=(bytes,)), "expires_at": expiry}
        for each in blocks
    ]
    insert_new(_blocks(), documents)


def find(tenant: str, block_id: str) -> Block | None:
    """Return a block of this tenant."""
    with store_errors():
        document = _blocks().find_one({"_id": block_id, "tenant": tenant})
        return None if document is None else msgspec.convert(document, Block)


def blocks(tenant: str, search: Search, *, after: Block | None) -> Iterator[Block]:
    """Yield the blocks of a tenant that may have what is looked for, newest first."""
    query: Document = {
        "tenant": tenant,
        "created_ms": {"$gte": search.from_ms},
        "first_ms": {"$lt": search.until_ms},
    }
    if search.tags:
        query["$and"] = [{"tags": each} for each in sorted(search.tags)]
    while True:
        documents = newest(_blocks(), query, limit=AT_ONCE, after=after)
        for document in documents:
            after = msgspec.convert(document, Block)
            yield after
        if len(documents) < AT_ONCE:
            return


def _block(tenant: str, requests: Sequence[Logged]) -> Block:
    ordered = sorted(requests, key=lambda each: (each.at_ms, each.request_id))
    return Block(
        id=ids.derived("", tenant, *(each.request_id for each in ordered)),
        tenant=tenant,
        created_ms=ordered[-1].at_ms,
        first_ms=ordered[0].at_ms,
        tags=tuple(sorted(set().union(*map(tags_of, ordered)))),
        packed=zlib.compress(msgspec.json.encode(ordered), 1),
    )


def _blocks() -> Collection[Document]:
    return collection("requests", INDEXES)
