"""The fifth rung: a document stored in MongoDB before the answer."""

import uuid
from typing import Any

from chalice.app import Response

from backend.entrypoint import Call, api, endpoint, reply
from backend.idempotency import Claim, idempotent, register
from backend.store import collection, opened_early, store_errors
from backend.telemetry import metrics_of

app = api("ladder")
DOCUMENT = {"amount": 1250, "currency": "EUR", "status": "processing", "events": [{"n": 1}]}


@opened_early
def documents() -> Any:
    return collection("ladder", ())


@idempotent("ladder")
def answer(*, claim: Claim) -> dict[str, Any]:
    with store_errors():
        documents().insert_one({"_id": claim.key, **DOCUMENT})
    return {"key": claim.key}


@app.route("/mongodb")
@endpoint(app)
def view(call: Call) -> Response:
    register(call.context)
    metrics_of("ladder").count("Requests")
    return reply(answer(claim=Claim(tenant="ladder", key=uuid.uuid4().hex, fingerprint="same")))
