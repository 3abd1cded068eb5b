"""Answers that tell an error: problem+json, with the id of the request, and when to try again."""

import json

from chalice.app import Request, Response

from backend.errors import PROBLEM_CONTENT_TYPE, BackendError, InvalidRequest, NotFound, problem
from backend.telemetry import logger

RETRYABLE_STATUSES = frozenset({409, 429, 503})


def problem_response(error: BackendError, request: Request) -> Response:
    """Return the answer that tells an error, which is logged where it is ours."""
    headers: dict[str, str | list[str]] = {"Content-Type": PROBLEM_CONTENT_TYPE}
    if error.status in RETRYABLE_STATUSES:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status >= 500:
        extra = {**(request.uri_params or {}), "detail": error.detail}
        # Where nothing was called a traceback says nothing, and a store that is out has many.
        logger.warning(error.code, extra=extra, exc_info=error if error.__cause__ else None)
    body = json.dumps(problem(error, request_id=request_id_of(request)))
    return Response(body=body, status_code=error.status, headers=headers)


def request_id_of(request: Request) -> str:
    """Return the id that the gateway gave the request (its `x-amzn-RequestId`)."""
    request_id = request.context.get("requestId")  # `chalice local` gives none
    return str(request_id or getattr(request.lambda_context, "aws_request_id", "none"))


def problem_of_chalice(response: Response, request: Request) -> Response:
    """Turn what Chalice answers by itself into our shape; its bodies are dicts, ours are text."""
    detail = str(response.body.get("Message", "")) or "The request failed."
    match response.status_code:
        case 404:
            error: BackendError = NotFound(detail)
        case 415:
            # Chalice says what was sent only; the document of the API has what each route takes.
            detail += "; send application/json, or what GET /openapi.json has for this route."
            error = InvalidRequest(detail, status=415, code="unsupported_media_type")
        case status if status < 500:
            error = InvalidRequest(detail, status=status)
        case _:
            error = BackendError("An internal error; retry with the same Idempotency-Key.")
    return problem_response(error, request)
