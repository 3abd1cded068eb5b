"""The fixtures of analytics: its handlers as one tenant sees them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from redis_sqs import Message
from tests.integration.analytics.events import NOW, SCOPES, around
from tests.integration.function_process import FunctionProcess, HttpAnswer, receive_all

Send = Callable[..., HttpAnswer]


@pytest.fixture
def api(function: Callable[[str], FunctionProcess], tenant: str) -> Send:
    """Send a request as this test's tenant."""
    process = function("analytics.app.app")

    def request(method: str, resource: str, **parts: Any) -> HttpAnswer:
        return process.request(method, resource, tenant=tenant, scope=SCOPES, **parts)

    return request


@pytest.fixture
def worker(function: Callable[[str], FunctionProcess]) -> FunctionProcess:
    return function("analytics.app.worker")


@pytest.fixture
def fold(function: Callable[[str], FunctionProcess]) -> Callable[[], None]:
    """Run the folder once."""
    return lambda: function("analytics.app.folder").invoke({})


@pytest.fixture
def messages(queue: Callable[[str], Any], tenant: str) -> Callable[..., list[Message]]:
    """Send events, each list in a message of its own, and receive all the messages."""
    analytics = queue("analytics")

    def send(*of_each: list[dict[str, Any]]) -> list[Message]:
        for events in of_each:
            analytics.send(json.dumps({"tenant": tenant, "events": events}))
        return receive_all(analytics)

    return send


@pytest.fixture
def metric(api: Send) -> Callable[..., Any]:
    """Read a metric around now."""

    def read(name: str = "page.viewed", hours: int = 1, **query: str) -> Any:
        answer = api("GET", "/v1/analytics/metrics", query=around(NOW, hours, name=name, **query))
        assert answer.status == 200, answer.text
        return answer.body

    return read


@pytest.fixture
def points(metric: Callable[..., Any]) -> Callable[..., list[dict[str, Any]]]:
    """Read the points of a metric around now."""
    return lambda *name, **query: metric(*name, **query)["points"]
