"""The store of tenants' templates: one document each, with all versions that are kept."""

import msgspec
from pymongo import IndexModel
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import DuplicateKeyError

from backend.store import EXPIRY, Document, collection, moment_after, store_errors
from notifications.templates.own import OwnTemplate

ARCHIVED_LIFE_S = 90 * 86_400  # as long as notifications that were made by it
PARTS = ("newest.subject", "newest.text", "newest.html", "newest.variables")
INDEXES = (
    EXPIRY,
    IndexModel(
        [("tenant", 1), ("place", 1)],
        name="places",
        unique=True,
        partialFilterExpression={"place": {"$exists": True}},
    ),
)


def find(template_id: str, *, with_earlier: bool) -> OwnTemplate | None:
    """Return a template, also an archived one; earlier versions only where they are wanted."""
    shown = None if with_earlier else {"earlier": 0}
    with store_errors():
        document = _templates().find_one({"_id": template_id}, shown)
        return None if document is None else msgspec.convert(document, OwnTemplate)


def in_use(tenant: str) -> list[OwnTemplate]:
    """Return a tenant's templates that are not archived, without their parts."""
    shown = {"earlier": 0, **dict.fromkeys(PARTS, 0)}
    with store_errors():
        documents = _templates().find({"tenant": tenant, "place": {"$exists": True}}, shown)
        return [msgspec.convert(document, OwnTemplate) for document in documents]


def insert(template: OwnTemplate) -> bool:
    """Store a new template; False where its name or its place was taken meanwhile."""
    with store_errors():
        try:
            _templates().insert_one(_document(template))
        except DuplicateKeyError:
            return False
    return True


def replace(before: OwnTemplate, after: OwnTemplate) -> bool:
    """Store `after` unless the template has another version, or was archived, since `before`."""
    unchanged = {
        "_id": before.id,
        "newest.number": before.newest.number,
        "archived_ms": {"$exists": False} if not before.archived_ms else before.archived_ms,
    }
    with store_errors():
        try:
            return _templates().replace_one(unchanged, _document(after)).matched_count == 1
        except DuplicateKeyError:  # of its place, where it had none
            return False


def _templates() -> MongoCollection[Document]:
    return collection("templates", INDEXES)


def _document(template: OwnTemplate) -> Document:
    document: Document = msgspec.to_builtins(template)
    if template.archived_ms:
        document["expires_at"] = moment_after(ARCHIVED_LIFE_S)
    return document
