"""The documents of payments as the console shows them: searched within bounds, and one with its
notifications and webhooks. Nothing is kept here; each answer is what the store holds then.
"""

import base64
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from local.console.answers import Refused, number

if TYPE_CHECKING:
    from pymongo.database import Database

Document = dict[str, Any]
Parameters = Mapping[str, str]

TIMEOUT_MS = 3_000
DATABASE = "spillway"  # the backend's default
SHOWN = 50  # payments of one answer
SEARCHED = 2_000  # the newest payments of each tenant, where no index has what is searched for
TENANTS_MAX = 50
NOTIFICATIONS_MAX = 100  # of one payment
AMOUNT_MAX = 99_999_999
TIME_MAX_MS = 10**15
NEWEST = (("created_ms", -1), ("_id", -1))  # behind the tenant, as the index has it
STATUSES = ("processing", "requires_capture", "requires_action", "succeeded", "failed", "canceled")
LINE = (
    *("tenant", "status", "amount", "currency", "created_ms", "amount_captured"),
    *("amount_refunded", "receipt_email", "failure"),
)
OWN = {"fingerprint", "outbox", "promised_ms"}  # of the document, nothing for people
OF_NOTIFICATION = ("channel", "to", "status", "created_ms", "attempts", "claimable_at_ms")
# What else has an id in a payment's document, where no index has it.
FIELDS = {"ch_": "charge_id", "cus_": "customer", "re_": "operations.id", "dp_": "disputes.id"}
EVENT = re.compile(r"evt_([a-z0-9]{26})_[0-9]+")


def search(parameters: Parameters) -> dict[str, Any]:
    """Return the newest payments that match, and from when on to search further. Raises Refused.

    By id (also of an event or a notification) and by Idempotency-Key an index has them. By status,
    amount, mail (or a part of it) and the id of a charge, a customer, a refund or a dispute the
    newest SEARCHED of each tenant are looked at, or those before `before_ms`.
    """
    text = parameters.get("q", "").strip()
    filters, by_text = _filters(parameters), _by_text(text)
    before_ms = number(parameters, "before_ms", TIME_MAX_MS, TIME_MAX_MS)
    documents: list[Document] = []
    edges: list[int] = []
    with _store() as store:
        tenants = _tenants(store)
        if text:
            query = {"_id": {"$in": _ids(store, text, tenants)}, **filters}
            documents += store["payments"].find(query, LINE, limit=SHOWN)
        if not text or (by_text and not documents):
            documents, edges = _by_time(store, tenants, {**filters, **by_text}, before_ms)
    return {
        "payments": [_line(each) for each in documents],
        "before_ms": max(edges, default=None),
        "searched": SEARCHED,
        "tenants": tenants,
        "statuses": STATUSES,
    }


def one(parameters: Parameters) -> dict[str, Any]:
    """Return a payment's document with its notifications and webhooks. Raises Refused."""
    payment_id = parameters["id"]
    with _store() as store:
        payment = store["payments"].find_one({"_id": payment_id})
        if payment is None:
            raise Refused(404, f"there is no payment {payment_id[:60]}")
        receipt_id = derived("ntf_", payment["tenant"], "request", f"{payment_id}.receipt")
        notifications = store["notifications"]
        receipts = notifications.find({"_id": receipt_id})
        # Only deliveries to endpoints have a log, and the index has only those.
        webhooks = notifications.find(
            {"payment_id": payment_id, "log": {"$gt": ""}}, limit=NOTIFICATIONS_MAX
        )
        listed = [_notification(each) for each in (*receipts, *webhooks)]
    document = {name: value for name, value in payment.items() if name not in OWN}
    document["id"] = document.pop("_id")
    document["waiting_messages"] = [each["queue"] for each in payment.get("outbox", ())]
    listed.sort(key=lambda each: each["created_ms"])
    return {"payment": document, "notifications": listed}


def tenants() -> list[str]:
    """Return the tenants that have payments. Raises Refused."""
    with _store() as store:
        return _tenants(store)


def _filters(parameters: Parameters) -> Document:
    filters: Document = {}
    if status := parameters.get("status"):
        if status not in STATUSES:
            raise Refused(400, f"status must be one of {', '.join(STATUSES)}")
        filters["status"] = status
    if parameters.get("amount"):
        filters["amount"] = number(parameters, "amount", 0, AMOUNT_MAX)
    if mail := parameters.get("mail", "").strip():
        filters["receipt_email"] = _containing(mail)
    return filters


def _by_text(text: str) -> Document:
    """Return the filter for a text that may be another id or a mail's address; empty for others."""
    if field := FIELDS.get(text[: text.find("_") + 1]):
        return {field: text}
    return {"receipt_email": _containing(text)} if "@" in text else {}


def _containing(mail: str) -> Document:
    """Return the filter for a mail's address or a part of it, in capitals or not."""
    return {"$regex": re.escape(mail), "$options": "i"}


def _tenants(store: "Database[Document]") -> list[str]:
    """Return the tenants by one look into the index for each."""
    names: list[str] = []
    while len(names) < TENANTS_MAX:
        query = {"tenant": {"$gt": names[-1] if names else ""}}
        order = [("tenant", 1), *NEWEST]
        document = store["payments"].find_one(query, {"tenant": 1}, sort=order)
        if document is None:
            break
        names.append(document["tenant"])
    return names


def _by_time(
    store: "Database[Document]", tenants: Sequence[str], filters: Document, before_ms: int
) -> tuple[list[Document], list[int]]:
    """Return the newest that match, and the times from which on there is more to look at."""
    parts = [_newest(store, tenant, filters, before_ms) for tenant in tenants]
    documents = [each for part, _ in parts for each in part]
    documents.sort(key=lambda each: (each["created_ms"], each["_id"]), reverse=True)
    edges = [edge_ms for _, edge_ms in parts if edge_ms is not None]
    if len(documents) > SHOWN:
        edges.append(documents[SHOWN - 1]["created_ms"])
    return documents[:SHOWN], edges


def _newest(
    store: "Database[Document]", tenant: str, filters: Document, before_ms: int
) -> tuple[list[Document], int | None]:
    """Return what matches among the next SEARCHED of a tenant, and when the last of them was made.

    None where there are no more.
    """
    payments = store["payments"]
    made: Document = {"$lte": before_ms}
    edge = payments.find_one(
        {"tenant": tenant, "created_ms": made}, {"created_ms": 1}, sort=NEWEST, skip=SEARCHED
    )
    if edge is not None:
        made["$gte"] = edge["created_ms"]
    query = {"tenant": tenant, "created_ms": made, **filters}
    documents = list(payments.find(query, LINE, sort=NEWEST, limit=SHOWN + 1))
    return documents, edge["created_ms"] if edge is not None else None


def _ids(store: "Database[Document]", text: str, tenants: Sequence[str]) -> list[str]:
    """Return the ids of payments that a text may mean: an id of something, or a key."""
    if match := EVENT.fullmatch(text):
        return [f"pay_{match[1]}"]
    if text.startswith("ntf_"):
        notification = store["notifications"].find_one({"_id": text}, {"payment_id": 1}) or {}
        return [notification["payment_id"]] if "payment_id" in notification else []
    return [text, *(derived("pay_", tenant, "POST /v1/payments", text) for tenant in tenants)]


def derived(prefix: str, *parts: str) -> str:
    """Return the id that the backend derives from these parts."""
    digest = hashlib.sha256("|".join(parts).encode()).digest()
    return prefix + base64.b32encode(digest[:20]).decode().lower()[:26]


def _line(payment: Document) -> Document:
    failure = payment.get("failure") or {}
    figures = {name: payment.get(name) for name in LINE if name != "failure"}
    return {"id": payment["_id"], **figures, "failure": failure.get("code")}


def _notification(document: Document) -> Document:
    rendered = document.get("rendered") or {}
    members = {name: document.get(name) for name in OF_NOTIFICATION}
    texts = {name: rendered.get(name) for name in ("template", "subject")}
    return {"id": document["_id"], **members, **texts}


@contextmanager
def _store() -> "Iterator[Database[Document]]":
    """Open the store for one answer; raises Refused where it does not answer."""
    from pymongo import MongoClient  # noqa: PLC0415  # the gateway's start need not wait for it
    from pymongo.errors import PyMongoError  # noqa: PLC0415

    url = os.environ.get("MONGO_URL", "mongodb://127.0.0.1:27017")
    client: MongoClient[Document] = MongoClient(
        url, serverSelectionTimeoutMS=TIMEOUT_MS, socketTimeoutMS=TIMEOUT_MS
    )
    try:
        yield client[os.environ.get("MONGO_DATABASE", DATABASE)]
    except PyMongoError as error:
        raise Refused(503, "the document store does not answer") from error
    finally:
        client.close()
