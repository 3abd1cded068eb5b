"""The console's page, and the views that it reads."""

import http.client
import json
import re
from typing import Any

import pytest

from local.console.static import FOLDER
from tests.conftest import wait_until
from tests.integration.gateway_process import GatewayProcess, returns


def view(gateway: GatewayProcess, path: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.console_port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def head(gateway: GatewayProcess, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.console_port, timeout=10)
    try:
        connection.request("HEAD", path)
        return connection.getresponse().headers
    finally:
        connection.close()


def read(gateway: GatewayProcess, name: str) -> Any:
    status, _, body = view(gateway, f"/api/{name}")
    assert status == 200
    return json.loads(body)


def function(gateway: GatewayProcess) -> dict[str, Any]:
    functions: list[dict[str, Any]] = read(gateway, "functions")["functions"]
    return next(each for each in functions if each["name"] == "Pages")


def test_the_page_its_style_and_its_modules_are_served_under_a_strict_policy(gateway):
    answers = {path: view(gateway, path) for path in ("/", "/style.css", "/views/overview.js")}
    policy = head(gateway, "/")["Content-Security-Policy"]

    assert {path: answer[:2] for path, answer in answers.items()} == {
        "/": (200, "text/html; charset=utf-8"),
        "/style.css": (200, "text/css; charset=utf-8"),
        "/views/overview.js": (200, "text/javascript; charset=utf-8"),
    }
    assert answers["/"][2] == (FOLDER / "index.html").read_bytes()
    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_the_page_loads_nothing_from_elsewhere_and_writes_text_never_markup():
    sources = [path.read_text() for path in FOLDER.rglob("*.*")]

    assert len(sources) > 10
    for source in sources:
        assert not re.search(r"(@import|src=|from|href=)\s*\"https?://", source)
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", source
        )


def test_functions_are_listed_with_their_environments_requests_and_durations(gateway):
    gateway.environment("Pages", returns({"statusCode": 200}))
    before = function(gateway)
    for _ in range(3):
        gateway.request("GET", "/pages/one")
    gateway.environment("Pages", returns({"statusCode": 503}))
    gateway.request("GET", "/pages/one")

    now = function(gateway)
    bounds = read(gateway, "functions")["bounds_ms"]
    assert now["requests"] - before["requests"] == 4
    assert now["errors"] - before["errors"] == 1
    assert sum(now["latency"]) == now["requests"]
    assert len(now["latency"]) == len(bounds) + 1
    assert (now["environments"], now["busy"], now["queued"]) == (before["environments"] + 1, 0, 0)
    assert now["invocations"] - before["invocations"] == 4
    assert sum(now["waits"]) - sum(before["waits"]) == 4
    assert now["worked_s"] > before["worked_s"]
    assert (now["memory_mb"], now["concurrency"]) == (128, 3)


def test_requests_are_listed_newest_first(gateway):
    gateway.environment("Pages", returns({"statusCode": 200}))
    gateway.request("GET", "/pages/first")
    gateway.request("GET", "/pages/last")

    newest = wait_until(lambda: (read(gateway, "requests") or [{}])[0].get("path") == "/pages/last")
    assert newest
    assert [each["path"] for each in read(gateway, "requests")][:2] == [
        "/pages/last",
        "/pages/first",
    ]


@pytest.mark.parametrize("path", ["/api/nothing", "/console.html"])
def test_what_is_no_view_is_404(gateway, path):
    assert view(gateway, path)[0] == 404


@pytest.mark.parametrize("name", ["short", "has%20a%20space", "%00%00%00%00%00%00%00%00"])
def test_what_can_be_no_id_has_no_story(gateway, name: str):
    status, _, body = view(gateway, f"/api/story/{name}")

    assert status == 400
    assert "8 to 200 visible characters" in json.loads(body)["message"]


def test_without_a_system_that_was_brought_up_a_story_is_refused_in_a_sentence(gateway):
    status, _, body = view(gateway, "/api/story/--help-me")

    assert status == 503
    assert json.loads(body)["message"].startswith("the system is not running")
