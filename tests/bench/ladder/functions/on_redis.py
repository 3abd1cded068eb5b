"""The fourth rung: Powertools' idempotency, with its records on Redis."""

import uuid
from typing import Any

from chalice.app import Response

from backend.entrypoint import Call, api, endpoint, reply
from backend.idempotency import Claim, idempotent, register
from backend.telemetry import metrics_of

app = api("ladder")


@idempotent("ladder")
def answer(*, claim: Claim) -> dict[str, Any]:
    return {"key": claim.key}


@app.route("/redis")
@endpoint(app)
def view(call: Call) -> Response:
    register(call.context)
    metrics_of("ladder").count("Requests")
    return reply(answer(claim=Claim(tenant="ladder", key=uuid.uuid4().hex, fingerprint="same")))
