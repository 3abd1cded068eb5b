"""Mails go out once each, whatever workers and mail servers do meanwhile."""

import email
import email.policy
import socket

import pytest

from notifications.answers import Accepted
from notifications.channels.smtp_connection import Server, SmtpConnection
from tests.conftest import free_port
from tests.integration.function_process import sqs_event
from tests.integration.relay import StopAt
from tests.integration.scripted_smtp import ScriptedSmtp


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


def test_a_worker_that_was_too_slow_does_not_undo_what_another_has_claimed(
    start, create, messages, documents_port, database
):
    notification_id = create("k").body["id"]
    mine = {"_id": notification_id}
    claimed = {"$set": {"claim": "another", "status": "sending"}}
    with StopAt(documents_port, b"delivered") as relay:
        url = f"mongodb://127.0.0.1:{relay.port}/?directConnection=true"
        late = start("notifications.app.worker", MONGO_URL=url)
        relay.kill = lambda: database["notifications"].update_one(mine, claimed)
        late.consume(messages())

    stored = database["notifications"].find_one(mine)
    assert relay.has_killed.is_set()
    assert (stored["claim"], stored["status"]) == ("another", "sending")


def test_a_notification_that_kills_every_worker_is_given_up(
    create, show, deliver, mailbox, database, address
):
    notification_id = create("k", to=address).body["id"]
    cut_short = [{"at_ms": 1, "outcome": None}] * 21
    change = {"$set": {"status": "sending", "attempts": cut_short}}
    database["notifications"].update_one({"_id": notification_id}, change)
    deliver()
    shown = show(notification_id)

    assert (shown["status"], shown["failure"]) == (
        "failed",
        "Every worker that tried to send it died.",
    )
    assert mailbox.mails_to(address) == []


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
def test_a_mail_that_is_refused_for_now_is_sent_again_later(
    start, create, show, worker, messages, due, offers_pipelining
):
    ids = {name: create(name, to=f"{name}@example.com").body["id"] for name in ("later", "now")}
    with ScriptedSmtp(
        rcpt={"later@example.com": "451 4.7.1 greylisted"}, offers_pipelining=offers_pipelining
    ) as server:
        impatient = start("notifications.app.worker", SMTP_URL=server.url)
        assert impatient.consume(messages()) == []
        assert len(server.mails) == 1
    queued = show(ids["later"])
    due(ids["later"])

    assert (queued["status"], queued["attempts"][0]["code"]) == ("queued", 451)
    assert worker.consume(messages()) == []
    assert show(ids["later"])["status"] == "delivered"
    assert [each["result"] for each in show(ids["later"])["attempts"]] == ["deferred", "delivered"]


def test_a_mail_server_that_does_not_answer_leaves_the_mail_to_a_later_attempt(
    start, create, show, worker, messages, due
):
    notification_id = create("k").body["id"]
    unlucky = start("notifications.app.worker", SMTP_URL=f"smtp://127.0.0.1:{free_port()}")

    assert unlucky.consume(messages()) == []
    assert show(notification_id)["status"] == "queued"
    due(notification_id)
    assert worker.consume(messages()) == []
    assert show(notification_id)["status"] == "delivered"


def test_a_channel_that_hangs_does_not_use_up_the_time_of_another(start, create, show, messages):
    ids = [create("mail").body["id"], create("text", channel="sms", to="+4915112345678").body["id"]]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        worker = start(
            "notifications.app.worker", SMTP_URL=f"smtp://127.0.0.1:{silent.getsockname()[1]}"
        )
        worker.consume(messages())
    reasons = [show(each)["attempts"][0]["reason"] for each in ids]

    assert reasons == ["No reply by SMTP: timed out.", "The others of its batch took too long."]


def test_a_worker_connects_anew_when_the_mail_server_has_hung_up(start, create, messages):
    with ScriptedSmtp(mails_a_connection=1) as server:
        worker = start("notifications.app.worker", SMTP_URL=server.url)
        for number in range(3):
            create(f"k{number}")
            assert worker.consume(messages()) == []

    assert (server.connections, len(server.mails)) == (3, 3)


def test_a_line_that_begins_with_a_dot_arrives_as_it_is(mailbox):
    raw = b"Subject: dots\r\n\r\n.\r\n..one\r\n. two\r\n"
    connection = SmtpConnection(Server(host="127.0.0.1", port=mailbox.smtp_port))
    [answer] = connection.send_all("a@example.com", [("dots@example.com", raw)])
    connection.close()

    assert isinstance(answer, Accepted)
    [mail] = mailbox.mails_to("dots@example.com")
    assert mailbox.raw(mail["sequence"]) == raw
