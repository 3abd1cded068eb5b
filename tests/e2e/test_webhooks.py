"""A payment's events at a tenant's own server, from the request to the signed webhook."""

import json
import time

from standardwebhooks import Webhook

from backend.announcer import FRESH_S
from spillway_client import verify_webhook
from tests.conftest import wait_until
from tests.e2e.conftest import assert_problem, key
from tests.integration.webhook_sink import WebhookSink

ROUTE = "/v1/webhook-endpoints"
DELIVERED_WITHIN_S = 15


def test_payments_that_succeed_or_fail_are_told_to_the_endpoint(system, demo):
    with WebhookSink() as sink:
        made = demo.call("POST", ROUTE, {"url": sink.url})
        assert made.status == 201, made
        known_at_s = time.monotonic() + FRESH_S
        wait_until(lambda: time.monotonic() > known_at_s)
        paid = {
            demo.call("POST", "/v1/payments", _payment(method), key()).body["id"]: event
            for method, event in (
                ("pm_card_visa", "payment.succeeded"),
                ("pm_card_chargeDeclined", "payment.failed"),
            )
        }
        wait_until(lambda: paid.keys() <= _told(sink).keys(), DELIVERED_WITHIN_S)
        log = wait_until(lambda: _delivered(demo, made.body["id"]), DELIVERED_WITHIN_S)
        demo.call("DELETE", f"{ROUTE}/{made.body['id']}")

    webhook = Webhook(made.body["secret"])
    for each in sink.deliveries:
        webhook.verify(each.body, dict(each.headers))
        event = verify_webhook(each.body, each.headers, made.body["secret"])
        assert event.data["payment_id"]
    assert paid.items() <= _told(sink).items()  # those of other tests may come late
    assert {each["id"] for each in log} <= {each.headers["webhook-id"] for each in sink.deliveries}


def test_an_endpoint_is_its_tenant_s_alone(demo, other):
    made = demo.call("POST", ROUTE, {"url": "https://hooks.example.com/e2e"})
    path = f"{ROUTE}/{made.body['id']}"

    assert_problem(other.call("GET", path), 404, "not_found")
    assert_problem(other.call("DELETE", path), 404, "not_found")
    assert "secret" not in demo.call("GET", path).body
    assert demo.call("DELETE", path).body == {"id": made.body["id"], "deleted": True}


def test_an_endpoint_inside_our_network_is_refused(demo):
    refused = demo.call("POST", ROUTE, {"url": "https://169.254.169.254/latest/meta-data/"})

    assert_problem(refused, 422, "url_not_allowed")


def _payment(method):
    return {"amount": 1250, "currency": "EUR", "payment_method": method}


def _told(sink):
    bodies = [json.loads(each.body) for each in sink.deliveries]
    return {each["data"]["payment_id"]: each["type"] for each in bodies}


def _delivered(client, endpoint_id):
    page = client.call("GET", f"{ROUTE}/{endpoint_id}/deliveries").body["data"]
    return page if page and all(each["status"] == "delivered" for each in page) else None
