"""The backend's own part of the console: payments, their balances, and how they compare."""

import asyncio
import http.client
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from local.console.answers import Page, Refused, as_json, in_thread
from local.console.pages import Console
from local.spillway import payment_documents
from local.template import Template

PAYMENTS = "PaymentsFunction"
RECONCILER = "PaymentsReconciler"
INVOKE_URL = "AWS_ENDPOINT_URL_LAMBDA"
ANSWER_S = 8.0  # below what a view may take
COMPARED_S = 600.0  # a comparison of everything takes seconds for 100,000 payments
DIFFERENCES_MAX = 500
Parameters = Mapping[str, str]


def add_views(console: Console, template: Template, state: Path) -> None:
    """Serve what is below `/api/payments`."""
    comparison = Comparison(template)
    console.add_view("/api/payments", in_thread(payment_documents.search))
    console.add_view("/api/payments/balances", in_thread(balances))
    console.add_view("/api/payments/comparison", comparison.show)
    console.add_view("/api/payments/{id}", in_thread(payment_documents.one))
    console.add_action("/api/payments/compare", comparison.start)


def balances(parameters: Parameters) -> dict[str, Any]:
    """Return what `GET /v1/balances` answers to each tenant, by its function itself."""
    return {"tenants": [_balances_of(tenant) for tenant in payment_documents.tenants()]}


def _balances_of(tenant: str) -> dict[str, Any]:
    address = urlsplit(os.environ.get(INVOKE_URL, "http://127.0.0.1:3001"))
    path = f"/2015-03-31/functions/{PAYMENTS}/invocations"
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=ANSWER_S)
    try:
        connection.request("POST", path, orjson.dumps(_request(tenant)))
        answer = orjson.loads(connection.getresponse().read())
        body = orjson.loads(answer["body"])
        return {"tenant": tenant, "balances": body["data"]}
    except (OSError, http.client.HTTPException, orjson.JSONDecodeError) as error:
        return {"tenant": tenant, "trouble": f"{PAYMENTS} does not answer: {error}"}
    except (KeyError, TypeError):
        return {"tenant": tenant, "trouble": f"{PAYMENTS} did not answer with balances"}
    finally:
        connection.close()


def _request(tenant: str) -> dict[str, Any]:
    """Return the event of `GET /v1/balances` by a client of this tenant."""
    route = {"resourcePath": "/v1/balances", "httpMethod": "GET", "path": "/v1/balances"}
    caller = {"tenant": tenant, "principalId": "console", "scope": "payments:read"}
    return {
        "resource": "/v1/balances",
        "path": "/v1/balances",
        "httpMethod": "GET",
        "headers": {},
        "multiValueHeaders": {},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {**route, "requestId": "console", "identity": {}, "authorizer": caller},
        "body": None,
        "isBase64Encoded": False,
    }


class Comparison:
    """The comparison of all payments with the provider's record: at most one, the last kept."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._running: asyncio.Task[None] | None = None
        self._last: dict[str, Any] | None = None

    async def show(self, parameters: Parameters) -> Page:
        """Return whether one runs, and the last one's result."""
        return as_json({"is_running": self._is_running, "last": self._last})

    async def start(self, parameters: Parameters, body: Any) -> Page:
        """Begin one. Raises Refused."""
        if RECONCILER not in self._template.functions:
            raise Refused(404, f"the template has no function {RECONCILER}")
        if self._is_running:
            raise Refused(409, "a comparison is under way")
        self._running = asyncio.get_running_loop().create_task(self._run())
        return as_json({"is_running": True, "last": self._last})

    @property
    def _is_running(self) -> bool:
        return self._running is not None and not self._running.done()

    async def _run(self) -> None:
        """Have the function compare everything, as the command `reconcile` does."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.daemon.tied", str(os.getpid())),
            *("local.runtime.run_once", *map(str, self._template.options)),
            *("--function", RECONCILER, "--event", '{"all": true}'),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        try:
            output, complaints = await asyncio.wait_for(process.communicate(), COMPARED_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            self._last = {"ended_s": time.time(), "trouble": "it took too long and was ended"}
            return
        self._last = {"ended_s": time.time(), **_result(process.returncode, output, complaints)}


def _result(exit_code: int | None, output: bytes, complaints: bytes) -> dict[str, Any]:
    lines = complaints.decode(errors="replace").strip().splitlines() or ["no reason"]
    try:
        report = orjson.loads(output) if exit_code == 0 else None
    except orjson.JSONDecodeError:
        report = None
    if not isinstance(report, dict):
        return {"trouble": f"not compared: {lines[-1]}"}
    differences = [
        *report.pop("mismatches"),
        *({"kind": each} for each in report.pop("wrong_sums")),
    ]
    return {
        "counts": report,
        "differences": differences[:DIFFERENCES_MAX],
        "number_of_differences": len(differences),
    }
