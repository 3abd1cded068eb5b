"""The commands on whole collections and databases: their measures, and other names for them."""

from typing import Any

from local.documents.errors import DocumentsError
from local.documents.paths import Document
from local.documents.store import Store

Reply = dict[str, Any]


def collection_stats(store: Store, database: str, body: Document) -> Reply:
    """Return the measures of one collection; how much it takes on disk is not known for one."""
    name = body.get("collStats") or body["collstats"]
    scale = _scale(body)
    collection = store.find(database, name)
    count, size = collection.measure() if collection else (0, 0)
    indexes = len(collection.indexes) if collection else 0
    mean = {"avgObjSize": size / count} if count else {}
    reply = {"ns": f"{database}.{name}", "count": count, "size": size // scale} | mean
    return reply | {"nindexes": indexes, "capped": False, "scaleFactor": scale, "ok": 1.0}


def database_stats(store: Store, database: str, body: Document) -> Reply:
    scale = _scale(body)
    collections = [each for (owner, _), each in store.collections.items() if owner == database]
    measures = [collection.measure() for collection in collections]
    count, size = (sum(measure[place] for measure in measures) for place in (0, 1))
    return {
        "db": database,
        "collections": len(collections),
        "views": 0,
        "objects": count,
        "avgObjSize": size / count if count else 0.0,
        "dataSize": size / scale,
        "indexes": sum(len(collection.indexes) for collection in collections),
        "scaleFactor": scale,
        "ok": 1.0,
    }


def _scale(body: Document) -> int:
    scale: int = body.get("scale", 1)
    if scale < 1:
        raise DocumentsError(
            51024, f"BSON field 'scale' value must be >= 1, actual value '{scale}'"
        )
    return scale


def rename(store: Store, body: Document) -> list[str]:
    """Give a collection another name or database; return the names whose cursors end."""
    source, target = body["renameCollection"], body["to"]
    (database, _, name), (new_database, _, new_name) = source.partition("."), target.partition(".")
    for namespace, part in ((source, name), (target, new_name)):
        if part.startswith("system."):
            raise DocumentsError(73, f"cannot rename from or to '{namespace}'")
    if store.find(database, name) is None:
        raise DocumentsError(26, f"Source collection {source} does not exist")
    if source == target:
        raise DocumentsError(20, "Can't rename a collection to itself")
    if store.find(new_database, new_name) and not body.get("dropTarget"):
        raise DocumentsError(48, "target namespace exists")
    store.drop(new_database, new_name)
    store.rename(database, name, new_database, new_name)
    return [source, target]
