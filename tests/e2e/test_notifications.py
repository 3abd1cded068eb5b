"""A notification from the request to the customer's mailbox."""

import uuid
from datetime import UTC, datetime, timedelta

from tests.conftest import wait_until
from tests.e2e.conftest import assert_problem, key

DELIVERED_WITHIN_S = 15


def _welcome():
    return {
        "channel": "email",
        "to": f"{uuid.uuid4().hex}@example.com",
        "template": "welcome",
        "variables": {"name": "Zoë"},
    }


def _delivered(client, notification_id):
    def get():
        answer = client.call("GET", f"/v1/notifications/{notification_id}")
        assert answer.status == 200, answer
        return answer.body if answer.body["status"] not in {"queued", "sending"} else None

    return wait_until(get, DELIVERED_WITHIN_S)


def test_a_notification_is_delivered_with_its_attempt(demo):
    created = demo.call("POST", "/v1/notifications", _welcome(), key())

    assert (created.status, created.body["status"]) == (202, "queued")
    assert created.headers["location"] == f"/v1/notifications/{created.body['id']}"
    shown = _delivered(demo, created.body["id"])
    assert shown["status"] == "delivered"
    assert [each["result"] for each in shown["attempts"]] == ["delivered"]


def test_the_mail_of_a_notification_is_in_the_mailbox_once(demo, mailbox):
    body = _welcome()
    created = demo.call("POST", "/v1/notifications", body, key())
    _delivered(demo, created.body["id"])

    mails = mailbox.call("GET", "/messages?limit=1000").body["messages"]

    assert sum(body["to"] in mail["to"] for mail in mails) == 1


def test_a_command_lists_what_was_sent_and_shows_one_of_it(demo, system):
    body = _welcome()
    created = demo.call("POST", "/v1/notifications", body, key())
    _delivered(demo, created.body["id"])

    listed = system.local("mailbox", "--to", body["to"])
    number = listed.stdout.splitlines()[-1].split()[0]
    shown = system.local("mailbox", number)
    missing = system.local("mailbox", "999999")

    assert (listed.returncode, len(listed.stdout.splitlines())) == (0, 2)
    assert f"Message-ID: <{created.body['id']}@spillway.example>" in shown.stdout
    assert "Hello Zoë," in shown.stdout
    assert (missing.returncode, "no message 999999" in missing.stderr) == (2, True)


def test_a_notification_for_later_is_canceled_by_its_tenant_alone(demo, other):
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat(timespec="seconds")
    created = demo.call("POST", "/v1/notifications", {**_welcome(), "send_after": later}, key())
    path = f"/v1/notifications/{created.body['id']}/cancel"

    assert_problem(other.call("POST", path), 404, "not_found")
    canceled = demo.call("POST", path)
    assert (canceled.status, canceled.body["status"]) == (200, "canceled")


def test_a_suppressed_address_gets_no_mail(demo):
    body = _welcome()
    suppressed = demo.call("POST", "/v1/suppressions", {"to": body["to"]})
    created = demo.call("POST", "/v1/notifications", body, key())

    assert suppressed.status == 201
    assert _delivered(demo, created.body["id"])["status"] == "suppressed"
    lifted = demo.call("DELETE", f"/v1/suppressions/{suppressed.body['id']}")
    assert lifted.status == 200


def test_a_link_that_nobody_signed_unsubscribes_nobody(anybody):
    path = "/unsubscribe?id=ntf_x&signature=x"

    assert_problem(anybody.call("GET", path), 404, "not_found")


def test_the_same_key_notifies_once(demo):
    body, same = _welcome(), key()
    first = demo.call("POST", "/v1/notifications", body, same)

    again = demo.call("POST", "/v1/notifications", body, same)
    changed = demo.call("POST", "/v1/notifications", {**body, "to": "b@example.com"}, same)

    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert_problem(changed, 422, "idempotency_key_reused")


def test_another_tenants_notification_is_not_found(demo, other):
    created = demo.call("POST", "/v1/notifications", _welcome(), key())
    path = f"/v1/notifications/{created.body['id']}"

    assert_problem(other.call("GET", path), 404, "not_found")
    listed = other.call("GET", "/v1/notifications?limit=100").body["data"]
    assert created.body["id"] not in {each["id"] for each in listed}


def test_notifications_are_listed_newest_first(other):
    made = [other.call("POST", "/v1/notifications", _welcome(), key()).body["id"] for _ in range(2)]

    page = other.call("GET", "/v1/notifications?limit=1").body

    assert ([each["id"] for each in page["data"]], page["has_more"]) == (made[1:], True)
