"""The log of changes: who changed what and when, with the fields that are no secrets.

An entry is stored before its change, so that no change lacks one, and learns afterwards what became
of it. Where that is not known, because a process ended in between, it stays `unknown`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import msgspec
from msgspec import Struct, field
from pymongo.collection import Collection

from backend import ids
from backend.clock import now_ms
from backend.entrypoint import Call
from backend.errors import RequestError, StoreUnavailable
from backend.problem_answers import request_id_of
from backend.store import EXPIRY, NEWEST, Document, collection, moment_after, newest, store_errors
from backend.telemetry import logger

LIFE_S = 365 * 86_400
INDEXES = (NEWEST, EXPIRY)

Fields = Mapping[str, Any]
Outcome = Literal["done", "refused", "unknown"]


class Entry(Struct, frozen=True, kw_only=True):
    """One change of an object of a tenant; an update has only the fields that differ."""

    id: str = field(name="_id")
    tenant: str
    created_ms: int
    client_id: str | None  # none where the backend itself did it
    request_id: str | None
    action: str
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    outcome: Outcome = "unknown"


class Author(Struct, frozen=True, kw_only=True):
    """The client of a request, as the changes that it makes name it."""

    client_id: str | None = None
    request_id: str | None = None

    @contextmanager
    def changes(
        self,
        action: str,
        object_id: str,
        *,
        tenant: str,
        before: Fields | None = None,
        after: Fields | None = None,
    ) -> Iterator[None]:
        """Log the change that is made inside; raises StoreUnavailable before it where it cannot."""
        if before is not None and after is not None:
            names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
            before = {name: value for name, value in before.items() if name in names}
            after = {name: value for name, value in after.items() if name in names}
        entry = Entry(
            id=ids.new("aud_"),
            tenant=tenant,
            created_ms=now_ms(),
            client_id=self.client_id,
            request_id=self.request_id,
            action=action,
            object_id=object_id,
            before=None if before is None else dict(before),
            after=None if after is None else dict(after),
        )
        document = {**msgspec.to_builtins(entry), "expires_at": moment_after(LIFE_S)}
        with store_errors():
            _entries().insert_one(document)
        try:
            yield
        except RequestError:
            _finish(entry.id, "refused")
            raise
        _finish(entry.id, "done")


BACKEND = Author()


def author(call: Call) -> Author:
    """Return who a request's changes are of."""
    return Author(client_id=call.caller.client_id, request_id=request_id_of(call.request))


def find(tenant: str, entry_id: str) -> Entry | None:
    """Return an entry of this tenant."""
    with store_errors():
        document = _entries().find_one({"_id": entry_id, "tenant": tenant})
        return None if document is None else msgspec.convert(document, Entry)


def page(
    tenant: str,
    filters: Mapping[str, Any],
    *,
    limit: int,
    after: Entry | None,
    before: Entry | None,
) -> list[Entry]:
    """Return up to `limit` entries, newest first: those next to `after`, or to `before`."""
    query = {"tenant": tenant, **filters}
    documents = newest(_entries(), query, limit=limit, after=after, before=before)
    return [msgspec.convert(document, Entry) for document in documents]


def _finish(entry_id: str, outcome: Outcome) -> None:
    try:
        with store_errors():
            _entries().update_one({"_id": entry_id}, {"$set": {"outcome": outcome}})
    except StoreUnavailable:  # the change itself has its answer
        logger.warning("an entry of the audit log stays unknown", extra={"object_id": entry_id})


def _entries() -> Collection[Document]:
    return collection("audit_log", INDEXES)
