"""Asking for a notification: accepted once, refused by name, shown to its tenant alone."""

import pytest

from tests.conftest import free_port
from tests.integration.notifications.bodies import SCOPES, welcome

DISABLED = {"endpoint_id": "we_1", "reason": "It is gone."}
LINKS = [
    "https://a.example",
    "HTTP://a.example",
    "www.a.example",
    "mailto:b@a.example",
    "evil.com",
    "sub.EVIL.co.uk!",
    "a.example/login",
    "a.example?x",
    "//a.example",
    "b@a.example",
    "127.0.0.1",
]
QUIET = {"start": "21:00", "end": "08:00", "zone": "Europe/Berlin"}


def test_a_notification_is_accepted_delivered_and_shown(
    create, show, worker, messages, mailbox, address
):
    answer = create("k", to=address)
    queued = show(answer.body["id"])
    failed = worker.consume(messages())
    shown = show(answer.body["id"])

    assert (answer.status, answer.body["status"]) == (202, "queued")
    assert answer.headers["location"] == f"/v1/notifications/{answer.body['id']}"
    assert (queued["status"], queued["attempts"]) == ("queued", [])
    assert failed == []
    assert (shown["status"], shown["template"], shown["template_version"]) == (
        "delivered",
        "welcome",
        1,
    )
    assert [(each["result"], each["code"]) for each in shown["attempts"]] == [("delivered", 250)]
    [mail] = mailbox.mails_to(address)
    assert mail["message_id"] == f"<{answer.body['id']}@spillway.example>"


def test_the_same_key_and_body_is_answered_again_and_delivered_once(
    create, worker, messages, mailbox, address
):
    answers = [create("k", to=address) for _ in range(3)]
    batch = messages()
    worker.consume(batch)
    late = create("k", to=address)
    worker.consume([*batch, *messages()])

    assert {answer.text for answer in (*answers, late)} == {answers[0].text}
    assert [each.headers.get("idempotent-replayed") for each in (*answers, late)] == [
        None,
        "true",
        "true",
        "true",
    ]
    assert len(mailbox.mails_to(address)) == 1


def test_the_same_key_with_another_body_is_refused(create, show):
    first = create("k")
    other = create("k", variables={"name": "Bob"})

    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")
    assert show(first.body["id"])["subject"] == "Welcome, Ada"


def test_the_same_key_of_another_tenant_is_another_notification(create, api):
    first = create("k")
    other = api(
        "POST", body=welcome(), headers={"Idempotency-Key": "k"}, tenant="somebody-else-altogether"
    )

    assert first.body["id"] != other.body["id"]


def test_what_the_queue_does_not_take_is_accepted_and_sent_by_the_relay(
    start, create, relay, deliver, database, show, tenant
):
    process = start("notifications.app.app", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    accepted = process.request(
        "POST",
        "/v1/notifications",
        body=welcome(),
        headers={"Idempotency-Key": "k"},
        tenant=tenant,
        scope=SCOPES,
    )
    database["notifications"].update_one(
        {"_id": accepted.body["id"]}, {"$inc": {"wake_ms": -60_000}}
    )
    relay()
    deliver()

    shown = show(accepted.body["id"])
    assert (accepted.status, shown["status"], len(shown["attempts"])) == (202, "delivered", 1)
    assert create("k").headers["idempotent-replayed"] == "true"


def test_a_list_is_newest_first_in_pages_and_the_tenants_own(create, api):
    ids = [create(f"k{i}").body["id"] for i in range(5)]
    listed_ids: list[str] = []
    after: dict[str, str] = {}
    for _ in range(3):
        page = api("GET", query={"limit": "2", **after}).body
        listed_ids += [each["id"] for each in page["data"]]
        after = {"starting_after": listed_ids[-1]}

    assert (sorted(listed_ids), page["has_more"]) == (sorted(ids), False)
    made = [each["created_at"] for each in api("GET").body["data"]]
    assert made == sorted(made, reverse=True)
    assert api("GET", tenant="nobody-has-this-name").body == {"data": [], "has_more": False}


def test_another_tenants_notification_is_not_found(create, function):
    answer = function("notifications.app.app").request(
        "GET",
        "/v1/notifications/{notification_id}",
        path={"notification_id": create("k").body["id"]},
        tenant="somebody-else",
        scope=SCOPES,
    )

    assert (answer.status, answer.body["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"channel": "webhook"}, "invalid_request", "to"),
        ({"channel": "webhook", "to": "https://a.example/"}, "invalid_request", "to"),
        ({"channel": "sms"}, "invalid_request", "to"),
        ({"channel": "sms", "to": "+49 151 1"}, "invalid_request", "to"),
        ({"channel": "pigeon"}, "invalid_request", "channel"),
        ({"to": "nobody"}, "invalid_request", "to"),
        ({"to": "a@example.com\n"}, "invalid_request", "to"),
        ({"to": "a@example.com\r\nRCPT TO:<b@example.com>"}, "invalid_request", "to"),
        ({"to": "a@example.com,b@example.com"}, "invalid_request", "to"),
        ({"to": "a..b@example.com"}, "invalid_request", "to"),
        ({"to": "a@-example.com"}, "invalid_request", "to"),
        ({"to": "a@example..com"}, "invalid_request", "to"),
        ({"to": '"a b"@example.com'}, "invalid_request", "to"),
        ({"to": "<a@example.com>"}, "invalid_request", "to"),
        ({"to": "ä@example.com"}, "invalid_request", "to"),
        ({"to": f"{'a' * 65}@example.com"}, "invalid_request", "to"),
        ({"to": "a." * 31 + "a@" + "b." * 200}, "invalid_request", "to"),
        ({"template": "nothing"}, "unknown_template", "template"),
        ({"variables": {}}, "invalid_variables", "variables.name"),
        ({"variables": {"name": 1}}, "invalid_variables", "variables.name"),
        ({"variables": {"name": "A", "age": 1}}, "invalid_variables", "variables.age"),
        ({"variables": {"name": "A\r\nBcc: b@example.com"}}, "invalid_variables", "variables.name"),
        ({"variables": {"name": "A\n"}}, "invalid_variables", "variables.name"),
        ({"variables": {"name": "A\u2028B"}}, "invalid_variables", "variables.name"),
        ({"variables": {"name": {"$gt": ""}}}, "invalid_variables", "variables.name"),
        ({"variables": {"name": "x" * 201}}, "invalid_variables", "variables.name"),
        (
            {"template": "webhook_endpoint_disabled", "variables": {}},
            "unknown_template",
            "template",
        ),
        (
            {"template": "webhook_endpoint_disabled", "variables": DISABLED},
            "unknown_template",
            "template",
        ),
        *(
            ({"variables": {"name": f"A, see {link}"}}, "invalid_variables", "variables.name")
            for link in LINKS
        ),
        (
            {"template": "newsletter", "variables": {"headline": "A", "text": LINKS[0]}},
            "invalid_variables",
            "variables.text",
        ),
        (
            {
                "template": "payment_receipt",
                "variables": {"amount": 1, "currency": "EUR", "payment_id": LINKS[1]},
            },
            "invalid_variables",
            "variables.payment_id",
        ),
        ({"send_after": "tomorrow"}, "invalid_request", "send_after"),
        ({"send_after": ""}, "invalid_request", "send_after"),
        ({"send_after": "2999-01-01T00:00:00Z"}, "send_after_too_late", "send_after"),
        ({"quiet_hours": QUIET | {"zone": "Mars/Base"}}, "invalid_request", "quiet_hours.zone"),
        ({"quiet_hours": QUIET | {"zone": "localtime"}}, "invalid_request", "quiet_hours.zone"),
        ({"quiet_hours": QUIET | {"zone": "posixrules"}}, "invalid_request", "quiet_hours.zone"),
        ({"quiet_hours": QUIET | {"zone": "right/UTC"}}, "invalid_request", "quiet_hours.zone"),
        ({"quiet_hours": QUIET | {"zone": "Europe"}}, "invalid_request", "quiet_hours.zone"),
        ({"quiet_hours": QUIET | {"zone": ""}}, "invalid_request", "quiet_hours.zone"),
        ({"quiet_hours": QUIET | {"zone": "../passwd"}}, "invalid_request", "quiet_hours.zone"),
        ({"quiet_hours": QUIET | {"start": "25:00"}}, "invalid_request", "quiet_hours.start"),
        ({"quiet_hours": QUIET | {"end": "21:00"}}, "invalid_request", "quiet_hours.end"),
        ({"priority": 1}, "invalid_request", "priority"),
    ],
)
def test_a_wrong_notification_is_refused_and_nothing_is_stored(
    create, api, messages, changes, code, param
):
    answer = create("k", **changes)

    assert (answer.status, answer.body["code"], answer.body.get("param")) == (422, code, param)
    assert api("GET").body["data"] == []
    assert messages() == []


def test_a_notification_needs_an_idempotency_key(api):
    answer = api("POST", body=welcome())

    assert (answer.status, answer.body["code"]) == (400, "idempotency_key_required")
