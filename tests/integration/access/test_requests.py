"""The request log: what a tenant's clients sent, without what they said."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from tests.integration.function_process import FunctionProcess, HttpAnswer

SCOPE = "requests:read payments:read payments:write"
BODY = {"amount": 100, "currency": "EUR", "payment_method": "pm_card_visa", "description": "Secret"}


@pytest.fixture
def record(function: Callable[[str], FunctionProcess]) -> Callable[[], Any]:
    """Run the recorder, which its schedule runs in a system."""
    return lambda: function("access.app.recorder").invoke({})


@pytest.fixture
def send(function: Callable[[str], FunctionProcess], tenant: str) -> Callable[..., HttpAnswer]:
    """Send a request to payments."""

    def send_one(method: str = "GET", route: str = "/v1/payments", **parts: Any) -> HttpAnswer:
        process = function("payments.app.app")
        return process.request(method, route, **{"tenant": tenant, "scope": SCOPE, **parts})

    return send_one


@pytest.fixture
def show(
    function: Callable[[str], FunctionProcess], tenant: str, record: Callable[[], Any]
) -> Callable[..., Any]:
    """Record what waits, and show the log."""

    def ask(**query: str) -> Any:
        record()
        answer = function("access.app.app").request(
            "GET", "/v1/requests", query=query, tenant=tenant, scope=SCOPE
        )
        return answer.body

    return ask


@pytest.fixture
def redis_client(valkey: str) -> Iterator[redis.Redis]:
    """A client of the server that requests wait on, which is empty."""
    with redis.Redis.from_url(valkey, decode_responses=True) as client:
        yield client


def send_some(send: Callable[..., HttpAnswer]) -> None:
    send(query={"status": "succeeded", "created_gte": "2026-01-01T00:00:00Z"}, client="till")
    send("POST", body=BODY, headers={"Idempotency-Key": "one"})
    send("POST", body={**BODY, "amount": -5}, headers={"Idempotency-Key": "two"})
    send(route="/v1/payments/{payment_id}", path={"payment_id": "pay_nobody"})
    send("POST", body=BODY, scope="payments:read")


def test_each_request_is_listed_newest_first_with_its_outcome_and_without_its_content(send, show):
    send_some(send)
    page = show()
    first = page["data"][4]

    assert [(each["method"], each["status"], each.get("code")) for each in page["data"]] == [
        ("POST", 403, "insufficient_scope"),
        ("GET", 404, "not_found"),
        ("POST", 422, "invalid_request"),
        ("POST", 201, None),
        ("GET", 200, None),
    ]
    assert page["data"][1]["path"] == "/v1/payments/pay_nobody"
    assert page["data"][1]["route"] == "/v1/payments/{payment_id}"
    assert (first["client_id"], first["path"]) == ("till", "/v1/payments")
    assert first["request_id"]
    assert "Secret" not in str(page)
    assert "succeeded" not in str(page)


@pytest.mark.parametrize(
    ("query", "statuses"),
    [
        ({"status": "404"}, [404]),
        ({"status": "4xx"}, [403, 404, 422]),
        ({"status": "5xx"}, []),
        ({"method": "POST"}, [403, 422, 201]),
        ({"path": "/v1/payments/pay_"}, [404]),
        ({"client_id": "till"}, [200]),
        ({"status": "2xx", "method": "POST"}, [201]),
        ({"created_gte": "2020-01-01T00:00:00Z"}, [403, 404, 422, 201, 200]),
        ({"created_lt": "2020-01-01T00:00:00Z"}, []),
    ],
)
def test_the_log_is_filtered(send, show, query, statuses):
    send_some(send)

    assert [each["status"] for each in show(**query)["data"]] == statuses


@pytest.mark.parametrize(
    "query",
    [
        {"status": "4x"},
        {"status": "600"},
        {"method": "FETCH"},
        {"path": "v1"},
        {"starting_after": "req_x"},
    ],
)
def test_a_filter_that_is_none_is_refused(show, query):
    assert show(**query)["param"] == next(iter(query))


def test_pages_go_on_where_the_last_one_ended_over_several_runs_of_the_recorder(send, show, record):
    for number in range(3):
        send(route="/v1/payments/{payment_id}", path={"payment_id": f"pay_{number}a"})
        send(route="/v1/payments/{payment_id}", path={"payment_id": f"pay_{number}b"})
        record()
    paths: list[str] = []
    after: dict[str, str] = {}
    for _ in range(6):
        page = show(limit="1", **after)
        paths += [each["path"][-2:] for each in page["data"]]
        after = {"starting_after": page["data"][-1]["id"]}

    assert paths == ["2b", "2a", "1b", "1a", "0b", "0a"]
    assert (page["has_more"], show(**after)["data"]) == (False, [])


def test_another_tenant_s_requests_are_not_there_nor_to_be_gone_on_from(send, show, function):
    send()
    entry = show()["data"][0]

    def of_stranger(**query: str) -> Any:
        process = function("access.app.app")
        return process.request(
            "GET", "/v1/requests", query=query, tenant="stranger", scope=SCOPE
        ).body

    assert of_stranger()["data"] == []
    assert of_stranger(starting_after=entry["id"])["param"] == "starting_after"


def test_what_is_beyond_the_limit_is_left_out_and_counted_in_the_next(start, show, tenant):
    process = start("payments.app.app")
    sent = 0
    log: list[dict[str, Any]] = []
    while not any("unlogged" in each for each in log):
        for _ in range(100):
            query = {"limit": "1"}
            process.request("GET", "/v1/payments", query=query, tenant=tenant, scope=SCOPE)
        sent += 100
        log = show(limit="100")["data"]
        assert sent < 5_000

    assert 0 < max(each.get("unlogged", 0) for each in log) < sent


def test_a_recorder_that_dies_before_its_end_leaves_no_request_twice(send, show, redis_client):
    send()
    [text] = redis_client.lrange("requests:{log}:waiting", 0, -1)
    show()
    redis_client.rpush("requests:{log}:taken", text)

    assert len(show(path="/v1/payments")["data"]) == 1


def test_what_just_happened_is_listed_before_the_recorder_runs(send, function, tenant):
    send()
    answer = function("access.app.app").request("GET", "/v1/requests", tenant=tenant, scope=SCOPE)

    assert [each["path"] for each in answer.body["data"]] == ["/v1/payments"]


def test_requests_wait_only_up_to_a_bound(send, show, redis_client):
    redis_client.rpush("requests:{log}:waiting", *["[]"] * 100_000)
    send()

    assert redis_client.get("requests:{log}:refused") == "1"
    assert redis_client.llen("requests:{log}:waiting") == 100_000


def test_the_log_is_shown_where_redis_does_not_answer(send, show, start, tenant):
    send()
    shown = show()
    process = start("access.app.app", REDIS_URL="redis://127.0.0.1:1/0")

    answer = process.request("GET", "/v1/requests", tenant=tenant, scope=SCOPE)
    assert answer.body["data"][-1:] == shown["data"][-1:]


def test_a_request_is_served_where_the_log_cannot_be_written(start, tenant):
    process = start("payments.app.app", REDIS_URL="redis://127.0.0.1:1/0")
    answer = process.request("GET", "/v1/payments", tenant=tenant, scope=SCOPE)

    assert answer.status == 200
