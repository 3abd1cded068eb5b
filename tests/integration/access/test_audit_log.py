"""The audit log of endpoints and suppressions: each change has its entry, whatever follows."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.function_process import FunctionProcess, HttpAnswer, ProcessDied
from tests.integration.relay import KillAt

SCOPE = "notifications:read notifications:write audit:read"


@pytest.fixture
def ask(function: Callable[[str], FunctionProcess], tenant: str) -> Callable[..., HttpAnswer]:
    """Send a request to notifications or, for the log, to access."""

    def send(method: str, route: str, body: Any = None, **ids: str) -> HttpAnswer:
        handler = "access" if route == "/v1/audit-log" else "notifications"
        query = ids.pop("query", None)
        return function(f"{handler}.app.app").request(
            method, route, path=ids, body=body, query=query, tenant=tenant, scope=SCOPE
        )

    return send


def entries(ask: Callable[..., HttpAnswer], **query: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = ask("GET", "/v1/audit-log", query=query).body["data"]
    return entries


def test_each_change_of_an_endpoint_has_an_entry_without_what_may_be_secret(ask, database):
    secret_path = uuid.uuid4().hex
    body = {"url": f"http://127.0.0.1:9/{secret_path}", "contact": "ops@example.com"}
    made = ask("POST", "/v1/webhook-endpoints", body).body
    one, id_ = "/v1/webhook-endpoints/{endpoint_id}", {"endpoint_id": made["id"]}
    ask("PATCH", one, {"contact": None}, **id_)
    ask("POST", f"{one}/rotate-secret", **id_)
    ask("POST", f"{one}/disable", **id_)
    ask("POST", f"{one}/enable", **id_)
    ask("DELETE", one, **id_)
    log = entries(ask)
    verbs = ["deleted", "enabled", "disabled", "secret_rotated", "updated", "created"]

    assert [each["action"] for each in log] == [f"webhook_endpoint.{each}" for each in verbs]
    assert {each["outcome"] for each in log} == {"done"}
    assert (log[4]["before"], log[4]["after"]) == (
        {"contact": "ops@example.com"},
        {"contact": None},
    )
    assert log[5]["after"]["host"] == "127.0.0.1:9"
    assert not {made["secret"], secret_path} & {*str(log).replace("/", "'").split("'")}
    assert database.audit_log.find_one({"_id": log[0]["id"]})["expires_at"] is not None


def test_a_suppression_has_entries_without_the_recipient(ask):
    made = ask("POST", "/v1/suppressions", {"to": "ada@example.com"}).body
    ask("DELETE", "/v1/suppressions/{suppression_id}", suppression_id=made["id"])
    log = entries(ask)

    assert [each["action"] for each in log] == ["suppression.deleted", "suppression.created"]
    assert log[1]["after"] == {"channel": "email", "reason": "manual"}
    assert "ada" not in str(log)


def test_a_process_that_dies_at_its_change_leaves_an_entry_that_says_so(
    ask, start, documents_port, tenant
):
    with KillAt(documents_port, b"findAndModify") as relay:
        url = f"mongodb://127.0.0.1:{relay.port}/?directConnection=true"
        victim = start("notifications.app.app", MONGO_URL=url)
        relay.kill = victim.process.kill
        body = {"to": "ada@example.com"}
        with pytest.raises(ProcessDied):
            victim.request("POST", "/v1/suppressions", body=body, tenant=tenant, scope=SCOPE)
    [entry] = entries(ask)

    assert (entry["action"], entry["outcome"]) == ("suppression.created", "unknown")


def test_another_tenant_s_log_is_empty(ask, function):
    ask("POST", "/v1/suppressions", {"to": "ada@example.com"})
    answer = function("access.app.app").request(
        "GET", "/v1/audit-log", tenant="nobody-else", scope=SCOPE
    )

    assert answer.body == {"data": [], "has_more": False}
