"""The answers to requests about reports."""

from chalice.app import Response

from backend.clock import now_ms
from backend.entrypoint import Call, reply
from backend.pages import PageQuery
from backend.settings import settings
from payments.reports import files, service, store
from payments.reports.schema import (
    CONTENT_TYPES,
    ContentQuery,
    Report,
    ReportPage,
    ReportRequest,
    ReportView,
    view,
)

contents = files.connect(settings.reports_url)


def create(call: Call) -> Response:
    """Take the order of a report."""
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


def newest(call: Call) -> Response:
    """Return a page of reports."""
    query, tenant = call.query(PageQuery), call.caller.tenant
    page, has_more = service.newest(query, tenant=tenant, reports=store)
    return reply(ReportPage(data=[_view(each) for each in page], has_more=has_more))


def one(call: Call, report_id: str) -> Response:
    """Return a report."""
    report = service.find(report_id, tenant=call.caller.tenant, reports=store)
    return reply(_view(report))


def content(call: Call, report_id: str) -> Response:
    """Return a part of a content, or the address of the whole."""
    query = call.query(ContentQuery)
    report = service.finished(report_id, tenant=call.caller.tenant, reports=store)
    link = contents.link(report.file_name)
    if link and query.part == 1:
        return Response(body="", status_code=302, headers={"Location": link})
    text = contents.part(report.file_name, query.part).decode()
    return Response(
        body=text,
        status_code=200,
        headers={
            "Content-Type": CONTENT_TYPES[report.format],
            "Content-Disposition": f'attachment; filename="{report.file_name}"',
        },
    )


def _view(report: Report) -> ReportView:
    return view(report, parts=contents.parts(report.written.size))
