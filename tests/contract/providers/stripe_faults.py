"""The faults that befall an order at Stripe: in place of carrying it out, or of its answer."""

from collections.abc import Callable
from typing import Any

LIMITED = {"error": {"type": "invalid_request_error", "code": "rate_limit"}}
LOCKED = {"error": {"type": "invalid_request_error", "code": "lock_timeout"}}
ODD = {"error": {"type": "invalid_request_error", "code": "something_new"}}
BEFORE: dict[str, Any] = {
    "limited": (429, LIMITED),
    "locked": (429, LOCKED, {"Stripe-Should-Retry": "true"}),
    "in use": (409, {"error": {"type": "idempotency_error", "code": "idempotency_key_in_use"}}),
    "failed": (500, {"error": {"type": "api_error"}}, {"Stripe-Should-Retry": "false"}),
    "retry": (400, ODD, {"Stripe-Should-Retry": "true"}),
    "odd": (400, ODD),
    "replayed": (500, {"error": {"type": "api_error"}}, {"Idempotent-Replayed": "true"}),
}
AFTER: dict[str, Callable[[int, Any], tuple[int, Any]]] = {
    "live": lambda status, body: (status, {**body, "livemode": True}),
    "no json": lambda status, body: (status, "<html>"),
    "no status": lambda status, body: (status, {k: v for k, v in body.items() if k != "status"}),
    "new status": lambda status, body: (status, {**body, "status": "requires_luck"}),
    "other amount": lambda status, body: (status, {**body, "amount": body["amount"] + 1}),
    "pending": lambda status, body: (status, {**body, "status": "pending"}),
}
