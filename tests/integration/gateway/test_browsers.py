"""A stranger's page in a browser on this machine reaches neither the console nor AWS's APIs."""

import http.client

import pytest

from tests.integration.gateway_process import Answer, GatewayProcess

INVOKE = "/2015-03-31/functions/Pages/invocations"


def ask(port: int, method: str, path: str, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, b"{}" if method == "POST" else None, headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "evil.example"},
        {"Host": "evil.example:3001", "Origin": "http://evil.example:3001"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
def test_no_function_runs_and_no_view_is_shown_for_a_strangers_page(shared, headers):
    before = len(shared.environments[0].frames)

    invoked = ask(shared.invoke_port, "POST", INVOKE, **headers)
    listed = ask(
        shared.invoke_port, "POST", "/", **headers, **{"X-Amz-Target": "AmazonSQS.ListQueues"}
    )
    viewed = ask(shared.console_port, "GET", "/api/requests", **headers)

    assert (invoked.status, listed.status, viewed.status) == (403, 403, 403)
    assert invoked.json["Message"] == viewed.json["message"]
    assert len(shared.environments[0].frames) == before


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:5080", "[::1]:5080", "localhost", "gateway:5080", "a.localhost", "mac.local:1"],
)
def test_addresses_and_local_names_are_answered(shared, host):
    invoked = ask(shared.invoke_port, "POST", INVOKE, Host=host)
    viewed = ask(shared.console_port, "GET", "/api/functions", Host=host, Origin=f"http://{host}")

    assert (invoked.status, viewed.status) == (200, 200)


def test_the_api_itself_is_for_pages_of_any_site(shared: GatewayProcess):
    headers = {"Host": "shop.example", "Origin": "https://shop.example"}

    assert shared.request("GET", "/pages/one", headers=headers).status == 200
