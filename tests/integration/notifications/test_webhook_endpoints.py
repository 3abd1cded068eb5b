"""Webhook endpoints over HTTP: made, shown, rotated, disabled, deleted; each tenant's alone."""

import json

import pytest
from standardwebhooks import Webhook

from tests.integration.function_process import receive_all, rest_event
from tests.integration.notifications.bodies import SCOPES
from tests.integration.relay import StopAt
from tests.integration.webhook_sink import WebhookSink

ROUTE = "/v1/webhook-endpoints"
ONE = ROUTE + "/{endpoint_id}"


@pytest.fixture
def make(api):
    """Make an endpoint."""

    def post(url="https://hooks.example.com/", **changes):
        return api("POST", ROUTE, body={"url": url, **changes})

    return post


@pytest.fixture
def other(api):
    """Send a request as another tenant."""
    return lambda *args, **parts: api(*args, **parts, tenant="somebody else")


def test_an_endpoint_is_made_with_a_secret_that_is_shown_once(make, api):
    made = make(events=["payment.succeeded"], contact="ops@example.com")
    path = {"endpoint_id": made.body["id"]}

    assert made.status == 201
    assert made.headers["location"] == f"{ROUTE}/{made.body['id']}"
    assert made.body["secret"].startswith("whsec_")
    without = {name: value for name, value in made.body.items() if name != "secret"}
    assert without == {
        "id": made.body["id"],
        "url": "https://hooks.example.com/",
        "events": ["payment.succeeded"],
        "contact": "ops@example.com",
        "status": "enabled",
        "created_at": made.body["created_at"],
    }
    assert api("GET", ONE, path=path).body == without
    assert api("GET", ROUTE).body == {"data": [without], "has_more": False}


def test_endpoints_are_listed_newest_first(make, api):
    made = [make(f"https://hooks.example.com/{number}").body["id"] for number in range(3)]
    listed = [each["id"] for each in api("GET", ROUTE).body["data"]]

    assert set(listed) == set(made)
    assert listed[0] != made[0]


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"url": "ftp://hooks.example.com/"}, "url_not_allowed", "url"),
        ({"url": "https://10.0.0.1/"}, "url_not_allowed", "url"),
        ({"url": "https://user:pass@hooks.example.com/"}, "url_not_allowed", "url"),
        ({"url": "https://hooks.example.com/" + "a" * 2_048}, "invalid_request", "url"),
        ({"url": None}, "invalid_request", "url"),
        ({}, "invalid_request", "url"),
        ({"url": "https://a.example", "events": []}, "invalid_request", "events"),
        ({"url": "https://a.example", "events": ["payment.stolen"]}, "invalid_request", "events"),
        ({"url": "https://a.example", "events": ["payment*"]}, "invalid_request", "events"),
        ({"url": "https://a.example", "contact": "ops"}, "invalid_request", "contact"),
        ({"url": "https://a.example", "secret": "whsec_x"}, "invalid_request", "secret"),
    ],
)
def test_an_endpoint_that_makes_no_sense_is_refused(api, body, code, param):
    refused = api("POST", ROUTE, body=body)

    assert (refused.status, refused.body["code"], refused.body["param"]) == (422, code, param)
    assert api("GET", ROUTE).body["data"] == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9999/", "http://localhost:80/"])
def test_this_machine_can_be_an_endpoint_in_development_only(start, tenant, make, url):
    elsewhere = start("notifications.app.app", WEBHOOKS_TO_LOOPBACK="no")
    refused = elsewhere.request("POST", ROUTE, tenant=tenant, scope=SCOPES, body={"url": url})

    assert (refused.status, refused.body["code"]) == (422, "url_not_allowed")
    assert make(url).status == 201


def test_a_url_has_one_endpoint_and_a_tenant_ten(make, other):
    urls = [f"https://hooks.example.com/{number}" for number in range(10)]
    first, twice, *_ = [make(url) for url in (urls[0], *urls)]
    one_more = make("https://hooks.example.com/one-more")

    assert first.status == 201
    assert (twice.status, twice.body["code"]) == (409, "endpoint_exists")
    assert (one_more.status, one_more.body["code"]) == (409, "too_many_endpoints")
    assert other("POST", ROUTE, body={"url": urls[0]}).status == 201


def test_a_deleted_endpoint_leaves_its_place_to_another(make, api):
    made = [make(f"https://hooks.example.com/{number}").body["id"] for number in range(10)]
    path = {"endpoint_id": made[4]}
    deleted = api("DELETE", ONE, path=path)

    assert (deleted.status, deleted.body) == (200, {"id": made[4], "deleted": True})
    assert api("DELETE", ONE, path=path).status == 404
    assert api("GET", ONE, path=path).status == 404
    assert make("https://hooks.example.com/new").status == 201


def test_two_processes_that_make_endpoints_at_once_keep_to_the_limit(start, api, tenant):
    processes = [start("notifications.app.app") for _ in range(2)]
    for process in processes:
        process.request("GET", ROUTE, tenant=tenant, scope=SCOPES)
    statuses = []
    for number in range(8):
        for each, process in enumerate(processes):
            url = f"https://hooks.example.com/{each}/{number}"
            process.begin(rest_event("POST", ROUTE, tenant=tenant, scope=SCOPES, body={"url": url}))
        statuses += [process.end()["statusCode"] for process in processes]

    assert statuses.count(201) == 10
    assert set(statuses) == {201, 409}


def test_a_rotated_secret_is_shown_once_and_the_old_one_has_its_day(make, api):
    made = make().body
    path = {"endpoint_id": made["id"]}
    rotated = api("POST", ONE + "/rotate-secret", path=path)

    assert rotated.status == 200
    assert rotated.body["secret"] not in ("", made["secret"])
    assert rotated.body["old_secret_until"] > made["created_at"]
    assert "secret" not in api("GET", ONE, path=path).body


def test_who_rotates_a_secret_while_somebody_else_does_is_told_to_try_again(
    start, make, api, tenant, documents_port
):
    path = {"endpoint_id": make().body["id"]}
    with StopAt(documents_port, b"old_secret_until_ms") as relay:
        url = f"mongodb://127.0.0.1:{relay.port}/?directConnection=true"
        late = start("notifications.app.app", MONGO_URL=url)
        relay.kill = lambda: api("POST", ONE + "/rotate-secret", path=path)
        refused = late.request(
            "POST", ONE + "/rotate-secret", path=path, tenant=tenant, scope=SCOPES
        )

    assert relay.has_killed.is_set()
    assert (refused.status, refused.body["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("GET", ONE),
        ("DELETE", ONE),
        ("POST", ONE + "/rotate-secret"),
        ("POST", ONE + "/enable"),
        ("POST", ONE + "/disable"),
        ("POST", ONE + "/test"),
        ("GET", ONE + "/deliveries"),
        ("GET", ONE + "/deliveries/{notification_id}"),
        ("POST", ONE + "/deliveries/{notification_id}/resend"),
    ],
)
def test_another_tenant_s_endpoint_is_not_found(make, api, other, method, route):
    made = make().body
    path = {"endpoint_id": made["id"], "notification_id": "ntf_1"}
    answer = other(method, route, path=path)

    assert (answer.status, answer.body["code"]) == (404, "not_found")
    assert json.dumps(made["id"]) not in json.dumps(other("GET", ROUTE).body)
    assert api("GET", ONE, path=path).body["status"] == "enabled"


def test_an_endpoint_is_changed_in_what_the_body_names(make, api, other):
    made = make(events=["payment.failed"], contact="ops@example.com").body
    path = {"endpoint_id": made["id"]}
    moved = api("PATCH", ONE, path=path, body={"url": "https://new.example.com/"})
    widened = api("PATCH", ONE, path=path, body={"events": None, "contact": None})

    assert (moved.status, moved.body["url"]) == (200, "https://new.example.com/")
    assert (moved.body["events"], moved.body["contact"]) == (["payment.failed"], "ops@example.com")
    assert (widened.body["events"], widened.body["contact"]) == (None, None)
    assert api("GET", ONE, path=path).body == widened.body
    assert "secret" not in widened.body
    assert other("PATCH", ONE, path=path, body={}).status == 404


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"url": "https://10.0.0.1/"}, 422, "url"),
        ({"url": None}, 422, "url"),
        ({"url": "https://hooks.example.com/other"}, 409, None),
        ({"events": []}, 422, "events"),
        ({"events": ["payment.stolen"]}, 422, "events"),
        ({"contact": "ops"}, 422, "contact"),
        ({"secret": "whsec_x"}, 422, "secret"),
        ({"status": "disabled"}, 422, "status"),
    ],
)
def test_a_change_that_makes_no_sense_changes_nothing(make, api, body, status, param):
    made = make().body
    make("https://hooks.example.com/other")
    path = {"endpoint_id": made["id"]}
    refused = api("PATCH", ONE, path=path, body=body)

    assert (refused.status, refused.body.get("param")) == (status, param)
    assert api("GET", ONE, path=path).body["url"] == made["url"]


def test_an_endpoint_is_disabled_by_hand_until_it_is_enabled(make, api):
    path = {"endpoint_id": make().body["id"]}
    disabled = api("POST", ONE + "/disable", path=path)
    again = api("POST", ONE + "/disable", path=path)
    test = api("POST", ONE + "/test", path=path)
    enabled = api("POST", ONE + "/enable", path=path)

    assert (disabled.status, disabled.body["status"]) == (200, "disabled")
    assert disabled.body["disabled_because"] == "It was disabled by hand."
    assert again.body == disabled.body
    assert (test.status, test.body["code"]) == (409, "endpoint_disabled")
    assert enabled.body["status"] == "enabled"


def test_others_know_whether_a_tenant_listens(make, api, function, tenant, database):
    listening = function("tests.integration.notifications.listening.handler")

    def listens(tenant=tenant):
        return listening.invoke({"tenant": tenant})

    before, made = listens(), make().body
    with_one, elsewhere = listens(), listens(f"not {tenant}")
    database["webhook_endpoints"].update_one(
        {"_id": made["id"]}, {"$set": {"disabled_because": "It answered 410 Gone."}}
    )
    disabled = listens()
    api("POST", ONE + "/enable", path={"endpoint_id": made["id"]})
    enabled = listens()
    api("DELETE", ONE, path={"endpoint_id": made["id"]})

    assert (before, with_one, elsewhere) == (False, True, False)
    assert (disabled, enabled, listens()) == (False, True, False)


def test_reading_does_not_allow_writing(api):
    refused = api("POST", ROUTE, body={"url": "https://a.example"}, scope="notifications:read")

    assert (refused.status, refused.body["code"]) == (403, "insufficient_scope")


@pytest.fixture
def elsewhere(start, tenant):
    """Send a request to a process with other settings."""

    def process(**settings):
        api = start("notifications.app.app", **settings)
        return lambda *args, **parts: api.request(*args, tenant=tenant, scope=SCOPES, **parts)

    return process


def test_a_secret_is_stored_sealed_and_a_changed_key_defers_what_it_signs_until_it_is_rotated(
    start, elsewhere, database, queue
):
    def deliver_test(api):
        api("POST", ONE + "/test", path=path)
        assert worker.consume(receive_all(queue("webhooks"))) == []

    before, after = [elsewhere(WEBHOOK_SECRETS_KEY=key) for key in ("k", "other")]
    worker = start("notifications.webhook_worker.worker", WEBHOOK_SECRETS_KEY="other")
    with WebhookSink() as sink:
        made = before("POST", ROUTE, body={"url": sink.url}).body
        path = {"endpoint_id": made["id"]}
        document = database["webhook_endpoints"].find_one({"_id": made["id"]})
        deliver_test(before)
        [deferred] = database["notifications"].find_one({"to": made["id"]})["attempts"]
        rotated = after("POST", ONE + "/rotate-secret", path=path)
        deliver_test(after)

    assert made["secret"].startswith("whsec_")
    assert made["secret"].removeprefix("whsec_") not in str(document)
    assert "rotate it" in deferred["outcome"]["reason"]
    assert rotated.status == 200
    [delivery] = sink.deliveries
    Webhook(rotated.body["secret"]).verify(delivery.body, dict(delivery.headers))
