"""Payments: accepted and operated on over HTTP, settled by the worker, kept whole by schedules."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from chalice.app import Response
from msgspec import UnsetType

from backend import arrivals
from backend.clock import now_ms
from backend.entrypoint import Call, Record, api, consumer, endpoint, reply, scheduled
from backend.errors import ProviderUnavailable
from backend.idempotency import Claim, Replayed, idempotent, register
from backend.settings import settings
from backend.telemetry import logger, metrics_of, report
from payments import (
    balance_store,
    balances,
    clock_routes,
    disputes,
    life_cycle,
    outboxes,
    reconciliation,
    service,
    store,
)
from payments.customers import service as customer_service
from payments.customers import store as customer_store
from payments.customers.routes import routes as customer_routes
from payments.customers.schema import CustomerView
from payments.customers.schema import view as customer_view
from payments.dispute_routes import routes as dispute_routes
from payments.event_routes import routes as event_routes
from payments.operation_routes import outcome, response
from payments.operation_routes import routes as operation_routes
from payments.outside import dead_letters, outgoing, providers
from payments.reports.routes import routes as report_routes
from payments.schema import (
    Payment,
    PaymentListQuery,
    PaymentQuery,
    PaymentRequest,
    SettlePayment,
)
from payments.views import (
    NO_CUSTOMERS,
    PaymentPage,
    as_asked,
    balances_view,
    ledger_view,
    view,
)

app = api("payments")
app.register_blueprint(event_routes)
app.register_blueprint(customer_routes)
app.register_blueprint(clock_routes.routes)
app.register_blueprint(operation_routes)
app.register_blueprint(dispute_routes)
app.register_blueprint(report_routes)
metrics = metrics_of("payments")


@app.route("/v1/payments", methods=["POST"])
@endpoint(app, "payments:write")
def create_payment(call: Call) -> Response:
    """Accept a payment; a worker settles it."""
    register(call.context)
    request, tenant, key = call.body(PaymentRequest), call.caller.tenant, call.idempotency_key()
    claim = Claim(tenant=tenant, key=key, fingerprint=life_cycle.fingerprint(request))
    answer = accept(claim=claim, request=request)
    report(f"payment {outcome(answer)}", payment_id=answer["id"])
    return response(answer, status=201, location=f"/v1/payments/{answer['id']}")


@idempotent("POST /v1/payments")
def accept(*, claim: Claim, request: PaymentRequest) -> dict[str, Any]:
    payment, replayed = service.accept(
        request,
        key=claim.key,
        tenant=claim.tenant,
        payments=store,
        queues=outgoing,
        now_ms=now_ms(),
        provider=providers.name_of(claim.tenant),
        method_of=partial(_method_of, tenant=claim.tenant),
    )
    metrics.count("PaymentsAccepted", 0 if replayed else 1)
    answer: dict[str, Any] = msgspec.to_builtins(view(as_asked(payment, None)))
    return Replayed(answer) if replayed else answer


def _method_of(request: PaymentRequest, *, tenant: str) -> str | UnsetType:
    method = service.own_method(request)
    if request.customer:
        method = customer_service.method_of(request, tenant=tenant, customers=customer_store)
    has_clock, name = bool(request.test_clock), providers.name_of(tenant)
    providers.check(method, request.currency, name, has_clock=has_clock)
    return method


@app.route("/v1/payments/{payment_id}/ledger", methods=["GET"])
@endpoint(app, "payments:read")
def get_ledger(call: Call, payment_id: str) -> Response:
    """Show the double entries of one payment."""
    payment = service.find(payment_id, tenant=call.caller.tenant, payments=store)
    return reply(ledger_view(payment))


@app.route("/v1/balances", methods=["GET"])
@endpoint(app, "payments:read")
def get_balances(call: Call) -> Response:
    """Show what each account holds, by currency."""
    sums = balances.total(call.caller.tenant, balances=balance_store, payments=store)
    return reply(balances_view(sums))


@app.route("/v1/payments/{payment_id}", methods=["GET"])
@endpoint(app, "payments:read")
def get_payment(call: Call, payment_id: str) -> Response:
    """Show a payment."""
    query, tenant = call.query(PaymentQuery), call.caller.tenant
    payment = service.find(payment_id, tenant=tenant, payments=store)
    return reply(view(payment, _customers_of([payment], query, tenant)))


@app.route("/v1/payments", methods=["GET"])
@endpoint(app, "payments:read")
def list_payments(call: Call) -> Response:
    """List payments, newest first."""
    query, tenant = call.query(PaymentListQuery), call.caller.tenant
    page, has_more = service.newest(query, tenant=tenant, payments=store)
    customers = _customers_of(page, query, tenant)
    return reply(PaymentPage(data=[view(each, customers) for each in page], has_more=has_more))


def _customers_of(
    payments: Sequence[Payment], query: PaymentQuery | PaymentListQuery, tenant: str
) -> Mapping[str, CustomerView]:
    """Return the customers of these payments by id, where the query expands them."""
    ids = {each.customer for each in payments if each.customer}
    if not ids or "customer" not in (query.expand or "").split(","):
        return NO_CUSTOMERS
    customers = customer_store.find_many(tenant, ids)
    return {each: customer_view(customer) for each, customer in customers.items()}


@app.route("/v1/provider/webhooks", methods=["POST"])
@endpoint(app)
def hear_provider(call: Call) -> Response:
    """Take an event that a provider signed; a worker acts on it.

    What is about no order of ours is taken too: refused, it would come again and again.
    """
    news = providers.hear(call.raw_body, call.request.headers, now_s=now_ms() / 1000)
    for name, word in news:
        service.pass_on(word, provider=name, queues=outgoing)
        report("provider's answer accepted", payment_id=word.reference)
    metrics.count("ProviderEventsIgnored", int(not news))
    return reply({"status": "accepted" if news else "ignored"}, status=202)


@consumer("payments", SettlePayment, about=lambda body: (body.payment_id,))
def worker(records: Sequence[Record]) -> Iterable[str]:
    """Settle the payments that these messages name, and hear what the provider told of them."""
    news = [each for record in records for each in record.body.news]
    missed = service.hear(news, payments=store, queues=outgoing, now_ms=now_ms())
    settled = service.settle(
        {record.body.payment_id for record in records},
        payments=store,
        provider=providers,
        queues=outgoing,
        now_ms=now_ms(),
    )
    metrics.count("PaymentsSettled", len(settled))
    metrics.count("ProviderCircuitOpen", int(providers.is_left_alone))
    done = settled - missed
    for payment_id in done:
        report("payment settled", payment_id=payment_id)
    return _unsettled(records, done)


def _unsettled(records: Sequence[Record], done: set[str]) -> dict[str, str]:
    """Return why messages are to come again, by their ids.

    What the provider told of a payment that is not ours never does: another stack may share its
    account.
    """
    left = [each for each in records if each.body.payment_id not in done]
    payments = store.find_many({each.body.payment_id for each in left}) if left else {}
    unknown = [each for each in left if each.body.payment_id not in payments]
    metrics.count("ProviderEventsIgnored", sum(len(each.body.news) for each in unknown))
    return {
        each.message_id: f"NotSettled: Payment {each.body.payment_id} is not settled yet."
        if each.body.payment_id in payments
        else f"NotFound: There is no payment {each.body.payment_id}."
        for each in left
        if each.body.payment_id in payments or not each.body.news
    }


@scheduled("payments")
def relay(event: object) -> None:
    """Send what payments promised and could not send."""
    relayed = outboxes.relay(payments=store, queues=outgoing, now_ms=now_ms())
    metrics.count("PaymentsRelayed", relayed)
    if settings.test_clocks:
        clock_routes.move_all(payments=store, provider=providers, queues=outgoing)


def _reconciled(
    reconcile: Callable[..., reconciliation.Report],
) -> tuple[reconciliation.Report, ProviderUnavailable | None]:
    """Compare with each provider; one that shows nothing keeps no other from being compared."""
    report, failure = reconciliation.Report(effects=0), None
    options = {"payments": store, "queues": outgoing, "documents": arrivals}
    for name, provider in providers:
        try:
            report.add(reconcile(provider=provider, name=name, now_ms=now_ms(), **options))
        except ProviderUnavailable as error:
            failure = error
    return report, failure


@scheduled("payments")
def reconciler(event: dict[str, Any]) -> Any:
    """Compare payments with the provider's record, and fold them into balances.

    With `all` everything is compared, also balances with their payments, and nothing changed.
    """
    reconcile: Callable[..., reconciliation.Report] = reconciliation.reconcile_new
    if event.get("all"):
        since_ms = arrivals.listed_since_ms()
        reconcile = partial(reconciliation.reconcile_all, listed_since_ms=since_ms)
    report, failure = _reconciled(reconcile)
    report.stuck = reconciliation.stuck(payments=store, now_ms=now_ms())
    report.dead_letters = dead_letters.depth().visible
    report.disputes_due_soon = disputes.due_soon(payments=store, now_ms=now_ms())
    metrics.count("PaymentMismatches", len(report.mismatches))
    metrics.count("DisputesDueSoon", report.disputes_due_soon)
    metrics.count("PaymentsUnsettled", report.unsettled)
    metrics.count("PaymentsStuck", report.stuck)
    metrics.count("PaymentDeadLetters", report.dead_letters)
    metrics.count("PaymentMessagesSentAgain", report.sent_again)
    for each in report.mismatches:
        logger.error("mismatch", extra={"payment_id": each.payment_id, "kind": each.kind})
    if event.get("all"):
        report.wrong_sums = balances.differences(balances=balance_store, payments=store)
    else:
        folded = balances.fold(balances=balance_store, payments=store, now_ms=now_ms())
        metrics.count("PaymentsFolded", folded)
    if failure:
        raise failure  # so that the run counts as failed, with all else done
    return msgspec.to_builtins(report)
