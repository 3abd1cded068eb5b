"""The driver's collections, the queue and Redis in memory: below them runs nothing but the dice.

The store's own code runs unchanged; a fault strikes between any two documents that it touches.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from functools import partial
from typing import Any

import bson
from pymongo import UpdateOne
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError

from analytics.tallies import Span
from analytics.upkeep import Mark
from backend.store import DUPLICATE_KEY
from local.documents.collection import decode, encode_document
from local.documents.filters import compile_filter
from local.documents.pipeline import in_order, sort_spec
from local.documents.projections import project
from local.documents.updates import updated, upserted
from redis_sqs import QueueUnavailable
from tests.simulation.doubles import UNSENT, Queue, Receipt
from tests.simulation.world import World

Document = dict[str, Any]
GONE = AutoReconnect("simulated")
RECEIVES_MAX = 5
REDRIVEN_AFTER_MS = 120_000
LOST_ALL = 0.01  # of the calls to Redis find it empty


class Result:
    """The answer of a write."""

    def __init__(self, matched: int) -> None:
        self.matched_count = matched


class Collection:
    """Documents by `_id`; each read and each write of one is an I/O point and atomic."""

    def __init__(self, world: World) -> None:
        self.documents: dict[Any, bytes] = {}
        self._world = world

    def insert_one(self, document: Document) -> None:
        if not self._io(partial(self._insert, document)):
            raise DuplicateKeyError("simulated")

    def insert_many(self, documents: Sequence[Document], *, ordered: bool) -> None:
        assert not ordered
        done = [self._io(partial(self._insert, each)) for each in documents]
        self._raise_duplicates(done)

    def update_one(self, filter_: Document, update: Document, *, upsert: bool = False) -> Result:
        matched = self._io(partial(self._update, UpdateOne(filter_, update, upsert)))
        assert matched is not None, "the filter names more than an _id"
        return Result(matched)

    def bulk_write(self, writes: Sequence[UpdateOne], *, ordered: bool) -> None:
        assert not ordered
        done = [self._io(partial(self._update, each)) for each in writes]
        self._raise_duplicates([each is not None for each in done])

    def replace_one(self, filter_: Document, document: Document) -> Result:
        return Result(self._io(partial(self._change, filter_, document)))

    def delete_one(self, filter_: Document) -> None:
        def effect() -> None:
            for identity in self._matching(filter_)[:1]:
                del self.documents[identity]

        self._io(effect)

    def find_one(self, filter_: Document, sort: Any = None) -> Document | None:
        return next(self.find(filter_, sort=sort, limit=1), None)

    def find(
        self,
        filter_: Document,
        projection: Document | None = None,
        *,
        sort: Any = None,
        limit: int = 0,
        batch_size: int = 0,
    ) -> Iterator[Document]:
        """Give the matching documents, each as it is when its turn comes: no snapshot."""
        identities = self._io(partial(self._matching, filter_, sort))
        matches, keep = compile_filter(_stored(filter_)).matches, project(projection or {})
        for identity in identities[: limit or None]:
            raw = self._io(partial(self.documents.get, identity))
            if raw is not None and matches(decode(raw)):
                yield bson.decode(encode_document(keep(decode(raw)) if projection else decode(raw)))

    def _matching(self, filter_: Document, sort: Any = None) -> list[Any]:
        compiled = compile_filter(_stored(filter_))
        identities = compiled.identities()
        if identities is not None:
            identity = filter_["_id"]
            candidates = identity["$in"] if isinstance(identity, Mapping) else [identity]
            raws = [self.documents[each] for each in candidates if each in self.documents]
        else:
            raws = list(self.documents.values())
        documents = [each for each in map(decode, raws) if compiled.matches(each)]
        if sort:
            documents = list(in_order(documents, sort_spec(dict(sort))))
        return [each["_id"] for each in documents]

    def _insert(self, document: Document) -> bool:
        if document["_id"] in self.documents:
            return False
        self.documents[document["_id"]] = encode_document(document)
        return True

    def _change(self, filter_: Document, update: Document) -> int:
        identities = self._matching(filter_)[:1]
        for identity in identities:
            changed = updated(decode(self.documents[identity]), _stored(update))
            self.documents[identity] = encode_document(changed)
        return len(identities)

    def _update(self, write: UpdateOne) -> int | None:
        """Return how many it matched; None where its upsert makes an `_id` twice."""
        matched = self._change(write._filter, write._doc)  # type: ignore[arg-type]
        if matched or not write._upsert:
            return matched
        made = self._insert(upserted(_stored(write._filter), _stored(write._doc)))
        return 0 if made else None

    def _raise_duplicates(self, done: Sequence[bool]) -> None:
        refused = [{"index": i, "code": DUPLICATE_KEY} for i, good in enumerate(done) if not good]
        if refused:
            raise BulkWriteError({"writeErrors": refused, "writeConcernErrors": []})

    def _io(self, effect: Any) -> Any:
        return self._world.io(effect, GONE)


class Database(dict[str, Collection]):
    """The double of `backend.store.collection`."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def collection(self, name: str, _: object) -> Collection:
        return self.setdefault(name, Collection(self._world))


class Redrive(Queue):
    """A queue whose dead letters are sent again later, under new ids, with a new time."""

    def receive_sent(self) -> dict[Receipt, tuple[str, int]]:
        """Up to ten bodies by receipt, each with when it was sent."""
        bodies = {}
        for receipt, body in self.receive().items():
            message = self._messages[receipt[0]]
            if message.receives > RECEIVES_MAX:
                message.sent_ms = message.visible_ms = self._world.now_ms + REDRIVEN_AFTER_MS
                message.receives = 0
                self._world.happened["redriven"] += 1
                continue
            bodies[receipt] = (body, message.sent_ms)
        return bodies


class Redis:
    """Users of each span, all of which may be lost at once."""

    def __init__(self, world: World) -> None:
        self.users: dict[Span, set[str]] = {}
        self.is_complete = False
        self.mark: Mark | None = None
        self._attempts = 0
        self._world = world

    def add(self, users: Mapping[Span, Set[str]]) -> bool:
        def effect() -> None:
            self._lose()
            for span, ids in users.items():
                self.users.setdefault(span, set()).update(ids)

        try:
            self._world.io(effect, UNSENT)
        except QueueUnavailable:
            return False
        return True

    def counts(self, spans: Sequence[Span]) -> list[int] | None:
        if not self.is_complete:
            return None
        return [len(self.users.get(span, ())) for span in spans]

    def resume(self) -> Mark | None:
        def effect() -> Mark | None:
            self._lose()
            if self.mark is None and not self.is_complete:
                self._attempts += 1
                self.mark = Mark(attempt=str(self._attempts), at_ms=0)
            return self.mark

        return self._world.io(effect, UNSENT)

    def advance(self, before: Mark, after: Mark) -> bool:
        return self._world.io(partial(self._replace, before, after), UNSENT)

    def complete(self, mark: Mark) -> bool:
        return self._world.io(partial(self._replace, mark, None), UNSENT)

    def incomplete(self) -> None:
        self._world.io(self._forget, UNSENT)

    def _replace(self, before: Mark, after: Mark | None) -> bool:
        if self.mark != before:
            return False
        self.mark, self.is_complete = after, after is None
        return True

    def _forget(self) -> None:
        self.mark, self.is_complete = None, False

    def _lose(self) -> None:
        if self._world.faults.crash and self._world.dice.random() < LOST_ALL:
            self._world.happened["redis lost"] += 1
            self.users.clear()
            self._forget()


def _stored(value: Any) -> Any:
    """Return a document as it is read back: times as the store has them."""
    return decode(bson.encode(value))
