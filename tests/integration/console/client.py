"""The console as its page asks it, and as a page of another site would."""

import http.client
import json
from typing import Any

from tests.integration.gateway_process import Answer, GatewayProcess

OF_THE_PAGE = {"Content-Type": "application/json", "X-Console-Action": "yes"}
# What a browser sends for a page of another site, or for one whose name leads here.
OF_OTHER_SITES: list[dict[str, str]] = [
    {**OF_THE_PAGE, "Origin": "https://evil.example"},
    {**OF_THE_PAGE, "Host": "evil.example"},
    {"Content-Type": "application/json"},
    {"X-Console-Action": "yes", "Content-Type": "text/plain"},
]


def ask(
    gateway: GatewayProcess,
    path: str,
    body: object = None,
    headers: dict[str, str] | None = None,
    *,
    method: str = "",
) -> Answer:
    """GET a path, or POST a body to it as the page does."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.console_port, timeout=20)
    sent = None if body is None else json.dumps(body)
    kind = method or ("GET" if body is None else "POST")
    try:
        connection.request(kind, path, sent, headers or (OF_THE_PAGE if kind == "POST" else {}))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def read(gateway: GatewayProcess, path: str) -> Any:
    """Return the JSON of a view."""
    answer = ask(gateway, path)
    assert answer.status == 200, answer.body
    return answer.json
