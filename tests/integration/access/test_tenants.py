"""Tenants and clients through their door, and the tokens that they get or get not."""

import hashlib
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.integration.function_process import FunctionProcess, HttpAnswer
from tests.integration.test_api import FORM, basic

OPERATOR = "tenants:read tenants:write clients:read clients:write audit:read payments:read"
OWN = "clients:read clients:write audit:read payments:read"
PAYMENTS = ["payments:read"]
Ask = Callable[..., HttpAnswer]


@pytest.fixture
def access(function: Callable[[str], FunctionProcess], tenant: str) -> Ask:
    """Send a request, as the operator where no other tenant or scope is named."""

    def ask(
        method: str,
        route: str,
        body: Any = None,
        *,
        key: str = "",
        tenant: str = tenant,
        scope: str = OPERATOR,
        query: dict[str, str] | None = None,
        **ids: str,
    ) -> HttpAnswer:
        return function("access.app.app").request(
            method,
            route,
            path=ids,
            query=query,
            body=body,
            headers={"Idempotency-Key": key} if key else {},
            tenant=tenant,
            scope=scope,
        )

    return ask


@pytest.fixture
def token(function: Callable[[str], FunctionProcess]) -> Callable[[str, str], HttpAnswer]:
    """Ask for a token with an id and a secret."""

    def ask(client_id: str, secret: str) -> HttpAnswer:
        headers = {**FORM, **basic(f"{client_id}:{secret}")}
        body = "grant_type=client_credentials"
        return function("api.app.app").request("POST", "/oauth2/token", body=body, headers=headers)

    return ask


@pytest.fixture
def made(access: Ask) -> Iterator[SimpleNamespace]:
    """A tenant with one client, by the operator."""
    body = {"name": "Ada", "scopes": ["clients:read", "clients:write", *PAYMENTS]}
    tenant = access("POST", "/v1/tenants", body, key="t").body
    body = {"name": "till", "scopes": PAYMENTS, "tenant": tenant["id"]}
    client = access("POST", "/v1/clients", body, key="c").body
    return SimpleNamespace(tenant=tenant["id"], id=client["id"], secret=client["secret"])


def rotate(access: Ask, client_id: str, key: str, **body: int) -> HttpAnswer:
    route = "/v1/clients/{client_id}/rotate-secret"
    return access("POST", route, body or None, key=key, client_id=client_id)


def update(access: Ask, client_id: str, **change: Any) -> HttpAnswer:
    return access("PATCH", "/v1/clients/{client_id}", change, client_id=client_id)


def test_a_client_of_the_store_gets_tokens_of_its_tenant_until_it_is_disabled(access, token, made):
    before = token(made.id, made.secret)
    disabled = update(access, made.id, status="disabled")
    during = token(made.id, made.secret)
    update(access, made.id, status="active")
    after = token(made.id, made.secret)

    assert (before.status, before.body["scope"]) == (200, "payments:read")
    assert disabled.body["status"] == "disabled"
    assert (during.status, during.body["code"]) == (401, "invalid_client")
    assert after.status == 200


def test_clients_of_a_disabled_tenant_get_no_tokens_and_lose_the_scopes_that_it_loses(
    access, token, made
):
    def change(**fields: Any) -> Any:
        access("PATCH", "/v1/tenants/{tenant_id}", fields, tenant_id=made.tenant)
        return token(made.id, made.secret)

    assert change(status="disabled").status == 401
    assert change(status="active").status == 200
    assert change(scopes=["audit:read"]).body["code"] == "invalid_scope"


def test_a_wrong_secret_an_unknown_client_and_a_disabled_one_are_answered_alike(
    access, token, made
):
    update(access, made.id, status="disabled")
    answers = [
        token(made.id, made.secret),
        token(made.id, "cs_wrong"),
        token("cli_aaaaaaaaaaaaaaaaaaaaaaaaaa", made.secret),
        token("nobody", made.secret),
    ]
    bodies = [{**each.body, "instance": "", "request_id": ""} for each in answers]

    assert [each.status for each in answers] == [401] * 4
    assert bodies == bodies[:1] * 4


def test_of_a_secret_rotated_twice_within_the_overlap_the_two_newest_hold(access, token, made):
    secrets = [made.secret, *(rotate(access, made.id, key).body["secret"] for key in "ab")]
    statuses = [token(made.id, each).status for each in secrets]
    view = access("GET", "/v1/clients/{client_id}", client_id=made.id).body

    assert statuses == [401, 200, 200]
    assert "secret" not in view
    assert view["old_secret_until"] > view["secret_created_at"]


def test_a_secret_rotated_without_an_overlap_holds_no_longer(access, token, made):
    secret = rotate(access, made.id, "now", overlap_s=0).body["secret"]

    assert [token(made.id, each).status for each in (made.secret, secret)] == [401, 200]


def test_a_rotation_that_is_repeated_after_another_ends_no_secret(access, token, made):
    early, late = (rotate(access, made.id, key).body["secret"] for key in ("early", "late"))

    again = rotate(access, made.id, "early")
    other = rotate(access, made.id, "early", overlap_s=0)

    assert "secret" not in again.body
    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")
    assert [token(made.id, each).status for each in (early, late)] == [200, 200]


def test_a_rotation_that_is_repeated_makes_no_third_secret(access, token, made):
    first = rotate(access, made.id, "lost")
    again = rotate(access, made.id, "lost")
    other = rotate(access, made.id, "lost", overlap_s=0)

    assert "secret" not in again.body
    assert again.headers["idempotent-replayed"] == "true"
    assert other.body["code"] == "idempotency_key_reused"
    assert [token(made.id, each).status for each in (made.secret, first.body["secret"])] == [
        200,
        200,
    ]


@pytest.mark.parametrize("overlap_s", [-1, 604_801, 1.5])
def test_an_overlap_is_a_week_at_most(access, made, overlap_s):
    refusal = rotate(access, made.id, "x", overlap_s=overlap_s)

    assert (refusal.status, refusal.body["param"]) == (422, "overlap_s")


def test_a_repeat_makes_no_second_object_and_shows_no_secret(access, made):
    body = {"name": "till", "scopes": PAYMENTS, "tenant": made.tenant}
    again = access("POST", "/v1/clients", body, key="c")
    other = access("POST", "/v1/clients", {**body, "name": "x"}, key="c")
    tenant = access("POST", "/v1/tenants", {"name": "x"}, key="t")

    assert (again.status, again.body["id"], "secret" in again.body) == (201, made.id, False)
    assert again.headers["idempotent-replayed"] == "true"
    assert [each.body["code"] for each in (other, tenant)] == ["idempotency_key_reused"] * 2
    assert access("POST", "/v1/tenants", {"name": "x"}).body["code"] == "idempotency_key_required"


def test_all_wrong_fields_are_named_at_once(access):
    body = {"name": "", "scopes": ["payments:write", "tenants:write"], "secret": "mine"}
    refusal = access("POST", "/v1/clients", body, key="wrong")

    assert refusal.status == 422
    assert {each["param"] for each in refusal.body["errors"]} == {"name", "scopes", "secret"}


def test_another_tenant_s_clients_are_not_there_for_one_that_is_no_operator(access, made):
    stranger = {"tenant": "stranger", "scope": OWN, "client_id": made.id}
    one, change = "/v1/clients/{client_id}", {"name": "mine"}
    answers = [
        access("GET", one, **stranger),
        access("PATCH", one, change, **stranger),
        access("POST", f"{one}/rotate-secret", key="r", **stranger),
    ]
    listed = access("GET", "/v1/clients", tenant="stranger", scope=OWN)
    wish = {"tenant": made.tenant}

    assert [each.status for each in answers] == [404] * 3
    assert listed.body == {"data": [], "has_more": False}
    for route in ("/v1/clients", "/v1/audit-log"):
        assert access("GET", route, query=wish, tenant="stranger", scope=OWN).status == 403


def test_a_client_is_made_for_one_s_own_tenant_only_whether_another_exists_or_not(access, made):
    details = []
    for tenant in (made.tenant, "ten_nobody"):
        body = {"name": "x", "scopes": PAYMENTS, "tenant": tenant}
        refusal = access("POST", "/v1/clients", body, key="x", tenant="stranger", scope=OWN)
        details.append((refusal.status, refusal.body["param"], refusal.body["detail"]))

    assert details == [(422, "tenant", "There is no such tenant.")] * 2


def test_nobody_gives_or_takes_scopes_that_he_has_not(access, made):
    mine = {"tenant": made.tenant, "scope": "clients:read clients:write"}
    grant = access("POST", "/v1/clients", {"name": "x", "scopes": PAYMENTS}, key="x", **mine)
    route = "/v1/clients/{client_id}/rotate-secret"
    rotation = access("POST", route, key="y", client_id=made.id, **mine)
    body = {"name": "x", "scopes": ["audit:read"], "tenant": made.tenant}
    beyond = access("POST", "/v1/clients", body, key="z")

    assert (grant.status, grant.body["code"]) == (422, "scope_not_allowed")
    assert (rotation.status, rotation.body["code"]) == (403, "insufficient_scope")
    assert (beyond.status, beyond.body["code"]) == (422, "scope_not_allowed")


def test_what_makes_tenants_needs_its_own_scope(access):
    refusal = access("POST", "/v1/tenants", {"name": "x"}, key="x", scope=OWN)

    assert (refusal.status, refusal.body["code"]) == (403, "insufficient_scope")


def test_a_tenant_has_a_hundred_active_clients_at_most(access, database, made):
    database.clients.insert_many(
        {"_id": f"cli_{made.tenant}{place}", "tenant": made.tenant, "place": place}
        | {"status": "active"}
        for place in range(1, 100)
    )
    body = {"name": "x", "scopes": PAYMENTS, "tenant": made.tenant}
    refusal = access("POST", "/v1/clients", body, key="x")
    update(access, made.id, status="disabled")
    admitted = access("POST", "/v1/clients", body, key="x")
    back = update(access, made.id, status="active")

    assert (refusal.status, refusal.body["code"]) == (409, "too_many_clients")
    assert admitted.status == 201
    assert back.body["code"] == "too_many_clients"


def test_a_client_whose_place_was_taken_meanwhile_is_refused_as_the_audit_log_shows(
    access, database, made
):
    rival = {"_id": f"cli_{made.tenant}", "tenant": made.tenant, "place": 1, "status": "disabled"}
    database.clients.insert_one(rival)  # not among the places that are looked at, as in a race
    body = {"name": "x", "scopes": PAYMENTS, "tenant": made.tenant}
    refusal = access("POST", "/v1/clients", body, key="x")
    newest = access("GET", "/v1/audit-log", query={"tenant": made.tenant}).body["data"][0]

    assert refusal.status == 409
    assert (newest["action"], newest["outcome"]) == ("client.created", "refused")


def test_tenants_and_clients_are_listed_newest_first_page_by_page(access):
    made = [access("POST", "/v1/tenants", {"name": n}, key=n).body["id"] for n in "abc"]
    first = access("GET", "/v1/tenants", query={"limit": "2"}).body
    last = {"limit": "1", "starting_after": made[1]}

    assert ([each["id"] for each in first["data"]], first["has_more"]) == (made[:0:-1], True)
    assert access("GET", "/v1/tenants", query=last).body["data"][0]["id"] == made[0]
    clients = [
        access("POST", "/v1/clients", {"name": n, "scopes": PAYMENTS}, key=n).body["id"]
        for n in "abc"
    ]
    page = access("GET", "/v1/clients", query={"starting_after": clients[1]}).body
    assert [each["id"] for each in page["data"]] == clients[:1]


def test_the_last_use_of_a_client_is_shown(access, token, made):
    unused = access("GET", "/v1/clients/{client_id}", client_id=made.id).body
    token(made.id, made.secret)
    used = access("GET", "/v1/clients/{client_id}", client_id=made.id).body

    assert "last_used_at" not in unused
    assert used["last_used_at"] >= used["created_at"]


def test_the_store_has_no_secret_and_neither_has_the_audit_log(access, database, made):
    secret = rotate(access, made.id, "r").body["secret"]
    update(access, made.id, name="tills", status="disabled")
    update(access, made.id, name="tills")
    log = access("GET", "/v1/audit-log", query={"tenant": made.tenant}).body["data"]
    stored = str(list(database.clients.find())) + str(list(database.audit_log.find()))

    assert not {each for each in (secret, made.secret) if each in stored + str(log)}
    assert [each["action"] for each in log] == [
        "client.updated",
        "client.secret_rotated",
        "client.created",
        "tenant.created",
    ]
    assert log[0]["before"] == {"name": "till", "status": "active"}
    assert log[0]["after"] == {"name": "tills", "status": "disabled"}
    assert {each["outcome"] for each in log} == {"done"}
    assert log[0]["request_id"]


def test_an_issued_token_loses_what_its_client_loses(access, start, made):
    def ask(process: FunctionProcess) -> HttpAnswer:
        scopes = "clients:read payments:read"
        event = {"tenant": made.tenant, "scope": scopes, "query": {"limit": "1"}}
        return process.request("GET", "/v1/payments", client=made.id, **event)

    before = ask(start("payments.app.app"))
    update(access, made.id, scopes=["clients:read"])
    without_scope = ask(start("payments.app.app"))
    update(access, made.id, scopes=["analytics:read"])
    without_any = ask(start("payments.app.app"))
    update(access, made.id, scopes=PAYMENTS, status="disabled")
    disabled = ask(start("payments.app.app"))

    assert before.status == 200
    for answer in (without_scope, without_any):
        assert (answer.status, answer.body["code"]) == (403, "insufficient_scope")
        assert answer.body["detail"] == (
            "The client of the access token no longer has the scope payments:read."
        )
    assert disabled.status == 401
    assert disabled.body["detail"] == "The client of the access token is disabled."


def test_an_issued_token_is_good_where_the_store_does_not_answer(start, tenant):
    process = start("analytics.app.app", MONGO_URL="mongodb://127.0.0.1:1/?directConnection=true")
    event = {"name": "page.viewed", "event_id": "one"}
    answer = process.request(
        "POST",
        "/v1/analytics/events",
        body=event,
        tenant=tenant,
        scope="analytics:write",
        client="cli_somebody",
    )

    assert answer.status == 202


def test_a_configured_client_may_have_an_old_secret_too(start):
    new, old = (hashlib.sha256(each).hexdigest() for each in (b"new", b"old"))
    client = {"id": "shop", "tenant": "shop", "scopes": PAYMENTS, "secret_sha256": new}
    process = start("api.app.app", OAUTH_CLIENTS=json.dumps([{**client, "old_secret_sha256": old}]))
    statuses = [
        process.request(
            "POST",
            "/oauth2/token",
            body="grant_type=client_credentials",
            headers={**FORM, **basic(f"shop:{secret}")},
        ).status
        for secret in ("new", "old", "", "older")
    ]

    assert statuses == [200, 200, 401, 401]
