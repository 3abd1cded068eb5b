"""The answers to what clients ask of a server when they connect, and its measures."""

import os
import time

from local.documents import metrics
from local.documents.collection import DOCUMENT_BYTES_MAX
from local.documents.options import BATCH_MAX
from local.documents.paths import Document
from local.documents.wire import MESSAGE_BYTES_MAX

VERSION = "7.0.0"  # the MongoDB whose behaviour is followed
WIRE_VERSION = 21  # that of 7.0
STARTED_S = time.monotonic()


def acknowledge(_: Document) -> Document:
    return {"ok": 1.0}


def hello(body: Document) -> Document:
    """Return what the server can do; drivers decide by it how they speak."""
    primary = "isWritablePrimary" if "hello" in body else "ismaster"
    return {
        "helloOk": True,
        primary: True,
        "maxBsonObjectSize": DOCUMENT_BYTES_MAX,
        "maxMessageSizeBytes": MESSAGE_BYTES_MAX,
        "maxWriteBatchSize": BATCH_MAX,
        "logicalSessionTimeoutMinutes": 30,
        "minWireVersion": 0,
        "maxWireVersion": WIRE_VERSION,
        "readOnly": False,
        "ok": 1.0,
    }


def build_info(_: Document) -> Document:
    numbers = [int(part) for part in VERSION.split(".")] + [0]
    return {"version": VERSION, "versionArray": numbers, "bits": 64, "ok": 1.0} | {
        "maxBsonObjectSize": DOCUMENT_BYTES_MAX
    }


def connection_status(_: Document) -> Document:
    nobody: list[Document] = []
    users = {"authenticatedUsers": nobody, "authenticatedUserRoles": nobody}
    return {"authInfo": users, "ok": 1.0}


def server_status(_: Document) -> Document:
    """Return the measures that `metrics` has for Prometheus, too."""
    return {
        "host": "localhost",
        "version": VERSION,
        "process": "local.documents",
        "pid": os.getpid(),
        "uptime": time.monotonic() - STARTED_S,
        "connections": {"current": metrics.value("documents_connections")},
        "log": {
            "bytes": metrics.value("documents_log_bytes"),
            "syncs": metrics.histogram(metrics.syncs),
            "commits": metrics.histogram(metrics.commits),
        },
        "ok": 1.0,
    }
