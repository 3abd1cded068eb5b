"""The spans of batches: in whose trace they stand, and what links to what."""

from local.traces.context import TraceContext
from local.traces.span import Link, Span
from queue_workers.event import SqsEvent
from tests.integration.queue_workers.poller.site import PollerSite

SENDER = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True)
OTHER = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", True)
UNSAMPLED = SENDER._replace(is_sampled=False)


def handled(site: PollerSite, failing: str = "") -> tuple[str, SqsEvent]:
    """Have one batch handled; return the handler's trace and event."""
    environment = site.environment()
    run = site.run_once()
    invocation = environment.take()
    records = invocation["event"]["Records"]
    failures = [each["messageId"] for each in records if each["body"] == failing]
    result = {"batchItemFailures": [{"itemIdentifier": each} for each in failures]}
    environment.answer(invocation, result)
    run.result(timeout=5)
    environment.close()
    return invocation["trace"], invocation["event"]


def by_name(spans: list[Span]) -> dict[str, Span]:
    return {span.name: span for span in spans}


def test_a_message_alone_continues_the_trace_of_its_sender(site: PollerSite):
    site.queue.send("pay", trace=SENDER.header)

    trace, event = handled(site)

    spans = by_name(site.spans)
    wait, batch = spans["wait on orders"], spans["receive orders"]
    handler, message = spans["OrdersWorker"], spans["process orders"]
    assert {span.trace_id for span in site.spans} == {SENDER.trace_id}
    assert (wait.parent_id, batch.parent_id) == (SENDER.parent_id, SENDER.parent_id)
    assert (handler.parent_id, message.parent_id) == (batch.span_id, batch.span_id)
    assert batch.links == (Link(trace_id=SENDER.trace_id, span_id=SENDER.parent_id),)
    assert (wait.service, batch.kind) == ("orders", "consumer")
    assert wait.start_ns <= wait.end_ns <= handler.start_ns <= handler.end_ns <= message.end_ns
    assert trace == SENDER._replace(parent_id=handler.span_id).header
    record = event["Records"][0]
    assert record["attributes"]["AWSTraceHeader"] == SENDER.header
    assert message.attributes == {
        "messaging.system": "aws_sqs",
        "messaging.destination.name": "orders",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.message.id": record["messageId"],
        "messaging.aws_sqs.receive_count": 1,
    }
    assert batch.attributes["messaging.batch.message_count"] == 1


def test_the_traceparent_of_a_message_goes_before_the_header_of_aws(site: PollerSite):
    attributes = {"traceparent": SENDER.traceparent}
    site.queue.send("pay", trace=OTHER.header, attributes=attributes)

    handled(site)

    assert {span.trace_id for span in site.spans} == {SENDER.trace_id}


def test_a_batch_of_several_traces_links_to_each_and_each_message_to_it(site: PollerSite):
    site.queue.send_batch(["a", "b"], traces=[SENDER.header, OTHER.header])

    trace, _ = handled(site)

    batch = by_name(site.spans)["receive orders"]
    messages = [span for span in site.spans if span.name == "process orders"]
    assert batch.trace_id not in {SENDER.trace_id, OTHER.trace_id}
    assert {link.trace_id for link in batch.links} == {SENDER.trace_id, OTHER.trace_id}
    assert {(each.trace_id, each.parent_id) for each in messages} == {
        (SENDER.trace_id, SENDER.parent_id),
        (OTHER.trace_id, OTHER.parent_id),
    }
    assert all(
        each.links == (Link(trace_id=batch.trace_id, span_id=batch.span_id),) for each in messages
    )
    assert batch.trace_id[8:] in trace


def test_what_its_sender_does_not_trace_is_not_traced(site: PollerSite):
    site.queue.send("pay", trace=UNSAMPLED.header)

    trace, _ = handled(site)

    assert site.spans == []
    assert trace.endswith(";Sampled=0")


def test_a_failure_is_traced_all_the_same_and_alone(site: PollerSite):
    site.queue.send_batch(["good", "bad"], traces=[UNSAMPLED.header, UNSAMPLED.header])

    handled(site, failing="bad")

    (failed,) = [span for span in site.spans if span.name == "process orders"]
    assert failed.is_error
    assert failed.message == "reported by the handler as failed"


def test_a_message_that_carries_no_trace_begins_one(site: PollerSite):
    site.queue.send("pay")

    trace, _ = handled(site)

    batch = by_name(site.spans)["receive orders"]
    assert {span.trace_id for span in site.spans} == {batch.trace_id}
    assert batch.parent_id == ""
    assert by_name(site.spans)["process orders"].parent_id == batch.span_id
    assert trace.endswith(";Sampled=1")


def test_an_error_of_the_handler_is_one_of_the_whole_batch(site: PollerSite):
    site.queue.send("pay", trace=SENDER.header)
    environment = site.environment()
    run = site.run_once()
    environment.take()
    environment.close()
    run.result(timeout=5)

    spans = by_name(site.spans)
    assert all(spans[name].is_error for name in ("receive orders", "OrdersWorker"))
    assert spans["OrdersWorker"].attributes["error.type"] == "Runtime.ExitError"
