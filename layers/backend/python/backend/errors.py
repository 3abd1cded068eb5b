"""The one tree of errors, and the RFC 9457 shape in which a client sees them.

BackendError
├── RequestError            the client's to mend
│   ├── InvalidRequest      400 malformed, 415 wrong content type, 422 well-formed but wrong
│   │   └── KeyReused       422
│   ├── Unauthorized        401
│   ├── Forbidden           403
│   ├── NotFound            404
│   ├── Conflict            409 the same request may succeed later
│   ├── Throttled           429 so may it, after the time given
│   └── InvalidState        409 it cannot
└── Unavailable             503, the same request may succeed later
    ├── StoreUnavailable
    ├── ProviderUnavailable
    └── CircuitOpen

A queue's own errors, `redis_sqs.QueueUnavailable` and `QueueFull`, are 503 too; `of_queue` makes
them one of these. Drivers' exceptions are turned into these where the driver is called and nowhere
else. In a worker an error means "deliver again"; a permanent refusal is a stored outcome, not an
exception.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from msgspec import Struct

from redis_sqs import QueueFull, QueueUnavailable

PROBLEM_CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 1  # long enough for a process to start again, short enough to be obeyed


class Fault(Struct, frozen=True):
    """One wrong field of a request: which, in what way, and a sentence that says what is right."""

    param: str | None
    code: str
    detail: str


# The codes of faults that the request as a whole tells as `invalid_request`, as it always did.
FIELD_CODES = frozenset({"field_required", "unknown_field", "wrong_type", "invalid_value"})


class BackendError(Exception):
    """A refusal or a failure of the backend; clients switch on `code` (stable, snake_case)."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal server error"
    code: str = "internal_error"
    retryable: ClassVar[bool] = False
    retry_after_s: int = RETRY_AFTER_S

    def __init__(self, detail: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.param = param
        if code is not None:
            self.code = code


class RequestError(BackendError):
    """The request cannot succeed as it is."""


class InvalidRequest(RequestError):
    """The body, a parameter or a header is malformed (400) or, parsed, not acceptable (422)."""

    title = "Invalid request"
    code = "invalid_request"

    def __init__(
        self, detail: str, *, status: int = 422, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(detail, code=code, param=param)
        self.status = status  # type: ignore[misc]  # the one class with three statuses
        self.faults: Sequence[Fault] = ()
        if param is not None:
            self.faults = (Fault(param, code or "invalid_value", detail),)

    @classmethod
    def of(cls, faults: Sequence[Fault]) -> "InvalidRequest":
        """Return the error of a request with these faults; it bears code and param of the first."""
        first, *others = faults
        rest = f" {len(others)} more: see errors." if others else ""
        code = None if first.code in FIELD_CODES else first.code
        error = cls(first.detail + rest, code=code, param=first.param)
        error.faults = tuple(faults)
        return error


class KeyReused(InvalidRequest):
    """An Idempotency-Key that came before, with another request."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used with another body.")


class Unauthorized(RequestError):
    """The refusal of a request with no token, or one that does not hold."""

    status = 401
    title = "Unauthorized"
    code = "unauthorized"


class Forbidden(RequestError):
    """A good token without the scope that the route asks for."""

    status = 403
    title = "Forbidden"
    code = "insufficient_scope"


class NotFound(RequestError):
    """The refusal of an object that this tenant has not; another tenant's is not found either."""

    status = 404
    title = "Not found"
    code = "not_found"


class Conflict(RequestError):
    """The same key is still in progress, or the object changes all the time just now."""

    status = 409
    title = "Conflict"
    code = "conflict"
    retryable = True


class Throttled(RequestError):
    """More requests than one tenant may send to these routes."""

    status = 429
    title = "Too many requests"
    code = "throttled"
    retryable = True

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class InvalidState(RequestError):
    """The operation is not allowed in the object's present state."""

    status = 409
    title = "Conflict"
    code = "invalid_state"


class Unavailable(BackendError):
    """A dependency does not answer; nothing is wrong with the request."""

    status = 503
    title = "Service unavailable"
    code = "unavailable"
    retryable = True


class StoreUnavailable(Unavailable):
    """The document store does not answer; a write may have happened and is safe to repeat."""

    code = "store_unavailable"


class ProviderUnavailable(Unavailable):
    """The payment provider does not show what it did."""

    code = "provider_unavailable"


class CircuitOpen(Unavailable):
    """The dependency failed too often just now; it was not called."""

    code = "circuit_open"


def of_queue(error: QueueUnavailable) -> Unavailable:
    """Return a queue's own error as clients see it."""
    if isinstance(error, QueueFull):
        return Unavailable(str(error), code="queue_full")
    return Unavailable(str(error), code="queue_unavailable")


def problem(error: BackendError, *, request_id: str) -> dict[str, object]:
    """Return the RFC 9457 body of `error`, with code, request_id, retryable and param."""
    body: dict[str, object] = {
        "type": f"urn:spillway:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": f"urn:uuid:{request_id}",
        "code": error.code,
        "request_id": request_id,
        "retryable": error.retryable,
    }
    if error.param is not None:
        body["param"] = error.param
    if isinstance(error, InvalidRequest) and error.faults:
        body["errors"] = [msgspec.structs.asdict(each) for each in error.faults]
    return body
