"""The event of a request as its function's queue gets it."""

from types import SimpleNamespace
from typing import Any

import pytest

from local.gateway.exchange import Exchange
from local.http.request import Request
from local.lambda_service.dispatch import Invocation


@pytest.mark.parametrize(
    ("method", "fields", "is_repeatable"),
    [
        ("GET", {}, False),
        ("GET", {"idempotency-key": "a"}, False),
        ("POST", {}, False),
        ("POST", {"idempotency-key": "a"}, True),
        ("PATCH", {"idempotency-key": "a"}, True),
        ("PUT", {}, True),
        ("DELETE", {}, True),
    ],
)
def test_a_write_is_known_that_its_client_may_repeat(
    method: str, fields: dict[str, str], is_repeatable: bool
):
    events: list[Invocation] = []
    nothing = dict.fromkeys(("keys", "bucket", "authorizer", "validator", "caller", "slot"))
    target = SimpleNamespace(
        **nothing,
        pool=SimpleNamespace(invoke=lambda event, _: events.append(event)),
        payload="1.0",
        patience_s=29.0,
    )
    shared: Any = SimpleNamespace(
        dialect=SimpleNamespace(path=lambda _: "/", event=lambda *_: {}),
        router=SimpleNamespace(match=lambda *_: (target, None)),
        tracer=SimpleNamespace(decide=lambda *_: False),
    )
    request = Request("10.0.0.9", 0.0)
    request.method = method
    request.fields.update(fields)
    Exchange(shared, request).begin()

    assert [event.is_repeatable for event in events] == [is_repeatable]
