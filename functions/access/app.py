"""Tenants, clients, the request log and the audit log; the recorder of requests."""

from contextlib import suppress
from functools import partial

import redis
from chalice.app import Response

from access import request_store, requests, schema, service, store
from access.requests import RequestQuery
from access.schema import (
    AuditPage,
    AuditQuery,
    ClientChange,
    ClientPage,
    ClientQuery,
    ClientRequest,
    Rotation,
    TenantChange,
    TenantPage,
    TenantRequest,
)
from access.service import Submission
from backend import audit, clients, request_log
from backend.clock import now_ms, parse_rfc3339
from backend.entrypoint import Call, api, endpoint, reply, scheduled
from backend.pages import PageQuery, page_of
from backend.settings import STORED_CLIENT
from backend.telemetry import metrics_of

app = api("access")
metrics = metrics_of("access")
REPLAYED = {"Idempotent-Replayed": "true"}
NOT_STORED = {"Cache-Control": "no-store"}  # answers with a secret


@app.route("/v1/tenants", methods=["POST"])
@endpoint(app, "tenants:write")
def create_tenant(call: Call) -> Response:
    """Make a tenant."""
    tenant, replayed = service.create_tenant(
        call.body(TenantRequest), _submission(call), store=store
    )
    headers = {"Location": f"/v1/tenants/{tenant.id}", **(REPLAYED if replayed else {})}
    return reply(schema.tenant_view(tenant), status=201, headers=headers)


@app.route("/v1/tenants", methods=["GET"])
@endpoint(app, "tenants:read")
def list_tenants(call: Call) -> Response:
    """List the tenants, newest first; those of OAUTH_CLIENTS are not among them."""
    page, has_more = service.newest_tenants(call.query(PageQuery), store=store)
    return reply(TenantPage(data=[schema.tenant_view(each) for each in page], has_more=has_more))


@app.route("/v1/tenants/{tenant_id}", methods=["GET"])
@endpoint(app, "tenants:read")
def get_tenant(call: Call, tenant_id: str) -> Response:
    """Show a tenant."""
    return reply(schema.tenant_view(service.find_tenant(tenant_id, store=store)))


@app.route("/v1/tenants/{tenant_id}", methods=["PATCH"])
@endpoint(app, "tenants:write")
def update_tenant(call: Call, tenant_id: str) -> Response:
    """Change a tenant's name, scopes or status; what is left out stays."""
    change = call.body(TenantChange)
    author = audit.author(call)
    tenant = service.change_tenant(change, tenant_id, store=store, author=author)
    return reply(schema.tenant_view(tenant))


@app.route("/v1/clients", methods=["POST"])
@endpoint(app, "clients:write")
def create_client(call: Call) -> Response:
    """Make a client of a tenant; the first answer is the only one that shows the secret."""
    client, secret = service.create_client(call.body(ClientRequest), _submission(call), store=store)
    headers = {"Location": f"/v1/clients/{client.id}", **(NOT_STORED if secret else REPLAYED)}
    view = schema.client_view(client, now_ms=now_ms(), secret=secret)
    return reply(view, status=201, headers=headers)


@app.route("/v1/clients", methods=["GET"])
@endpoint(app, "clients:read")
def list_clients(call: Call) -> Response:
    """List a tenant's clients, newest first; those of OAUTH_CLIENTS are not among them."""
    page, has_more = service.newest_clients(
        call.query(ClientQuery), caller=call.caller, store=store
    )
    shown = [schema.client_view(each, now_ms=now_ms()) for each in page]
    return reply(ClientPage(data=shown, has_more=has_more))


@app.route("/v1/clients/{client_id}", methods=["GET"])
@endpoint(app, "clients:read")
def get_client(call: Call, client_id: str) -> Response:
    """Show a client, without its secret."""
    client = service.find_client(client_id, caller=call.caller, store=store)
    return reply(schema.client_view(client, now_ms=now_ms()))


@app.route("/v1/clients/{client_id}", methods=["PATCH"])
@endpoint(app, "clients:write")
def update_client(call: Call, client_id: str) -> Response:
    """Change a client's name, scopes or status; what is left out stays."""
    client = service.change_client(
        call.body(ClientChange),
        client_id,
        caller=call.caller,
        store=store,
        author=audit.author(call),
    )
    return reply(schema.client_view(client, now_ms=now_ms()))


@app.route("/v1/clients/{client_id}/rotate-secret", methods=["POST"])
@endpoint(app, "clients:write")
def rotate_client_secret(call: Call, client_id: str) -> Response:
    """Give a client a new secret; the one until now holds on for the overlap."""
    client, secret = service.rotate(
        call.body(Rotation, may_be_empty=True), client_id, _submission(call), store=store
    )
    view = schema.client_view(client, now_ms=now_ms(), secret=secret)
    return reply(view, headers=NOT_STORED if secret else REPLAYED)


@app.route("/v1/requests", methods=["GET"])
@endpoint(app, "requests:read")
def list_requests(call: Call) -> Response:
    """List the tenant's requests of the last seven days, newest first."""
    query = call.query(RequestQuery)
    with suppress(redis.RedisError):  # what waits is shown later then
        _record(waiting_max=request_log.SLICE)  # what just happened is what people look for
    return reply(requests.newest(query, tenant=call.caller.tenant, store=request_store))


@app.route("/v1/audit-log", methods=["GET"])
@endpoint(app, "audit:read")
def list_changes(call: Call) -> Response:
    """List who changed what of a tenant, newest first."""
    query = call.query(AuditQuery)
    tenant = service.listed_tenant(query.tenant, caller=call.caller)
    limits = {"$gte": ("created_gte", query.created_gte), "$lt": ("created_lt", query.created_lt)}
    filters = {"object_id": query.object_id} if query.object_id else {}
    created = {
        operator: parse_rfc3339(text, param=param)
        for operator, (param, text) in limits.items()
        if text is not None
    }
    page, has_more = page_of(
        query,
        find=partial(audit.find, tenant),
        read=partial(audit.page, tenant, filters | ({"created_ms": created} if created else {})),
    )
    return reply(AuditPage(data=[schema.entry_view(each) for each in page], has_more=has_more))


@scheduled("access")
def recorder(event: object) -> None:
    """Store the requests that wait to be logged, and note which clients are in use."""
    _record(waiting_max=request_log.WAITING_MAX)
    metrics.count("RequestsUnlogged", request_log.refused())


def _submission(call: Call) -> Submission:
    return Submission(
        key=call.idempotency_key(),
        caller=call.caller,
        author=audit.author(call),
        now_ms=now_ms(),
    )


def _record(*, waiting_max: int) -> None:
    for logged in request_log.take(waiting_max=waiting_max):
        request_store.insert_all(logged)
        metrics.count("RequestsLogged", len(logged))
        metrics.count("RequestsUnlogged", sum(each.unlogged for each in logged))
        client_ids = {each.client_id for each in logged if each.client_id.startswith(STORED_CLIENT)}
        if client_ids:
            clients.note_use(client_ids, now_ms=now_ms())
