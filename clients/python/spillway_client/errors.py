"""The errors of this client, in one tree.

SpillwayError
├── ApiError             the API refused the request, or failed
│   ├── InvalidRequest   400, 413, 415, 422: `errors` names each wrong field
│   ├── Unauthorized     401
│   ├── Forbidden        403
│   ├── NotFound         404
│   ├── Conflict         409
│   ├── Throttled        429
│   └── ServerError      5xx
├── ConnectionFailed     no whole answer came
├── UnexpectedAnswer     an answer that is not of the shape the API describes
└── InvalidWebhook       a webhook that must not be trusted
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from spillway_client.reading import UnreadableRecord, record
from spillway_client.records import Fault, Rejection

RETRYABLE = {429, 500, 502, 503, 504}  # where something in between answered


class SpillwayError(Exception):
    """An error of this client; `idempotency_key` is the one under which a request was sent."""

    idempotency_key: str | None = None


class ConnectionFailed(SpillwayError):
    """No whole answer came; the request may have been done only where `sent`."""

    def __init__(self, reason: str, sent: bool) -> None:
        super().__init__(reason, sent)  # all of it: an error can be pickled
        self.sent = sent

    def __str__(self) -> str:
        return str(self.args[0])


class UnexpectedAnswer(SpillwayError):
    """An answer says success in a shape that the API does not describe."""


class InvalidWebhook(SpillwayError):
    """The webhook was not signed with any of the secrets, or is too old or too new."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The members of an error's body (RFC 9457) that programs use."""

    code: str
    detail: str
    request_id: str
    retryable: bool
    param: str | None = None
    errors: tuple[Fault, ...] = ()
    rejected: tuple[Rejection, ...] = ()


class ApiError(SpillwayError):
    """The answer to a request that was refused or that failed.

    Switch on `code`; `detail` is for people. `errors` has each wrong field of a request, and
    `rejected` each event of a batch. `retryable` says that the same request may succeed later:
    after `retry_after_s`, where that is not None. `request_id` is what support wants to know.
    """

    def __init__(self, status: int, problem: Problem, retry_after_s: float | None) -> None:
        super().__init__(status, problem, retry_after_s)
        self.status = status
        self.code = problem.code
        self.detail = problem.detail
        self.param = problem.param
        self.errors = problem.errors
        self.rejected = problem.rejected
        self.request_id = problem.request_id
        self.retryable = problem.retryable
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.status} {self.code}: {self.detail}{request}"


class InvalidRequest(ApiError):
    """The request is wrong."""


class Unauthorized(ApiError):
    """The client's id, its secret or its token does not hold."""


class Forbidden(ApiError):
    """The token lacks a scope, or there is no such route."""


class NotFound(ApiError):
    """This tenant has no such object."""


class Conflict(ApiError):
    """What the object has become does not allow the request."""


class Throttled(ApiError):
    """Too many requests came at once."""


class ServerError(ApiError):
    """The API failed or is overloaded."""


KINDS = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 429: Throttled}


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """Return the error that an answer stands for."""
    usual = ServerError if status >= 500 else InvalidRequest if status >= 400 else ApiError
    wait = headers.get("retry-after", "")
    return KINDS.get(status, usual)(
        status,
        _problem_of(status, headers, body),
        float(wait) if wait.isascii() and wait.isdecimal() else None,
    )


def _problem_of(status: int, headers: Mapping[str, str], body: bytes) -> Problem:
    """Return the problem of a body, or one made up where something in between answered."""
    try:
        return record(Problem, json.loads(body))
    except (ValueError, UnreadableRecord):
        return Problem(
            code=f"http_{status}",
            detail=f"the answer is not one of Spillway's: {body[:200]!r}",
            request_id=headers.get("x-amzn-requestid", ""),
            retryable=status in RETRYABLE,
        )
