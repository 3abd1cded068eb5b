"""The routes of reports; `payments.app` serves them.

Of its requests few are about reports, so the first of those imports what answers them: the others
start without.
"""

from types import ModuleType

from chalice.app import Blueprint, Response

from backend.entrypoint import Call, endpoint

routes = Blueprint(__name__)


@routes.route("/v1/reports", methods=["POST"])
@endpoint(routes, "payments:write")
def create_report(call: Call) -> Response:
    """Ask for a report of a period that is over; a schedule builds it."""
    answer: Response = _answers().create(call)
    return answer


@routes.route("/v1/reports", methods=["GET"])
@endpoint(routes, "payments:read")
def list_reports(call: Call) -> Response:
    """List reports, newest first."""
    answer: Response = _answers().newest(call)
    return answer


@routes.route("/v1/reports/{report_id}", methods=["GET"])
@endpoint(routes, "payments:read")
def get_report(call: Call, report_id: str) -> Response:
    """Show a report, with its totals once it is built."""
    answer: Response = _answers().one(call, report_id)
    return answer


@routes.route("/v1/reports/{report_id}/content", methods=["GET"])
@endpoint(routes, "payments:read")
def get_report_content(call: Call, report_id: str) -> Response:
    """Return a part of a report's content, or where the whole of it is."""
    answer: Response = _answers().content(call, report_id)
    return answer


def _answers() -> ModuleType:
    from payments.reports import answers  # noqa: PLC0415  # 3 ms of a cold start

    return answers
