"""Redis emptied, stopped or full: the same key gives the same answer, and nothing happens twice."""

from typing import Any

import pytest
import redis

from tests.conftest import free_port, wait_until
from tests.integration.payments.conftest import VISA

PAYMENT = "/v1/payments/{payment_id}"


@pytest.fixture
def stopped_redis():
    return {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}


@pytest.fixture
def full_redis(valkey):
    """A server that takes nothing more."""
    with redis.Redis.from_url(valkey) as client:
        client.config_set("maxmemory", 1)
        yield {"REDIS_URL": valkey}
        client.config_set("maxmemory", 0)


def _assert_replayed(again, first):
    assert (again.status, again.text) == (first.status, first.text)
    assert again.headers["idempotent-replayed"] == "true"


def test_an_emptied_redis_forgets_no_answer_and_moves_no_money_twice(
    payments, asking, messages, provider, valkey
):
    ask, worker = asking(payments("app")), payments("worker")
    created = ask("POST", key="k", body=VISA | {"capture_method": "manual"})
    payment_id = created.body["id"]
    answers: list[Any] = [("/v1/payments", VISA | {"capture_method": "manual"}, created)]
    assert worker.consume(messages()) == []
    operations: Any = (("capture", {"amount": 600}), ("cancel", {}), ("refunds", {"amount": 500}))
    for what, body in operations:
        answer = ask("POST", f"{PAYMENT}/{what}", body, "k", payment_id=payment_id)
        answers.append((f"{PAYMENT}/{what}", body, answer))
        assert worker.consume(messages()) == []
    settled = ask("GET", PAYMENT, payment_id=payment_id).text

    for resource, body, first in answers:
        _assert_replayed(ask("POST", resource, body, "k", payment_id=payment_id), first)
        with redis.Redis.from_url(valkey) as client:
            client.flushall()
        _assert_replayed(ask("POST", resource, body, "k", payment_id=payment_id), first)
        assert worker.consume(messages()) == []

    assert [first.status for _, _, first in answers] == [201, 202, 202, 201]
    assert ask("GET", PAYMENT, payment_id=payment_id).text == settled
    effects = provider.get("/effects")[1]["effects"]
    mine = [each for each in effects if each["reference"] == payment_id]
    assert [(each["kind"], each["amount"]) for each in mine] == [
        ("charge", 1000),
        ("capture", 600),
        ("void", 400),
        ("refund", 500),
    ]


def test_another_body_is_refused_also_by_the_document_alone(payments, asking, valkey):
    ask = asking(payments("app"))
    ask("POST", key="k", body=VISA)
    with redis.Redis.from_url(valkey) as client:
        client.flushall()

    refused = ask("POST", key="k", body=VISA | {"amount": 1})

    assert (refused.status, refused.body["code"]) == (422, "idempotency_key_reused")


def test_a_stopped_redis_stops_no_payment_and_the_relay_sends_it_on(
    payments, asking, messages, stopped_redis, tenant
):
    ask = asking(payments("app", **stopped_redis))

    first = ask("POST", key="k", body=VISA)
    _assert_replayed(ask("POST", key="k", body=VISA), first)

    assert first.status == 201
    sent = _relayed(payments("relay"), messages, first.body["id"])
    assert payments("worker").consume(sent) == []
    assert ask("GET", PAYMENT, payment_id=first.body["id"]).body["status"] == "succeeded"


def test_a_full_redis_accepts_payments_and_the_relay_sends_them_once_there_is_room(
    payments, asking, messages, valkey, full_redis
):
    ask, relay = asking(payments("app")), payments("relay")
    first = ask("POST", key="k", body=VISA)
    _assert_replayed(ask("POST", key="k", body=VISA), first)
    with redis.Redis.from_url(valkey) as client:
        client.config_set("maxmemory", 0)

    assert first.status == 201
    assert _relayed(relay, messages, first.body["id"])
    assert len(ask("GET").body["data"]) == 1


@pytest.mark.parametrize(
    ("what", "body"), [("capture", {}), ("cancel", {}), ("refunds", {"amount": 1})]
)
def test_an_operation_that_a_full_queue_does_not_take_is_accepted_and_done(
    payments, asking, messages, what, body
):
    ask, worker, relay = asking(payments("app")), payments("worker"), payments("relay")
    method = "automatic" if what == "refunds" else "manual"
    payment_id = ask("POST", key="k", body=VISA | {"capture_method": method}).body["id"]
    worker.consume(messages())
    asking(payments("app", QUEUE_DEPTH_MAX="1"))("POST", key="filler", body=VISA)
    full = asking(payments("app", QUEUE_DEPTH_MAX="1"))

    answer = full("POST", f"{PAYMENT}/{what}", body, "k", payment_id=payment_id)

    assert answer.status == (201 if what == "refunds" else 202)
    assert not any(payment_id in each.body for each in messages())
    assert worker.consume(_relayed(relay, messages, payment_id)) == []
    events = ask("GET", PAYMENT, payment_id=payment_id).body["events"]
    assert len(events) == 4


def test_a_queue_that_takes_nothing_holds_up_no_other_and_ends_no_message(
    payments, asking, messages, queue, database
):
    ask = asking(payments("app"))
    queue("notifications").send("{}")
    worker = payments("worker", QUEUE_DEPTH_MAX="1")
    payment_id = ask("POST", key="k", body=VISA | {"receipt_email": "a@example.com"}).body["id"]

    assert worker.consume(messages()) == []

    assert [payment_id in each.body for each in queue("analytics").receive()] == [True]
    outbox = wait_until(lambda: _outbox(database, payment_id, ["notifications"]))
    queue("notifications").purge()
    wait_until(lambda: payments("relay").invoke({}) or _is_clear(database, payment_id))
    assert [each.body for each in queue("notifications").receive()] == [outbox[0]["body"]]


def _outbox(database, payment_id, queues):
    outbox = database["payments"].find_one({"_id": payment_id}).get("outbox", [])
    return outbox if [each["queue"] for each in outbox] == queues else None


def _is_clear(database, payment_id):
    return "outbox" not in database["payments"].find_one({"_id": payment_id})


def _relayed(relay, messages, payment_id):
    """Run the relay until it has sent a message of the payment; returns all it sent."""
    sent = []

    def is_sent():
        relay.invoke({})
        sent.extend(messages())
        return any(payment_id in each.body for each in sent)

    wait_until(is_sent, timeout_s=10)
    return sent


def test_what_is_on_the_queue_already_is_not_relayed(payments, asking, messages):
    ask, relay = asking(payments("app")), payments("relay")
    relay.invoke({})  # what other tests left
    messages()
    payment_id = ask("POST", key="k", body=VISA).body["id"]

    relay.invoke({})

    assert sum(payment_id in each.body for each in messages()) == 1


def test_a_settled_payment_whose_outbox_was_not_cleared_is_sent_on_and_charged_no_more(
    payments, asking, messages, database, provider, queue
):
    ask, worker = asking(payments("app")), payments("worker")
    payment_id = ask("POST", key="k", body=VISA).body["id"]
    batch = messages()
    worker.consume(batch)
    event = queue("analytics").receive()[0]
    outbox = [{"queue": "analytics", "body": event.body}]
    database["payments"].update_one(
        {"_id": payment_id}, {"$set": {"outbox": outbox, "promised_ms": 1}}
    )

    payments("relay").invoke({})

    assert [each.body for each in queue("analytics").receive()] == [event.body]
    wait_until(lambda: "outbox" not in database["payments"].find_one({"_id": payment_id}))
    charges = [each for each in provider.charges() if each["reference"] == payment_id]
    assert len(charges) == 1
