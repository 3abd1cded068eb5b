"""Events reach the endpoints that want them, signed and once, whatever fails meanwhile."""

import json

from standardwebhooks import Webhook

from tests.conftest import free_port, wait_until
from tests.integration.function_process import receive_all, sqs_event
from tests.integration.notifications.webhooks.conftest import DELIVERIES, ROUTE
from tests.integration.webhook_sink import WebhookSink


def test_a_webhook_carries_the_trace_of_its_event_on(make, announce, settle, database):
    trace = "Root=1-67891233-abcdef012345678912345678;Parent=0102030405060708;Sampled=0"
    with WebhookSink() as sink:
        endpoint_id, _ = make(sink.url)
        announce("payment.succeeded", trace=trace)
        settle()

    [delivery] = sink.deliveries
    carried = "00-67891233abcdef012345678912345678-0102030405060708-00"
    assert delivery.headers["traceparent"] == carried
    assert database["notifications"].find_one({"to": endpoint_id})["trace"] == trace


def test_an_event_reaches_its_tenant_s_endpoint_signed(make, announce, settle, log):
    with WebhookSink() as sink:
        endpoint_id, secret = make(sink.url)
        announce("payment.succeeded")
        settle()

    [delivery] = sink.deliveries
    assert Webhook(secret).verify(delivery.body, dict(delivery.headers)) == {
        "type": "payment.succeeded",
        "timestamp": "2026-09-21T14:13:20.000Z",
        "data": {"payment_id": "pay_1", "amount": 1250, "currency": "EUR"},
    }
    assert delivery.headers["content-type"] == "application/json"
    [shown] = log(endpoint_id).body["data"]
    assert shown["id"] == delivery.headers["webhook-id"]
    assert (shown["status"], shown["template"]) == ("delivered", "payment.succeeded")
    assert [each["code"] for each in shown["attempts"]] == [204]


def test_an_endpoint_gets_what_it_asked_for_and_nothing_of_others(
    make, api, announce, settle, tenant
):
    with WebhookSink() as all_of_them, WebhookSink() as failures, WebhookSink() as foreign:
        make(all_of_them.url)
        make(failures.url, events=["payment.failed"])
        api("POST", ROUTE, body={"url": foreign.url}, tenant=f"not {tenant}")
        announce("payment.succeeded", "payment.failed")
        announce("payment.failed", payment="pay_2", tenant="without endpoints")
        settle()

    def types(sink):
        return sorted(json.loads(each.body)["type"] for each in sink.deliveries)

    assert types(all_of_them) == ["payment.failed", "payment.succeeded"]
    assert types(failures) == ["payment.failed"]
    assert types(foreign) == []


def test_a_wildcard_stands_for_all_types_of_payments_or_for_all_and_each_comes_once(
    make, announce, settle
):
    with WebhookSink() as payments, WebhookSink() as everything:
        make(payments.url, events=["payment.failed", "payment.*"])
        make(everything.url, events=["*"])
        announce("payment.succeeded", "payment.failed")
        settle()

    for sink in (payments, everything):
        types = [json.loads(each.body)["type"] for each in sink.deliveries]
        assert sorted(types) == ["payment.failed", "payment.succeeded"]


def test_an_event_that_is_announced_twice_is_sent_once(make, announce, settle):
    with WebhookSink() as sink:
        make(sink.url)
        for _ in range(2):
            announce("payment.succeeded")
            settle()

    assert len(sink.deliveries) == 1


def test_a_worker_killed_before_it_stores_the_outcome_is_made_good_under_the_same_webhook_id(
    make, announce, queue, worker, killed_at, due
):
    with WebhookSink() as sink:
        make(sink.url)
        announce("payment.succeeded")
        worker.consume(receive_all(queue("webhooks")))
        [message] = receive_all(queue("webhooks"))
        killed_at(b"delivered", "notifications.webhook_worker.worker", [message])
        too_early = worker.consume([message])
        due(json.loads(message.body)["id"])
        in_time = worker.consume([message])

    assert (too_early, in_time) == ([message.message_id], [])
    assert len({each.headers["webhook-id"] for each in sink.deliveries}) == 1
    assert len(sink.deliveries) == 2


def test_a_failed_attempt_waits_and_is_made_again(make, announce, settle, log, due, queue):
    with WebhookSink([(302, {"Location": "http://127.0.0.1:1/"}), 204]) as sink:
        endpoint_id, secret = make(sink.url)
        announce("payment.succeeded")
        settle()
        waiting = log(endpoint_id).body["data"][0]
        assert queue("webhooks").depth().delayed == 1
        due(waiting["id"])
        settle()

    assert (waiting["status"], waiting["attempts"][0]["result"]) == ("queued", "deferred")
    assert waiting["attempts"][0]["reason"] == "HTTP 302: redirects are not followed."
    first, second = sink.deliveries
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert Webhook(secret).verify(second.body, dict(second.headers))
    assert log(endpoint_id).body["data"][0]["status"] == "delivered"


def test_without_the_setting_for_development_nothing_reaches_this_machine(
    make, announce, start, queue, log
):
    careful = start("notifications.webhook_worker.worker", WEBHOOKS_TO_LOOPBACK="no")
    with WebhookSink() as sink:
        endpoint_id, _ = make(sink.url)
        announce("payment.succeeded")
        for _ in range(2):
            assert careful.consume(receive_all(queue("webhooks"))) == []

    [shown] = log(endpoint_id).body["data"]
    assert shown["attempts"][0]["reason"] == "The address is not public."
    assert (shown["status"], sink.deliveries) == ("queued", [])


def test_ten_slow_receivers_are_waited_for_together(make, announce, worker, queue):
    with WebhookSink() as sink:
        for number in range(10):
            make(f"{sink.url}/{number}")
        announce("payment.succeeded")
        worker.consume(receive_all(queue("webhooks")))
        sink.may_answer.clear()
        worker.begin(sqs_event(receive_all(queue("webhooks"))))
        wait_until(lambda: len(sink.deliveries) == 10)
        sink.may_answer.set()

        assert worker.end() == {"batchItemFailures": []}


def test_a_receiver_that_hangs_keeps_two_workers_and_no_more(
    start, make, api, announce, worker, queue, log
):
    other = "one whose receiver works"
    with WebhookSink() as hanging, WebhookSink() as working:
        endpoint_id, _ = make(hanging.url)
        api("POST", ROUTE, body={"url": working.url}, tenant=other)
        announce(*["payment.succeeded"] * 30)
        worker.consume(receive_all(queue("webhooks")))
        batches = [queue("webhooks").receive(10) for _ in range(3)]
        announce("payment.succeeded", tenant=other)
        worker.consume(receive_all(queue("webhooks")))
        hanging.may_answer.clear()
        busy = [start("notifications.webhook_worker.worker") for _ in range(2)]
        for each, batch in zip(busy, batches, strict=False):
            each.begin(sqs_event(batch))
        wait_until(lambda: len(hanging.deliveries) == 20)
        assert worker.consume([*batches[2], *receive_all(queue("webhooks"))]) == []
        meanwhile = len(hanging.deliveries), len(working.deliveries)
        waiting = log(endpoint_id, status="queued", limit="100").body["data"]
        hanging.may_answer.set()
        ended = [each.end() for each in busy]

    assert meanwhile == (20, 1)
    assert [(len(each["attempts"]), "due_at" in each) for each in waiting] == [(0, True)] * 10
    assert ended == [{"batchItemFailures": []}] * 2


def test_of_a_tenant_s_failing_receivers_one_batch_is_waited_for(
    start, make, announce, worker, queue, log, due
):
    def settle():
        return worker.consume(receive_all(queue("webhooks")))

    with WebhookSink([500, 500, 204]) as sink:
        endpoint_id, _ = make(sink.url)
        announce(*["payment.succeeded"] * 2)
        settle()
        settle()
        first, second = [each["id"] for each in log(endpoint_id).body["data"]]
        sink.may_answer.clear()
        due(first)
        busy = start("notifications.webhook_worker.worker")
        busy.begin(sqs_event(receive_all(queue("webhooks"))))
        wait_until(lambda: len(sink.deliveries) == 3)
        due(second)
        settle()
        meanwhile = len(sink.deliveries)
        sink.may_answer.set()
        busy.end()
        due(second)
        settle()

    assert meanwhile == 3
    assert len(sink.deliveries) == 4


def test_after_a_rotation_both_secrets_hold(make, api, announce, settle):
    with WebhookSink() as sink:
        endpoint_id, old = make(sink.url)
        path = {"endpoint_id": endpoint_id}
        new = api("POST", ROUTE + "/{endpoint_id}/rotate-secret", path=path).body["secret"]
        announce("payment.succeeded")
        settle()

    [delivery] = sink.deliveries
    for secret in (old, new):
        Webhook(secret).verify(delivery.body, dict(delivery.headers))


def test_an_endpoint_that_is_gone_is_disabled_and_its_owner_told(
    make, api, announce, settle, settle_mails, mailbox, address
):
    with WebhookSink([410]) as sink:
        endpoint_id, _ = make(sink.url, contact=address)
        announce("payment.succeeded")
        settle()
        settle_mails()

    shown = api("GET", ROUTE + "/{endpoint_id}", path={"endpoint_id": endpoint_id}).body
    assert (shown["status"], shown["disabled_because"]) == ("disabled", "It answered 410 Gone.")
    [mail] = mailbox.mails_to(address)
    assert mail["subject"] == f"Your webhook endpoint {endpoint_id} is disabled"


def test_an_endpoint_that_is_gone_has_an_entry_of_no_client_in_the_audit_log(
    make, announce, settle, database
):
    with WebhookSink([410]) as sink:
        endpoint_id, _ = make(sink.url)
        announce("payment.succeeded")
        settle()
    entry = database.audit_log.find_one({"object_id": endpoint_id, "client_id": None})

    assert (entry["action"], entry["outcome"]) == ("webhook_endpoint.disabled", "done")


def test_what_happens_while_an_endpoint_is_disabled_is_not_sent_to_it(
    make, api, announce, settle, log
):
    with WebhookSink([410, 204]) as sink:
        endpoint_id, _ = make(sink.url)
        for payment in ("pay_1", "pay_2"):
            announce("payment.failed", payment=payment)
            settle()
        enabled = api("POST", ROUTE + "/{endpoint_id}/enable", path={"endpoint_id": endpoint_id})
        announce("payment.failed", payment="pay_3")
        settle()

    assert enabled.body["status"] == "enabled"
    heard = [json.loads(each.body)["data"]["payment_id"] for each in sink.deliveries]
    assert heard == ["pay_1", "pay_3"]
    assert [each["status"] for each in log(endpoint_id).body["data"]] == ["delivered", "failed"]


def test_what_was_to_be_sent_to_a_deleted_endpoint_fails(
    make, api, announce, settle, log, show, due
):
    with WebhookSink([500, 204]) as sink:
        endpoint_id, _ = make(sink.url)
        announce("payment.succeeded")
        settle()
        [waiting] = log(endpoint_id).body["data"]
        api("DELETE", ROUTE + "/{endpoint_id}", path={"endpoint_id": endpoint_id})
        due(waiting["id"])
        settle()

    shown = show(waiting["id"])
    assert (shown["status"], shown["failure"]) == ("failed", "There is no such endpoint.")
    assert len(sink.deliveries) == 1


def test_a_notification_by_webhook_goes_to_the_endpoint_it_names(make, create, settle, log, show):
    with WebhookSink() as sink:
        endpoint_id, secret = make(sink.url, events=["payment.failed"])
        created = create("k", channel="webhook", to=endpoint_id)
        settle()

    [delivery] = sink.deliveries
    assert created.status == 202
    heard = Webhook(secret).verify(delivery.body, dict(delivery.headers))
    assert (heard["type"], heard["data"]) == (
        "notification.welcome",
        {"subject": "Welcome, Ada", "text": "Hello Ada,\n\nyour account is ready.\n"},
    )
    shown = show(created.body["id"])
    assert (shown["status"], shown["template"]) == ("delivered", "welcome")
    assert [each["id"] for each in log(endpoint_id).body["data"]] == [created.body["id"]]


def test_a_notification_to_another_tenant_s_endpoint_is_not_sent(api, create, settle, show):
    with WebhookSink() as sink:
        made = api("POST", ROUTE, body={"url": sink.url}, tenant="somebody else")
        created = create("k", channel="webhook", to=made.body["id"])
        settle()
        path = {"endpoint_id": made.body["id"]}
        its_log = api("GET", DELIVERIES, path=path, tenant="somebody else").body["data"]

    shown = show(created.body["id"])
    assert (shown["status"], shown["failure"]) == ("failed", "There is no such endpoint.")
    assert (sink.deliveries, its_log) == ([], [])


def test_a_receiver_that_is_not_there_is_tried_again(make, announce, settle, log):
    endpoint_id, _ = make(f"http://127.0.0.1:{free_port()}/")
    announce("payment.succeeded")
    settle()

    [shown] = log(endpoint_id).body["data"]
    assert shown["status"] == "queued"
    assert shown["attempts"][0]["reason"] == "No connection: Connection refused."


def test_a_message_that_is_neither_is_reported_alone(queue, worker, make, announce):
    with WebhookSink() as sink:
        make(sink.url)
        bad = queue("webhooks").send(json.dumps({"id": "ntf_1", "tenant": "t"}))
        announce("payment.succeeded")
        failed = worker.consume(receive_all(queue("webhooks")))

    assert failed == [bad]
    assert queue("webhooks").depth().visible == 1
