"""The routes of reports; `payments.app` serves them."""

from chalice.app import Blueprint, Response

from backend.clock import now_ms
from backend.entrypoint import Call, endpoint, reply
from backend.pages import PageQuery
from backend.settings import settings
from payments.reports import files, service, store
from payments.reports.schema import (
    ContentQuery,
    Report,
    ReportPage,
    ReportRequest,
    ReportView,
    view,
)
from payments.reports.sheets import CONTENT_TYPES

routes = Blueprint(__name__)
contents = files.connect(settings.reports_url, CONTENT_TYPES)


@routes.route("/v1/reports", methods=["POST"])
@endpoint(routes, "payments:write")
def create_report(call: Call) -> Response:
    """Ask for a report of a period that is over; a schedule builds it."""
    report, replayed = service.create(
        call.body(ReportRequest),
        key=call.idempotency_key(),
        tenant=call.caller.tenant,
        reports=store,
        now_ms=now_ms(),
    )
    headers = {"Location": f"/v1/reports/{report.id}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return reply(view(report), status=201, headers=headers)


@routes.route("/v1/reports", methods=["GET"])
@endpoint(routes, "payments:read")
def list_reports(call: Call) -> Response:
    """List reports, newest first."""
    query, tenant = call.query(PageQuery), call.caller.tenant
    page, has_more = service.newest(query, tenant=tenant, reports=store)
    return reply(ReportPage(data=[_view(each) for each in page], has_more=has_more))


@routes.route("/v1/reports/{report_id}", methods=["GET"])
@endpoint(routes, "payments:read")
def get_report(call: Call, report_id: str) -> Response:
    """Show a report, with its totals once it is built."""
    report = service.find(report_id, tenant=call.caller.tenant, reports=store)
    return reply(_view(report))


@routes.route("/v1/reports/{report_id}/content", methods=["GET"])
@endpoint(routes, "payments:read")
def get_report_content(call: Call, report_id: str) -> Response:
    """Return a part of a report's content, or where the whole of it is."""
    query = call.query(ContentQuery)
    report = service.finished(report_id, tenant=call.caller.tenant, reports=store)
    link = contents.link(report.file_name)
    if link and query.part == 1:
        return Response(body="", status_code=302, headers={"Location": link})
    text = contents.part(report.file_name, query.part).decode()
    file_name = f'attachment; filename="{report.file_name}"'
    return Response(
        body=text,
        status_code=200,
        headers={
            "Content-Type": CONTENT_TYPES[report.format],
            "Content-Disposition": file_name,
        },
    )


def _view(report: Report) -> ReportView:
    return view(report, parts=contents.parts(report.written.size))
