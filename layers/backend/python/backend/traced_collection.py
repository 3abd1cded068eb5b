"""A collection of the document store that records each statement as a span.

It stands in for PyMongo's own while a sampled event is in hand. A listener of PyMongo would be told
of every command of every event: it cannot be switched off for those that are not sampled.
"""

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from backend import tracing
from backend.settings import settings

PORT = 27017  # where the address names none
COMMANDS = {  # MongoDB's names of what PyMongo's methods ask for
    "aggregate": "aggregate",
    "bulk_write": "bulkWrite",
    "count_documents": "aggregate",
    "delete_many": "delete",
    "delete_one": "delete",
    "distinct": "distinct",
    "find": "find",
    "find_one": "find",
    "find_one_and_update": "findAndModify",
    "insert_many": "insert",
    "insert_one": "insert",
    "replace_one": "update",
    "update_many": "update",
    "update_one": "update",
}
CURSORS = {"aggregate", "find"}


class TracedCollection:
    """Answers as `collection` does; what would be a cursor is read within its span."""

    def __init__(self, collection: Collection[Any]) -> None:
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._collection, name)
        if name not in COMMANDS:
            return method
        return functools.partial(self._run, name, method)

    def with_options(self, **options: Any) -> "TracedCollection":
        return TracedCollection(self._collection.with_options(**options))

    def _run(self, name: str, method: Callable[..., Any], *values: Any, **options: Any) -> Any:
        span = tracing.start(f"{COMMANDS[name]} {self._collection.name}", self._attributes(name))
        if span is None:
            return method(*values, **options)
        if name == "bulk_write":
            span.attributes["db.operation.batch.size"] = len(values[0])
        try:
            answer = method(*values, **options)
            if name in CURSORS:
                answer = [*answer]
        except PyMongoError as error:
            span.end(type(error).__name__)
            raise
        span.end()
        return answer

    def _attributes(self, name: str) -> tracing.Attributes:
        address, port = _server()
        return {
            "db.system.name": "mongodb",
            "db.namespace": settings.mongo_database,
            "db.collection.name": self._collection.name,
            "db.operation.name": COMMANDS[name],
            "server.address": address,
            "server.port": port,
        }


@functools.cache
def _server() -> tuple[str, int]:
    """Return the first server that the address of the store names."""
    _, _, hosts = urlsplit(settings.mongo_url).netloc.rpartition("@")
    parts = urlsplit(f"//{hosts.partition(',')[0]}")
    return parts.hostname or "", parts.port or PORT
