"""The shapes at the boundary of payments: requests, messages and the stored payment."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from backend import shapes
from backend.errors import Fault, InvalidRequest
from backend.pages import PageQuery
from backend.settings import settings
from backend.shapes import END, Email, Moment
from payments.currencies import CURRENCIES
from payments.dispute_schema import (
    Acceptance,
    Dispute,
    Evidence,
    EvidenceSubmission,
    ResponseKind,
)
from payments.provider import Answer, DisputeReport, News, NextAction


def _check_currency(currency: str, name: str) -> None:
    if currency not in CURRENCIES:
        raise InvalidRequest(f"{currency} is not an ISO 4217 currency.", param=name)


EXPANSIONS = ("customer", "refunds")


def _check_expand(expand: str, name: str) -> None:
    for each in expand.split(","):
        if each not in EXPANSIONS:
            raise InvalidRequest(
                f"Nothing to expand is called {each!r}; use {' or '.join(EXPANSIONS)}.", param=name
            )


AMOUNT_MAX = 99_999_999  # eight digits of minor units, the limit card networks share
Amount = Annotated[int, Meta(ge=1, le=AMOUNT_MAX, description="In the currency's minor unit")]
Currency = Annotated[shapes.Currency, Meta(extra={"check": _check_currency})]
MetadataKey = Annotated[
    str,
    Meta(
        pattern=r"^[^$.\x00][^.\x00]{0,39}" + END,
        extra={"expected": "1 to 40 characters without a point, and not begin with $"},
    ),
]
MetadataValue = Annotated[str, Meta(max_length=500)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Meta(max_length=50)]
TestMethod = Annotated[
    Literal[
        "pm_card_visa",
        "pm_card_chargeDeclined",
        "pm_card_insufficientFunds",
        "pm_card_expiredCard",
        "pm_card_processingError",
        "pm_card_authenticationRequired",
        "pm_card_createDispute",
    ],
    Meta(extra={"values": "a test token"}),
]
StripeMethod = Annotated[
    str,
    Meta(
        pattern="^pm_[A-Za-z0-9_]{1,250}" + END,
        extra={"expected": "a payment method made at Stripe such as pm_card_visa"},
    ),
]
if TYPE_CHECKING:
    PaymentMethod = str
else:  # where nobody is charged by Stripe, a token that only Stripe knows is a mistake
    PaymentMethod = StripeMethod if settings.uses_stripe else TestMethod
CustomerId = Annotated[str, Meta(max_length=64)]
Expand = Annotated[
    str,
    Meta(
        max_length=64,
        description="Names with commas between: customer; refunds, which is always whole",
        extra={"check": _check_expand},
    ),
]
CancelReason = Literal["duplicate", "fraudulent", "requested_by_customer", "abandoned"]
RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]
OperationKind = Literal["capture", "cancel", "refund", "confirm"] | ResponseKind
CaptureMethod = Literal["automatic", "manual"]
EntryState = Literal["pending", "posted", "voided"]
Account = Literal["provider_clearing", "receivable", "refunds", "disputes", "fees"]
Status = Literal[
    "processing", "requires_capture", "requires_action", "succeeded", "failed", "canceled"
]


class PaymentRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/payments."""

    amount: Amount
    currency: Currency
    payment_method: PaymentMethod | UnsetType = UNSET  # without it the customer's default
    capture_method: CaptureMethod = "automatic"
    description: Annotated[str, Meta(max_length=500)] | None = None
    metadata: Metadata = field(default_factory=dict)
    receipt_email: Email | None = None
    # What is UNSET is no part of a fingerprint: keys of versions without these fields still hold.
    customer: CustomerId | UnsetType = UNSET
    off_session: bool | UnsetType = UNSET
    test_clock: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET

    @staticmethod
    def cross_check(fields: Mapping[str, Any]) -> Iterator[Fault]:
        """Return what is wrong with fields of which each is right by itself."""
        if fields.get("customer", "") is UNSET:
            if fields.get("payment_method") is UNSET:
                detail = "`payment_method` is missing; only with a `customer` there is a default."
                yield Fault("payment_method", "field_required", detail)
            if fields.get("off_session", UNSET) is True:
                detail = "`off_session` needs a `customer` with a saved payment method."
                yield Fault("off_session", "invalid_value", detail)


class ConfirmRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/payments/{id}/confirm: another try of a payment that failed."""

    payment_method: PaymentMethod


class CaptureRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/payments/{id}/capture; without an amount all that is held."""

    amount: Amount | None = None


class CancelRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/payments/{id}/cancel."""

    reason: CancelReason | None = None


class RefundRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/payments/{id}/refunds; without an amount all that is left."""

    amount: Amount | None = None
    reason: RefundReason | None = None


ResponseRequest = EvidenceSubmission | Acceptance
MoneyRequest = CaptureRequest | CancelRequest | RefundRequest | ConfirmRequest
OperationRequest = MoneyRequest | ResponseRequest


class PaymentQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/payments/{id}."""

    expand: Expand | None = None


class PaymentListQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/payments."""

    status: Status | None = None
    created_gte: Moment | None = None
    created_lt: Moment | None = None
    customer: CustomerId | None = None
    currency: Currency | None = None
    amount_gte: Amount | None = None
    amount_lte: Amount | None = None
    metadata: Metadata = field(default_factory=dict)  # all of these, each as `metadata[name]=text`
    expand: Expand | None = None


class Failure(Struct, frozen=True, kw_only=True):
    """The reason why a payment failed: the provider's decline code and a sentence for people."""

    code: str
    message: str


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened to a payment, and what the payment was right after it."""

    n: int  # from 1, without gaps
    type: str
    at_ms: int
    amount: int = 0  # minor units that it moved, or was asked to move
    operation: str | None = None  # id of the operation that it belongs to
    dispute: str | None = None  # id of the dispute that it belongs to
    status: Status | None = None  # of the payment; none in events that older versions stored
    amount_captured: int = 0  # of the payment, minor units
    amount_refunded: int = 0  # of the payment, minor units
    clock_ms: int | None = None  # when it happened by the payment's test clock


class Operation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a client asked for of a payment; its id is its key at the provider.

    But for a confirm, whose charge has a key of its own.
    """

    id: str
    kind: OperationKind
    fingerprint: str  # of the request that made it
    amount: int  # minor units
    event: int  # number of the event that asked for it
    reason: str | None = None
    status: Literal["pending", "succeeded", "failed"] = "pending"
    dispute: str | None = None  # id of the dispute that it answers
    evidence: Evidence | None = None


class Entry(Struct, frozen=True, kw_only=True):
    """One transfer in the ledger, from the account it debits to the one it credits.

    Entries are never changed: a pending one is resolved by posted and voided ones of its transfer.
    """

    transfer: str  # "charge", or the id of a refund, dispute or fee, with ":reversal" its return
    state: EntryState
    debit: Account
    credit: Account
    amount: int  # minor units
    event: int  # number of the event that made it


class Attempt(Struct, frozen=True, kw_only=True):
    """An earlier try of a payment, which failed; the next was confirmed with another method."""

    payment_method: str
    charge_id: str | None
    failure: Failure | None
    event: int  # number of the event that asked for the next


class Outgoing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message that the payment's last change promised and nobody has confirmed as sent."""

    queue: Literal["payments", "analytics", "notifications"]
    body: str | dict[str, Any]  # JSON as it is sent; the first version stored a document
    trace: str = ""  # in which it was promised, so that the relay carries that on

    def text(self) -> str:
        """Return it as it is sent."""
        if isinstance(self.body, str):
            return self.body
        return msgspec.json.encode(self.body).decode()


class SettlePayment(Struct, frozen=True, kw_only=True):
    """The message that asks a worker to drive a payment on, with what the provider has told."""

    payment_id: str
    answer: Answer | None = None
    dispute: DisputeReport | None = None
    provider: str | None = None  # the name of who has told it; older versions named nobody

    @property
    def news(self) -> list[News]:
        """What the provider has told, and who; nothing where this only drives on."""
        word = self.answer or self.dispute
        return [(self.provider, word)] if word else []


class Payment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One payment as it is stored, whole in one document: state, ledger, events and outbox."""

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
    amount_held: int = 0  # authorized, neither captured nor released
    amount_refunding: int = 0  # promised to refunds that the provider has not answered yet
    amount_disputing: int = 0  # held back for disputes that are open
    amount_disputed: int = 0  # withdrawn by disputes that are lost
    amount_fees: int = 0  # that the provider took for it, of disputes too
    provider: str = ""  # the name of who charges it; the simulator and older payments have none
    charge_id: str | None = None
    failure: Failure | None = None
    next_action: NextAction | None = None  # while it requires action
    customer: str | None = None
    off_session: bool = False
    attempts: tuple[Attempt, ...] = ()  # those before the current one
    events: tuple[Event, ...]
    operations: tuple[Operation, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    test_clock: str | None = None  # by whose time it goes, instead of our own
    clock_ms: int | None = None  # the time of that clock at the last event
    disputed_ms: int | None = None  # when the last dispute was opened; only these are in its index
    dispute_due_ms: int | None = None  # when the first that needs a response must have it
    ledger: tuple[Entry, ...] = ()
    outbox: tuple[Outgoing, ...] = ()
    promised_ms: int | None = None  # when the outbox was last added to; none while it is empty
