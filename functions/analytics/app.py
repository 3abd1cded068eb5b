"""Analytics: POST /v1/analytics/events takes an event, the worker counts it into its minute."""

from collections.abc import Iterable, Sequence

from chalice.app import Response

from analytics import service, store
from analytics.schema import Accepted, EventMessage, EventRequest, MetricQuery
from backend import queues
from backend.clock import now_ms
from backend.entrypoint import Call, Record, api, consumer, endpoint, reply
from backend.settings import settings
from backend.telemetry import metrics_of

app = api("analytics")
metrics = metrics_of("analytics")
queue = queues.connect(settings.analytics_queue_url)


@app.route("/v1/analytics/events", methods=["POST"])
@endpoint(app, "analytics:write")
def create_event(call: Call) -> Response:
    """Take one event to be counted."""
    service.accept(call.body(EventRequest), tenant=call.caller.tenant, queue=queue, now_ms=now_ms())
    metrics.count("EventsAccepted")
    return reply(Accepted(accepted=1), status=202)


@app.route("/v1/analytics/metrics", methods=["GET"])
@endpoint(app, "analytics:read")
def get_metric(call: Call) -> Response:
    """Show how often an event happened, and its values, by minute, hour or day."""
    return reply(service.measure(call.query(MetricQuery), tenant=call.caller.tenant, counts=store))


@consumer("analytics", EventMessage)
def worker(records: Sequence[Record]) -> Iterable[str]:
    """Count the events of these messages, each exactly once."""
    counted = service.count([(record.body, record.sent_at_ms) for record in records], counts=store)
    metrics.count("EventsCounted", counted)
    return ()
