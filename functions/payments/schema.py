"""What crosses the boundary of payments: requests, the stored payment, and what a client sees."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from backend.clock import rfc3339
from backend.shapes import END, Currency, Email

AMOUNT_MAX = 99_999_999  # eight digits of minor units, the limit card networks share
Amount = Annotated[int, Meta(ge=1, le=AMOUNT_MAX, description="In the currency's minor unit")]
MetadataKey = Annotated[str, Meta(pattern=r"^[^$.\x00][^.\x00]{0,39}" + END)]
MetadataValue = Annotated[str, Meta(max_length=500)]
PaymentMethod = Literal[
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "pm_card_insufficientFunds",
    "pm_card_expiredCard",
    "pm_card_processingError",
    "pm_card_authenticationRequired",
]
CaptureMethod = Literal["automatic", "manual"]
Status = Literal[
    "processing", "requires_capture", "requires_action", "succeeded", "failed", "canceled"
]


class PaymentRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/payments."""

    amount: Amount
    currency: Currency
    payment_method: PaymentMethod
    capture_method: CaptureMethod = "automatic"
    description: Annotated[str, Meta(max_length=500)] | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=50)] = {}
    receipt_email: Email | None = None


class PaymentListQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/payments."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    starting_after: str | None = None
    status: Status | None = None
    created_gte: str | None = None
    created_lt: str | None = None


class Failure(Struct, frozen=True, kw_only=True):
    """Why a payment failed: the provider's decline code and a sentence for people."""

    code: str
    message: str


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened to a payment; `n` counts from 1 without gaps."""

    n: int
    type: str
    at_ms: int


class Outgoing(Struct, frozen=True, kw_only=True):
    """A message that the payment's last change promised and nobody has confirmed as sent."""

    queue: Literal["payments", "analytics", "notifications"]
    body: dict[str, Any]


class SettlePayment(Struct, frozen=True, kw_only=True):
    """The message that asks a worker to drive a payment on."""

    payment_id: str


class Payment(Struct, frozen=True, kw_only=True):
    """One payment as it is stored: state, events and outbox in one document, with its version."""

    id: str = field(name="_id")
    tenant: str
    fingerprint: str  # of the request that made it
    created_ms: int
    amount: int  # minor units
    currency: str
    payment_method: str
    capture_method: str
    description: str | None
    metadata: dict[str, str]
    receipt_email: str | None
    status: Status
    version: int  # 1 when made, one more with each change
    amount_captured: int = 0
    amount_refunded: int = 0
    charge_id: str | None = None
    failure: Failure | None = None
    events: tuple[Event, ...]
    outbox: tuple[Outgoing, ...] = ()


class EventView(Struct, frozen=True, kw_only=True):
    """An event as clients see it."""

    id: str
    type: str
    created_at: str


class PaymentView(Struct, frozen=True, kw_only=True):
    """A payment as clients see it."""

    id: str
    status: Status
    amount: int
    currency: str
    payment_method: str
    capture_method: str
    amount_captured: int
    amount_refunded: int
    description: str | None
    metadata: dict[str, str]
    receipt_email: str | None
    created_at: str
    failure: Failure | UnsetType = UNSET
    events: list[EventView]


def view(payment: Payment) -> PaymentView:
    """Return what a client sees of `payment`."""
    return PaymentView(
        id=payment.id,
        status=payment.status,
        amount=payment.amount,
        currency=payment.currency,
        payment_method=payment.payment_method,
        capture_method=payment.capture_method,
        amount_captured=payment.amount_captured,
        amount_refunded=payment.amount_refunded,
        description=payment.description,
        metadata=payment.metadata,
        receipt_email=payment.receipt_email,
        created_at=rfc3339(payment.created_ms),
        failure=payment.failure or UNSET,
        events=[
            EventView(
                id=f"evt_{payment.id.removeprefix('pay_')}_{event.n}",
                type=event.type,
                created_at=rfc3339(event.at_ms),
            )
            for event in payment.events
        ],
    )
