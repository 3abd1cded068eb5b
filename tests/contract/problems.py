"""The problems that the API answers: their shape, and the statuses by name."""

import msgspec

import analytics.schema
import backend.errors


class Problem(msgspec.Struct, kw_only=True):
    """An error (RFC 9457); switch on `code`, and repeat the request if it is `retryable`.

    `errors` has every wrong field of a request; `code` and `param` are those of the first.

    `error` is only in answers to token requests, `rejected` only in those to batches of events.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    retryable: bool
    param: str | msgspec.UnsetType = msgspec.UNSET
    errors: list[backend.errors.Fault] | msgspec.UnsetType = msgspec.UNSET
    error: str | msgspec.UnsetType = msgspec.UNSET  # of a token request, as RFC 6749 has it
    rejected: list[analytics.schema.Rejection] | msgspec.UnsetType = msgspec.UNSET  # of a batch


# What the gateway answers on any route, and a function to a type or coding that it does not read.
ANYWHERE = (400, 413, 415, 429, 500, 502, 503, 504)
PROBLEMS = {  # the names of the responses, and when they come
    400: ("BadRequest", "It cannot be read, or lacks what each such request has."),
    401: ("Unauthorized", "It has no access token that holds, or the client is not known."),
    403: ("Forbidden", "The token lacks the scope."),
    404: ("NotFound", "There is no such object of this tenant."),
    409: ("Conflict", "The object's state does not allow it, or another change is under way."),
    413: ("TooLarge", "The body is over 256 KiB, or the headers are over 10 KiB."),
    415: ("UnsupportedMediaType", "The body's type or coding is not read here."),
    422: ("Invalid", "A value is not allowed; `param` names its field."),
    429: ("Throttled", "Too many requests; come again after the time given."),
    500: ("InternalError", "Something failed; repeat it with the same Idempotency-Key."),
    502: ("BadGateway", "The function failed; repeat it with the same Idempotency-Key."),
    503: ("Unavailable", "All capacity is in use, or a store does not answer; come again."),
    504: ("Timeout", "No answer in time; it may still take effect. Repeat it with the same key."),
}
