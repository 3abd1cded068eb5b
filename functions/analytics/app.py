"""Analytics: events accepted over HTTP, counted by the worker, kept and checked by schedules."""

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from chalice.app import Response

from analytics import exact, ingestion, losses, queries, recount, service, store, upkeep
from analytics.groups import Groups
from analytics.schema import (
    Accepted,
    EventMessage,
    EventRequest,
    EventsQuery,
    FunnelQuery,
    MetricQuery,
    NamesQuery,
)
from analytics.uniques import Uniques
from backend import queues
from backend.clock import now_ms
from backend.entrypoint import (
    Call,
    Record,
    api,
    consumer,
    endpoint,
    reply,
    scheduled,
)
from backend.errors import PROBLEM_CONTENT_TYPE, InvalidRequest, Unavailable, problem
from backend.problem_answers import request_id_of
from backend.settings import settings
from backend.telemetry import logger, metrics_of, report

JSON = "application/json"
WORK_MAX_S = 3  # of the five that a worker has; a part of a batch takes less than one
BATCH_TYPES = [JSON, ingestion.NDJSON, ingestion.GZIP]

app = api("analytics")
app.api.binary_types += [ingestion.NDJSON, ingestion.GZIP]  # as the template says
metrics = metrics_of("analytics")
queue = queues.connect(settings.analytics_queue_url)
uniques = Uniques(settings.redis_url)
groups = Groups(settings.analytics_group_by)


@app.route("/v1/analytics/events", methods=["POST"])
@endpoint(app, "analytics:write")
def create_event(call: Call) -> Response:
    """Take one event to be counted."""
    event_id = ingestion.accept(
        call.body(EventRequest), tenant=call.caller.tenant, queue=queue, now_ms=now_ms()
    )
    metrics.count("EventsAccepted")
    report("event accepted", event_id=event_id)
    return reply(Accepted(accepted=1), status=202)


@app.route("/v1/analytics/events/batch", methods=["POST"], content_types=BATCH_TYPES)
@endpoint(app, "analytics:write", unpacks=True)
def create_events(call: Call) -> Response:
    """Take up to 500 events to be counted, as JSON or one a line, also packed by gzip."""
    headers, raw = call.request.headers, call.request.raw_body
    raws, sent_at = ingestion.read_batch(
        raw.encode() if isinstance(raw, str) else raw,
        content_type=headers.get("content-type", JSON).partition(";")[0].strip().lower(),
        encoding=headers.get("content-encoding"),
    )
    accepted = ingestion.accept_batch(
        raws, sent_at=sent_at, tenant=call.caller.tenant, queue=queue, now_ms=now_ms()
    )
    metrics.count("EventsAccepted", accepted.accepted)
    metrics.count("EventsRejected", len(accepted.rejected))
    report("events accepted", count=str(accepted.accepted), rejected=str(len(accepted.rejected)))
    return reply(accepted, status=202) if accepted.accepted else _none_valid(call, accepted)


@app.route("/v1/analytics/metrics", methods=["GET"])
@endpoint(app, "analytics:read")
def get_metric(call: Call) -> Response:
    """Show how often an event happened, its values and users, by minute, hour or day."""
    query, asked_ms = call.query(MetricQuery), now_ms()
    metric = queries.measure(
        query,
        tenant=call.caller.tenant,
        counts=store,
        users=uniques,
        group_by=settings.analytics_group_by,
        now_ms=asked_ms,
    )
    body = msgspec.json.encode(metric)
    if not queries.is_closed(metric, query, now_ms=asked_ms):
        return reply(body.decode())
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}  # late events may change it
    cached_tags = call.request.headers.get("if-none-match", "")
    if tag in cached_tags or cached_tags.strip() == "*":
        return Response(body="", status_code=304, headers={**headers})
    return reply(body.decode(), headers=headers)


@app.route("/v1/analytics/events", methods=["GET"])
@endpoint(app, "analytics:read")
def list_analytics_events(call: Call) -> Response:
    """List the events of a name as they were counted, newest minute first."""
    query = call.query(EventsQuery)
    return reply(exact.page(query, tenant=call.caller.tenant, events=store, now_ms=now_ms()))


@app.route("/v1/analytics/funnel", methods=["GET"])
@endpoint(app, "analytics:read")
def get_funnel(call: Call) -> Response:
    """Show how many users went how far through steps."""
    query = call.query(FunnelQuery)
    return reply(exact.funnel(query, tenant=call.caller.tenant, events=store, now_ms=now_ms()))


@app.route("/v1/analytics/names", methods=["GET"])
@endpoint(app, "analytics:read")
def list_names(call: Call) -> Response:
    """List the names of events, in alphabetical order."""
    return reply(queries.names(call.query(NamesQuery), tenant=call.caller.tenant, counts=store))


@consumer("analytics", EventMessage, about=lambda body: (each.event_id for each in body.events))
def worker(records: Sequence[Record]) -> Iterable[str]:
    """Count the events of these messages, each exactly once; each tenant's by themselves.

    Tenants with few events come first, and what there is no time for is delivered again.
    """
    started_s = time.monotonic()
    failed: dict[str, str] = {}
    for part in _parts(records):
        try:
            if time.monotonic() - started_s > WORK_MAX_S:
                raise Unavailable("There is no time left.")
            counted = service.count(
                [(record.body, record.sent_at_ms) for record in part],
                counts=store,
                users=uniques,
                groups=groups,
                now_ms=now_ms(),
            )
        except Exception as error:  # edge: the records of one tenant; others go on
            logger.exception("events were not counted", extra={"tenant": part[0].body.tenant})
            failed |= {record.message_id: str(error) for record in part}
        else:
            metrics.count("EventsCounted", counted)
    return failed


@scheduled("analytics")
def folder(event: object) -> None:
    """Fold minutes into hours and hours into days, and put users in again where some are lost."""
    if settings.queue_backend == "redis":
        lost = losses.watch(counts=store, redis=uniques, queue=queue, now_ms=now_ms())
        metrics.count("AnalyticsMessagesLost", lost)
        if lost:
            logger.error("Redis was emptied", extra={"messages": lost})
    metrics.count("PeriodsFolded", upkeep.fold(counts=store))
    metrics.count("UserMinutesRestored", upkeep.restore_users(counts=store, users=uniques))


@scheduled("analytics")
def recounter(event: dict[str, Any]) -> Any:
    """Count minutes again from raw events: some, chosen at random, or with `all` every one."""
    again = recount.recount_all if event.get("all") else recount.recount_some
    report = again(counts=store, now_ms=now_ms())
    report.unknown = losses.messages_lost(store.watched(), now_ms=now_ms())
    metrics.count("EventsRecounted", report.events)
    metrics.count("EventCountDifferences", len(report.differences))
    for each in report.differences:
        logger.error("counted wrong", extra={"bucket": each.id, "kind": each.kind})
    return msgspec.to_builtins(report)


def _parts(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Give the records of each tenant, fewest events first, as many at a time as one write has."""
    by_tenant: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_tenant[record.body.tenant].append(record)
    for own in sorted(by_tenant.values(), key=_size):
        part: list[Record] = []
        for record in own:
            if part and _size([*part, record]) > service.EVENTS_MAX:
                yield part
                part = []
            part.append(record)
        yield part


def _size(records: Iterable[Record]) -> int:
    return sum(len(record.body.events) for record in records)


def _none_valid(call: Call, accepted: Accepted) -> Response:
    error = InvalidRequest("No event is valid; see `rejected`.", status=400, code="no_valid_event")
    body = problem(error, request_id=request_id_of(call.request))
    body["rejected"] = msgspec.to_builtins(accepted.rejected)
    return reply(
        msgspec.json.encode(body).decode(),
        status=error.status,
        headers={"Content-Type": PROBLEM_CONTENT_TYPE},
    )
