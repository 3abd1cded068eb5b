"""The operations of the API: the shapes of each route, of which the OpenAPI document is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import access.requests
import access.schema
import analytics.schema
import api.schema
import backend.pages
import backend.shapes
import backend.test_clocks
import notifications.rendered
import notifications.schema
import notifications.suppressions.preferences
import notifications.suppressions.routes
import notifications.suppressions.service
import notifications.templates.own
import notifications.templates.routes
import notifications.webhooks.endpoint_log
import notifications.webhooks.endpoints
import payments.customers.schema
import payments.dispute_schema
import payments.events
import payments.reports.schema
import payments.schema
import payments.views
import payments.webhooks

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """The shapes that go into a route and come out, which the template does not say."""

    status: int = 200
    answer: Any = None
    answer_type: str = JSON
    body: Any = None
    body_type: str = JSON
    body_required: bool = True
    raw_body_types: tuple[str, ...] = ()  # the same, written otherwise
    query: Any = None
    needs_key: bool = False
    refuses: tuple[int, ...] = ()
    other_answer_types: tuple[str, ...] = ()
    besides: tuple[tuple[int, str], ...] = ()  # other statuses that are no problems, and when


OPERATIONS: Mapping[str, Operation] = {
    "GET /health": Operation(answer=api.schema.Health),
    "GET /health/ready": Operation(answer=api.schema.Readiness),
    "POST /oauth2/token": Operation(
        answer=api.schema.Token,
        body=api.schema.TokenRequest,
        body_type=FORM,
        refuses=(401,),
    ),
    "GET /.well-known/jwks.json": Operation(answer=dict[str, list[dict[str, str]]]),
    "GET /openapi.json": Operation(answer=dict[str, Any]),
    "GET /docs": Operation(answer=str, answer_type="text/html"),
    "POST /v1/payments": Operation(
        status=201,
        answer=payments.views.PaymentView,
        body=payments.schema.PaymentRequest,
        needs_key=True,
        refuses=(409,),
    ),
    "GET /v1/payments": Operation(
        answer=payments.views.PaymentPage, query=payments.schema.PaymentListQuery
    ),
    "GET /v1/payments/{payment_id}": Operation(
        answer=payments.views.PaymentView, query=payments.schema.PaymentQuery, refuses=(404,)
    ),
    "POST /v1/payments/{payment_id}/confirm": Operation(
        status=202,
        answer=payments.views.PaymentView,
        body=payments.schema.ConfirmRequest,
        needs_key=True,
        refuses=(404, 409),
    ),
    "GET /v1/payments/{payment_id}/refunds": Operation(
        answer=payments.views.RefundPage, query=backend.pages.PageQuery, refuses=(404,)
    ),
    "GET /v1/payments/{payment_id}/refunds/{refund_id}": Operation(
        answer=payments.views.RefundView, refuses=(404,)
    ),
    "POST /v1/customers": Operation(
        status=201,
        answer=payments.customers.schema.CustomerView,
        body=payments.customers.schema.CustomerRequest,
        body_required=False,
        needs_key=True,
        refuses=(409,),
    ),
    "GET /v1/customers": Operation(
        answer=payments.customers.schema.CustomerPage, query=backend.pages.PageQuery
    ),
    "GET /v1/customers/{customer_id}": Operation(
        answer=payments.customers.schema.CustomerView, refuses=(404,)
    ),
    "PATCH /v1/customers/{customer_id}": Operation(
        answer=payments.customers.schema.CustomerView,
        body=payments.customers.schema.CustomerChange,
        refuses=(404, 409),
    ),
    "DELETE /v1/customers/{customer_id}": Operation(answer=backend.shapes.Deleted, refuses=(404,)),
    "POST /v1/customers/{customer_id}/payment-methods": Operation(
        status=201,
        answer=payments.customers.schema.MethodView,
        body=payments.customers.schema.MethodRequest,
        refuses=(404, 409),
    ),
    "GET /v1/customers/{customer_id}/payment-methods": Operation(
        answer=payments.customers.schema.MethodPage, refuses=(404,)
    ),
    "DELETE /v1/customers/{customer_id}/payment-methods/{payment_method}": Operation(
        answer=backend.shapes.Deleted, refuses=(404, 409)
    ),
    "POST /v1/payments/{payment_id}/capture": Operation(
        status=202,
        answer=payments.views.PaymentView,
        body=payments.schema.CaptureRequest,
        body_required=False,
        needs_key=True,
        refuses=(404, 409),
    ),
    "POST /v1/payments/{payment_id}/cancel": Operation(
        status=202,
        answer=payments.views.PaymentView,
        body=payments.schema.CancelRequest,
        body_required=False,
        needs_key=True,
        refuses=(404, 409),
    ),
    "POST /v1/payments/{payment_id}/refunds": Operation(
        status=201,
        answer=payments.views.RefundView,
        body=payments.schema.RefundRequest,
        body_required=False,
        needs_key=True,
        refuses=(404, 409),
    ),
    "GET /v1/payments/{payment_id}/ledger": Operation(
        answer=payments.views.LedgerView, refuses=(404,)
    ),
    "GET /v1/disputes": Operation(
        answer=payments.views.DisputePage, query=payments.dispute_schema.DisputeListQuery
    ),
    "GET /v1/disputes/{dispute_id}": Operation(answer=payments.views.DisputeView, refuses=(404,)),
    "POST /v1/disputes/{dispute_id}": Operation(
        status=202,
        answer=payments.views.DisputeView,
        body=payments.dispute_schema.EvidenceRequest,
        needs_key=True,
        refuses=(404, 409),
    ),
    "POST /v1/disputes/{dispute_id}/close": Operation(
        status=202,
        answer=payments.views.DisputeView,
        needs_key=True,
        refuses=(404, 409),
    ),
    "POST /v1/test-clocks": Operation(
        status=201,
        answer=backend.test_clocks.ClockView,
        body=backend.test_clocks.ClockRequest,
        refuses=(409,),
    ),
    "GET /v1/test-clocks": Operation(answer=backend.test_clocks.ClockPage),
    "GET /v1/test-clocks/{clock_id}": Operation(
        answer=backend.test_clocks.ClockView, refuses=(404,)
    ),
    "POST /v1/test-clocks/{clock_id}/advance": Operation(
        status=202,
        answer=backend.test_clocks.ClockView,
        body=backend.test_clocks.ClockRequest,
        refuses=(404, 409),
    ),
    "DELETE /v1/test-clocks/{clock_id}": Operation(answer=backend.shapes.Deleted, refuses=(404,)),
    "POST /v1/reports": Operation(
        status=201,
        answer=payments.reports.schema.ReportView,
        body=payments.reports.schema.ReportRequest,
        needs_key=True,
        refuses=(409,),
    ),
    "GET /v1/reports": Operation(
        answer=payments.reports.schema.ReportPage, query=backend.pages.PageQuery
    ),
    "GET /v1/reports/{report_id}": Operation(
        answer=payments.reports.schema.ReportView, refuses=(404,)
    ),
    "GET /v1/reports/{report_id}/content": Operation(
        answer=str,
        answer_type="text/csv",
        query=payments.reports.schema.ContentQuery,
        refuses=(404, 409),
        other_answer_types=("application/jsonl",),
        besides=((302, "Where Location says"),),
    ),
    "GET /v1/balances": Operation(answer=payments.views.BalancesView),
    "GET /v1/events": Operation(
        answer=payments.events.ListedEventPage, query=payments.events.EventQuery
    ),
    "GET /v1/events/{event_id}": Operation(answer=payments.events.ListedEventView, refuses=(404,)),
    "POST /v1/provider/webhooks": Operation(
        status=202,
        answer=dict[str, str],
        body=payments.webhooks.ProviderEvent,
        refuses=(401, 422),
    ),
    "POST /v1/tenants": Operation(
        status=201,
        answer=access.schema.TenantView,
        body=access.schema.TenantRequest,
        needs_key=True,
        refuses=(409,),
    ),
    "GET /v1/tenants": Operation(answer=access.schema.TenantPage, query=backend.pages.PageQuery),
    "GET /v1/tenants/{tenant_id}": Operation(answer=access.schema.TenantView, refuses=(404,)),
    "PATCH /v1/tenants/{tenant_id}": Operation(
        answer=access.schema.TenantView, body=access.schema.TenantChange, refuses=(404, 409)
    ),
    "POST /v1/clients": Operation(
        status=201,
        answer=access.schema.ClientView,
        body=access.schema.ClientRequest,
        needs_key=True,
        refuses=(409,),
    ),
    "GET /v1/clients": Operation(answer=access.schema.ClientPage, query=access.schema.ClientQuery),
    "GET /v1/clients/{client_id}": Operation(answer=access.schema.ClientView, refuses=(404,)),
    "PATCH /v1/clients/{client_id}": Operation(
        answer=access.schema.ClientView, body=access.schema.ClientChange, refuses=(404, 409)
    ),
    "POST /v1/clients/{client_id}/rotate-secret": Operation(
        answer=access.schema.ClientView,
        body=access.schema.Rotation,
        body_required=False,
        needs_key=True,
        refuses=(404, 409),
    ),
    "GET /v1/requests": Operation(
        answer=access.requests.RequestPage, query=access.requests.RequestQuery
    ),
    "GET /v1/audit-log": Operation(answer=access.schema.AuditPage, query=access.schema.AuditQuery),
    "POST /v1/analytics/events": Operation(
        status=202, answer=analytics.schema.Accepted, body=analytics.schema.EventRequest
    ),
    "POST /v1/analytics/events/batch": Operation(
        status=202,
        answer=analytics.schema.Accepted,
        body=analytics.schema.BatchRequest,
        raw_body_types=("application/x-ndjson", "application/gzip"),
    ),
    "GET /v1/analytics/metrics": Operation(
        answer=analytics.schema.Metric,
        query=analytics.schema.MetricQuery,
        besides=((304, "As If-None-Match says"),),
    ),
    "GET /v1/analytics/events": Operation(
        answer=analytics.schema.EventPage, query=analytics.schema.EventsQuery
    ),
    "GET /v1/analytics/funnel": Operation(
        answer=analytics.schema.Funnel, query=analytics.schema.FunnelQuery
    ),
    "GET /v1/analytics/names": Operation(
        answer=analytics.schema.NamePage, query=analytics.schema.NamesQuery
    ),
    "POST /v1/notifications": Operation(
        status=202,
        answer=notifications.schema.Queued,
        body=notifications.schema.NotificationRequest,
        needs_key=True,
        refuses=(409,),
    ),
    "GET /v1/notifications": Operation(
        answer=notifications.schema.NotificationPage,
        query=notifications.schema.NotificationQuery,
        refuses=(429,),
    ),
    "GET /v1/notifications/{notification_id}": Operation(
        answer=notifications.schema.NotificationView, refuses=(404,)
    ),
    "POST /v1/suppressions": Operation(
        status=201,
        answer=notifications.suppressions.service.SuppressionView,
        body=notifications.suppressions.service.SuppressionRequest,
    ),
    "GET /v1/suppressions": Operation(
        answer=notifications.suppressions.service.SuppressionPage,
        query=backend.pages.PageQuery,
    ),
    "DELETE /v1/suppressions/{suppression_id}": Operation(
        answer=backend.shapes.Deleted, refuses=(404,)
    ),
    "GET /v1/preferences": Operation(
        answer=notifications.suppressions.preferences.PreferencePage,
        query=notifications.suppressions.preferences.PreferenceQuery,
    ),
    "PUT /v1/preferences/{category}": Operation(
        answer=notifications.suppressions.preferences.PreferenceView,
        body=notifications.suppressions.preferences.PreferenceRequest,
    ),
    "GET /v1/templates": Operation(answer=notifications.templates.own.TemplatePage),
    "PUT /v1/templates/{name}": Operation(
        answer=notifications.templates.own.TemplateView,
        body=notifications.templates.own.TemplateRequest,
        refuses=(409,),
    ),
    "GET /v1/templates/{name}": Operation(
        answer=notifications.templates.own.TemplateView,
        query=notifications.templates.routes.TemplateQuery,
        refuses=(404,),
    ),
    "GET /v1/templates/{name}/versions": Operation(
        answer=notifications.templates.own.TemplatePage, refuses=(404,)
    ),
    "POST /v1/templates/{name}/archive": Operation(
        answer=notifications.templates.own.TemplateView, refuses=(404, 409)
    ),
    "POST /v1/templates/{name}/preview": Operation(
        answer=notifications.rendered.Rendered,
        body=notifications.templates.routes.PreviewRequest,
        refuses=(404,),
    ),
    "GET /unsubscribe": Operation(
        answer=str,
        answer_type="text/html",
        query=notifications.suppressions.routes.Link,
        refuses=(404,),
    ),
    "POST /unsubscribe": Operation(
        answer=str,
        answer_type="text/html",
        query=notifications.suppressions.routes.Link,
        refuses=(404,),
    ),
    "POST /v1/notifications/{notification_id}/cancel": Operation(
        answer=notifications.schema.NotificationView, refuses=(404, 409)
    ),
    "POST /v1/webhook-endpoints": Operation(
        status=201,
        answer=notifications.webhooks.endpoints.EndpointView,
        body=notifications.webhooks.endpoints.EndpointRequest,
        refuses=(409,),
    ),
    "GET /v1/webhook-endpoints": Operation(answer=notifications.webhooks.endpoints.EndpointPage),
    "GET /v1/webhook-endpoints/{endpoint_id}": Operation(
        answer=notifications.webhooks.endpoints.EndpointView, refuses=(404,)
    ),
    "PATCH /v1/webhook-endpoints/{endpoint_id}": Operation(
        answer=notifications.webhooks.endpoints.EndpointView,
        body=notifications.webhooks.endpoints.EndpointChange,
        refuses=(404, 409),
    ),
    "DELETE /v1/webhook-endpoints/{endpoint_id}": Operation(
        answer=backend.shapes.Deleted, refuses=(404,)
    ),
    "POST /v1/webhook-endpoints/{endpoint_id}/rotate-secret": Operation(
        answer=notifications.webhooks.endpoints.EndpointView, refuses=(404, 409)
    ),
    "POST /v1/webhook-endpoints/{endpoint_id}/enable": Operation(
        answer=notifications.webhooks.endpoints.EndpointView, refuses=(404, 409)
    ),
    "POST /v1/webhook-endpoints/{endpoint_id}/disable": Operation(
        answer=notifications.webhooks.endpoints.EndpointView, refuses=(404, 409)
    ),
    "POST /v1/webhook-endpoints/{endpoint_id}/test": Operation(
        status=202, answer=notifications.schema.Queued, refuses=(404, 409)
    ),
    "GET /v1/webhook-endpoints/{endpoint_id}/deliveries": Operation(
        answer=notifications.schema.NotificationPage,
        query=notifications.webhooks.endpoint_log.DeliveryQuery,
        refuses=(404,),
    ),
    "GET /v1/webhook-endpoints/{endpoint_id}/deliveries/{notification_id}": Operation(
        answer=notifications.schema.NotificationView, refuses=(404,)
    ),
    "POST /v1/webhook-endpoints/{endpoint_id}/deliveries/{notification_id}/resend": Operation(
        status=202, answer=notifications.schema.Queued, refuses=(404, 409)
    ),
}
