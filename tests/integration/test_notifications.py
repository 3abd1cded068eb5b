"""Notifications through their doors: REST events in, SQS events to the worker, mails out."""

import email
import email.policy
import hashlib
import json

import pytest
import redis

from notifications.smtp import SmtpConnection
from tests.conftest import free_port
from tests.integration.function_process import receive_all, sqs_event
from tests.integration.scripted_smtp import ScriptedSmtp

SCOPES = "notifications:read notifications:write"


@pytest.fixture
def api(function, tenant):
    """Sends a request as this test's tenant."""
    process = function("notifications.app.app")

    def request(method, resource="/v1/notifications", **parts):
        return process.request(method, resource, **{"tenant": tenant, "scope": SCOPES, **parts})

    return request


@pytest.fixture
def worker(function):
    return function("notifications.app.worker")


@pytest.fixture
def create(api):
    """Asks for a notification under a key."""

    def post(key, **changes):
        return api("POST", body=welcome(**changes), headers={"Idempotency-Key": key})

    return post


@pytest.fixture
def show(api):
    """Reads a notification."""

    def get(notification_id):
        return api(
            "GET",
            "/v1/notifications/{notification_id}",
            path={"notification_id": notification_id},
        ).body

    return get


@pytest.fixture
def messages(queue):
    """Receives everything that was sent to be delivered."""
    return lambda: receive_all(queue("notifications"))


@pytest.fixture
def forget_replays(valkey):
    """Empties Redis, as an eviction or the end of a record's life would."""
    return redis.Redis.from_url(valkey).flushall


@pytest.fixture
def deliver_wish(queue, worker):
    """Sends what another domain would, and lets the worker have it."""

    def deliver(wish):
        queue("notifications").send(json.dumps(wish))
        assert worker.consume(receive_all(queue("notifications"))) == []

    return deliver


@pytest.fixture
def address(tenant):
    """An address that no other test writes to."""
    return f"{hashlib.sha256(tenant.encode()).hexdigest()[:16]}@example.com"


def welcome(**changes):
    return {
        "channel": "email",
        "to": "ada@example.com",
        "template": "welcome",
        "variables": {"name": "Ada"},
        **changes,
    }


def receipt(tenant, key, to, **changes):
    variables = {"amount": 1234, "currency": "EUR", "payment_id": "pay_1", **changes}
    return {
        "request": {
            "tenant": tenant,
            "key": key,
            "channel": "email",
            "to": to,
            "template": "payment_receipt",
            "variables": variables,
        }
    }


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


def test_a_mail_has_a_text_and_an_escaped_html_part(create, worker, messages, mailbox, address):
    create("k", to=address, variables={"name": "Zoë <b>"})
    worker.consume(messages())
    [listed] = mailbox.mails_to(address)
    mail = email.message_from_bytes(mailbox.raw(listed["sequence"]), policy=email.policy.default)

    assert mail["Subject"] == "Welcome, Zoë <b>"
    assert (mail["To"], mail["From"].addresses[0].addr_spec) == (
        address,
        "no-reply@spillway.example",
    )
    text, html = mail.iter_parts()
    assert text.get_content().splitlines() == ["Hello Zoë <b>,", "", "your account is ready."]
    assert "<p>Hello Zoë &lt;b&gt;,</p>" in html.get_content()
    assert not mail.defects


def test_a_batch_is_sent_over_one_connection(start, create, messages):
    ids = [create(f"k{i}", to=f"reader.{i}@example.com").body["id"] for i in range(10)]
    with ScriptedSmtp() as server:
        worker = start("notifications.app.worker", SMTP_URL=server.url)
        batch = messages()

        assert worker.consume(batch[:5]) == []
        assert worker.consume(batch[5:]) == []
    assert server.connections == 1
    assert sorted(server.message_ids()) == sorted(f"<{each}@spillway.example>" for each in ids)


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


def test_a_repeat_is_answered_alike_when_the_replay_cache_has_lost_it(
    create, messages, forget_replays
):
    first = create("k")
    messages()
    forget_replays()
    again = create("k")

    assert (again.status, again.text) == (first.status, first.text)
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("is_cached", [True, False])
def test_the_same_key_with_another_body_is_refused(create, show, forget_replays, is_cached):
    first = create("k")
    if not is_cached:
        forget_replays()
    other = create("k", variables={"name": "Bob"})

    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")
    assert show(first.body["id"])["subject"] == "Welcome, Ada"


def test_the_same_key_of_another_tenant_is_another_notification(create, api):
    first = create("k")
    other = api(
        "POST", body=welcome(), headers={"Idempotency-Key": "k"}, tenant="somebody-else-altogether"
    )

    assert first.body["id"] != other.body["id"]


def test_a_repeat_sends_what_the_queue_refused(start, create, worker, messages, mailbox, address):
    process = start("notifications.app.app", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    refused = process.request(
        "POST",
        "/v1/notifications",
        body=welcome(to=address),
        headers={"Idempotency-Key": "k"},
        tenant="a_repeat_sends_what_the_queue_refused",
        scope=SCOPES,
    )
    unsent = messages()
    repeated = create("k", to=address)
    worker.consume(messages())

    assert (refused.status, refused.body["code"]) == (503, "queue_unavailable")
    assert unsent == []
    assert (repeated.status, repeated.headers["idempotent-replayed"]) == (202, "true")
    assert len(mailbox.mails_to(address)) == 1


def test_send_after_holds_the_message_back(create, messages, queue):
    soon = create("k", send_after="2001-01-01T00:00:00Z")
    assert len(messages()) == 1
    assert soon.status == 202

    late = create("late", send_after="2999-01-01T00:00:00Z")
    assert (late.status, late.body["code"]) == (422, "send_after_too_late")


def test_a_receipt_that_another_domain_asks_for_is_made_and_delivered_once(
    worker, queue, mailbox, tenant, address, api
):
    notifications = queue("notifications")
    for _ in range(2):
        notifications.send(json.dumps(receipt(tenant, "pay_1.receipt", address)))
    batch = receive_all(notifications)
    failed = worker.consume(batch), worker.consume(batch)

    assert failed == ([], [])
    [mail] = mailbox.mails_to(address)
    assert mail["subject"] == "Your receipt for EUR 12.34"
    [shown] = api("GET").body["data"]
    assert (shown["status"], shown["template"]) == ("delivered", "payment_receipt")


@pytest.mark.parametrize(
    ("currency", "amount", "shown"),
    [("JPY", 1234, "JPY 1,234"), ("KWD", 1234, "KWD 1.234"), ("EUR", 5, "EUR 0.05")],
)
def test_a_receipt_shows_the_amount_as_its_currency_is_written(
    deliver_wish, mailbox, tenant, address, currency, amount, shown
):
    deliver_wish(receipt(tenant, "k", address, currency=currency, amount=amount))

    assert mailbox.mails_to(address)[0]["subject"] == f"Your receipt for {shown}"


def test_a_wish_that_no_template_fulfils_is_reported_alone(worker, queue, mailbox, tenant, address):
    notifications = queue("notifications")
    bad = notifications.send(json.dumps(receipt(tenant, "bad", address, currency="euro")))
    neither = notifications.send(json.dumps({}))
    notifications.send(json.dumps(receipt(tenant, "good", address)))

    assert sorted(worker.consume(receive_all(notifications))) == sorted([bad, neither])
    assert len(mailbox.mails_to(address)) == 1


def test_two_workers_with_the_same_messages_send_each_mail_once(
    start, create, messages, mailbox, address
):
    workers = [start("notifications.app.worker") for _ in range(2)]
    for number in range(10):
        ids = [create(f"{number}.{i}", to=address).body["id"] for i in range(4)]
        batch = messages()
        for each in workers:
            each.begin(sqs_event(batch))
        for each in workers:
            each.end()
        assert len(ids) == len(batch)

    assert len(mailbox.mails_to(address)) == 40


def test_a_worker_killed_before_it_stores_the_outcome_is_made_good_under_the_same_message_id(
    killed_at, create, show, worker, messages, mailbox, database
):
    address = "killed.before.it.stores@example.com"
    notification_id = create("k", to=address).body["id"]
    [message] = messages()
    killed_at(b"delivered", "notifications.app.worker", [message])
    cut_short = show(notification_id)
    too_early = worker.consume([message])
    database["notifications"].update_one({"_id": notification_id}, {"$set": {"claimable_at_ms": 1}})
    in_time = worker.consume([message])

    assert (cut_short["status"], cut_short["attempts"][0]["result"]) == ("sending", "unknown")
    assert (too_early, in_time) == ([message.message_id], [])
    assert show(notification_id)["status"] == "delivered"
    assert [each["message_id"] for each in mailbox.mails_to(address)] == [
        f"<{notification_id}@spillway.example>"
    ] * 2


def test_a_mail_that_is_refused_for_good_fails_with_its_reason(start, create, show, messages):
    ids = {name: create(name, to=f"{name}@example.com").body["id"] for name in ("a", "no", "b")}
    with ScriptedSmtp(rcpt={"no@example.com": "550 5.1.1 nobody of that name"}) as server:
        worker = start("notifications.app.worker", SMTP_URL=server.url)

        assert worker.consume(messages()) == []
    shown = {name: show(each) for name, each in ids.items()}
    assert {name: each["status"] for name, each in shown.items()} == {
        "a": "delivered",
        "no": "failed",
        "b": "delivered",
    }
    assert shown["no"]["failure"] == "5.1.1 nobody of that name"
    assert len(server.mails) == 2


@pytest.mark.parametrize("offers_pipelining", [True, False])
def test_a_mail_that_is_refused_for_now_comes_back(
    start, create, show, worker, messages, offers_pipelining
):
    ids = {name: create(name, to=f"{name}@example.com").body["id"] for name in ("later", "now")}
    batch = messages()
    with ScriptedSmtp(
        rcpt={"later@example.com": "451 4.7.1 greylisted"}, offers_pipelining=offers_pipelining
    ) as server:
        impatient = start("notifications.app.worker", SMTP_URL=server.url)
        [failed] = impatient.consume(batch)
        assert len(server.mails) == 1
    queued = show(ids["later"])
    [again] = [each for each in batch if each.message_id == failed]

    assert (queued["status"], queued["attempts"][0]["code"]) == ("queued", 451)
    assert worker.consume([again]) == []
    assert show(ids["later"])["status"] == "delivered"
    assert [each["result"] for each in show(ids["later"])["attempts"]] == ["deferred", "delivered"]


def test_a_mail_server_that_does_not_answer_gives_the_messages_back(
    start, create, show, worker, messages
):
    notification_id = create("k").body["id"]
    batch = messages()
    unlucky = start("notifications.app.worker", SMTP_URL=f"smtp://127.0.0.1:{free_port()}")

    assert unlucky.consume(batch) == [batch[0].message_id]
    assert show(notification_id)["status"] == "queued"
    assert worker.consume(batch) == []
    assert show(notification_id)["status"] == "delivered"


def test_a_worker_connects_anew_when_the_mail_server_has_hung_up(start, create, messages):
    with ScriptedSmtp(mails_a_connection=1) as server:
        worker = start("notifications.app.worker", SMTP_URL=server.url)
        for number in range(3):
            create(f"k{number}")
            assert worker.consume(messages()) == []

    assert (server.connections, len(server.mails)) == (3, 3)


def test_a_line_that_begins_with_a_dot_arrives_as_it_is(mailbox):
    raw = b"Subject: dots\r\n\r\n.\r\n..one\r\n. two\r\n"
    connection = SmtpConnection(("127.0.0.1", mailbox.smtp_port))
    [outcome] = connection.send_all("a@example.com", [("dots@example.com", raw)])
    connection.close()

    assert outcome.result == "delivered"
    [mail] = mailbox.mails_to("dots@example.com")
    assert mailbox.raw(mail["sequence"]) == raw


def test_a_list_is_newest_first_in_pages_and_the_tenants_own(create, api):
    ids = [create(f"k{i}").body["id"] for i in range(5)]
    seen: list[str] = []
    after: dict[str, str] = {}
    for _ in range(3):
        page = api("GET", query={"limit": "2", **after}).body
        seen += [each["id"] for each in page["data"]]
        after = {"starting_after": seen[-1]}

    assert (sorted(seen), page["has_more"]) == (sorted(ids), False)
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
        ({"channel": "sms"}, "channel_not_supported", "channel"),
        ({"channel": "pigeon"}, "invalid_request", "channel"),
        ({"to": "nobody"}, "invalid_request", "to"),
        ({"to": "a@example.com\n"}, "invalid_request", "to"),
        ({"to": "a@example.com\r\nRCPT TO:<b@example.com>"}, "invalid_request", "to"),
        ({"to": "a@example.com,b@example.com"}, "invalid_request", "to"),
        ({"template": "nothing"}, "unknown_template", "template"),
        ({"variables": {}}, "invalid_variables", "variables.name"),
        ({"variables": {"name": 1}}, "invalid_variables", "variables.name"),
        ({"variables": {"name": "A", "age": 1}}, "invalid_variables", "variables.age"),
        ({"variables": {"name": "A\r\nBcc: b@example.com"}}, "invalid_variables", "variables.name"),
        ({"variables": {"name": "A\n"}}, "invalid_variables", "variables.name"),
        ({"variables": {"name": "A\u2028B"}}, "invalid_variables", "variables.name"),
        ({"send_after": "tomorrow"}, "invalid_request", "send_after"),
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
