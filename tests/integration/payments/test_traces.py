"""A payment's trace: carried on into messages, the outbox and to the provider, and recorded."""

import json
import time

import pytest
import redis

from tests.conftest import free_port, wait_until
from tests.integration.payments.conftest import VISA
from tests.integration.webhook_sink import Drip, WebhookSink

TRACE_ID = "67891233abcdef012345678912345678"
ROOT = "Root=1-67891233-abcdef012345678912345678"
SAMPLED = f"{ROOT};Parent=0102030405060708;Sampled=1"
UNSAMPLED = f"{ROOT};Parent=0102030405060708;Sampled=0"
OTHER_ROOT = "Root=1-00000001-000000000000000000000001"


@pytest.fixture(scope="module")
def receiver():
    """Whoever takes spans."""
    with WebhookSink(answers=[200]) as sink:
        yield sink


@pytest.fixture(scope="module")
def started_in_trace(started, receiver):
    """Starts a handler of payments in an invocation of this trace."""
    url = f"http://127.0.0.1:{receiver.port}"

    def start(name, trace, **settings):
        variables = {"_X_AMZN_TRACE_ID": trace, "OTEL_EXPORTER_OTLP_ENDPOINT": url}
        return started(name, **{**variables, "OTEL_SERVICE_NAME": f"Payments-{name}", **settings})

    return start


@pytest.fixture(scope="module")
def api(started_in_trace):
    return started_in_trace("app", SAMPLED)


@pytest.fixture(autouse=True)
def fresh(valkey, receiver):
    """Each test begins with empty queues, and no spans."""
    receiver.deliveries.clear()


@pytest.fixture
def spans(receiver):
    """Waits for a span of this name; returns all that have come, by name."""

    def named(name):
        wait_until(lambda: name in received(receiver), 5)
        return received(receiver)

    return named


def received(receiver):
    assert {each.path for each in receiver.deliveries} <= {"/v1/traces"}
    bodies = [json.loads(each.body) for each in receiver.deliveries]
    scopes = [scope for body in bodies for scope in body["resourceSpans"][0]["scopeSpans"]]
    return {span["name"]: span for scope in scopes for span in scope["spans"]}


def attributes(span):
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_a_request_records_its_statements_scripts_and_sends_below_its_invocation(
    api, asking, spans, messages
):
    created = asking(api)("POST", key="k1", body=VISA)
    recorded = spans("send payments")

    assert created.status == 201
    assert {each["traceId"] for each in recorded.values()} == {TRACE_ID}
    for name in ("insert payments", "EVALSHA claim", "send payments"):
        assert recorded[name]["parentSpanId"] == "0102030405060708"
    statement = attributes(recorded["insert payments"])
    assert statement.items() >= {
        ("db.system.name", "mongodb"),
        ("db.collection.name", "payments"),
        ("db.operation.name", "insert"),
        ("server.address", "127.0.0.1"),
    }
    [message] = messages()
    span_id = recorded["send payments"]["spanId"]
    assert message.system["AWSTraceHeader"] == f"{ROOT};Parent={span_id};Sampled=1"
    assert message.attributes == {"traceparent": f"00-{TRACE_ID}-{span_id}-01"}


def test_the_provider_is_asked_in_the_trace_of_the_payment_not_of_the_batch(
    api, asking, started_in_trace, messages, spans
):
    asking(api)("POST", key="k2", body=VISA)
    sent = spans("send payments")["send payments"]
    batch = f"{OTHER_ROOT};Parent=00000000000000aa;Sampled=1"
    with WebhookSink(answers=[503]) as provider:
        url = f"http://127.0.0.1:{provider.port}"
        worker = started_in_trace("worker", batch, PROVIDER_URL=url)
        assert len(worker.consume(messages())) == 1
        recorded = spans("POST /charges")

    charge = recorded["POST /charges"]
    assert (charge["traceId"], charge["parentSpanId"]) == (TRACE_ID, sent["spanId"])
    assert attributes(charge)["http.response.status_code"] == "503"
    assert charge["status"]["code"] == 2
    [order] = provider.deliveries
    assert order.headers["traceparent"] == f"00-{TRACE_ID}-{charge['spanId']}-01"
    assert recorded["find payments"]["traceId"] == "00000001000000000000000000000001"


def test_the_relay_sends_in_the_trace_that_the_promise_was_made_in(
    api, asking, started_in_trace, messages, valkey, database
):
    payment_id = asking(api)("POST", key="k3", body=VISA).body["id"]
    with redis.Redis.from_url(valkey) as server:
        server.flushdb()
    promised = database["payments"].find_one_and_update(
        {"_id": payment_id}, {"$set": {"promised_ms": 1}}
    )
    relay = started_in_trace("relay", f"{OTHER_ROOT};Parent=00000000000000bb;Sampled=0")
    relay.invoke({})

    [message] = [each for each in messages() if payment_id in each.body]
    assert promised["outbox"][0]["trace"] == SAMPLED
    assert message.system["AWSTraceHeader"] == SAMPLED


def test_what_is_not_sampled_records_nothing_and_is_carried_on(
    started_in_trace, asking, receiver, messages
):
    api = started_in_trace("app", UNSAMPLED)
    assert asking(api)("POST", key="k4", body=VISA).status == 201

    [message] = messages()
    assert (message.system["AWSTraceHeader"], message.attributes) == (UNSAMPLED, {})
    assert receiver.deliveries == []


def test_an_environment_that_freezes_has_sent_its_spans_when_it_answers(
    started_in_trace, asking, receiver
):
    api = started_in_trace("app", SAMPLED, AWS_LAMBDA_RUNTIME_API="127.0.0.1:1")
    asking(api)("POST", key="k5", body=VISA)

    assert "send payments" in received(receiver)


@pytest.mark.parametrize("freezes", [{}, {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}])
def test_a_receiver_that_is_not_there_or_never_answers_fails_nothing(
    started_in_trace, asking, freezes
):
    with WebhookSink([Drip(0.05)]) as silent, WebhookSink([b"garbage\n"]) as other:
        for port in (free_port(), silent.port, other.port):
            url = f"http://127.0.0.1:{port}"
            api = started_in_trace("app", SAMPLED, OTEL_EXPORTER_OTLP_ENDPOINT=url, **freezes)
            asking(api)("GET", body=None)  # the first event of a process takes its time
            began_s = time.monotonic()
            assert asking(api)("POST", key=f"k6-{port}-{len(freezes)}", body=VISA).status == 201
            assert time.monotonic() - began_s < 2
