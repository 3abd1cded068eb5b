"""The records of payments, customers, disputes and the ledger; amounts are in minor units."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """The reason why a payment failed: the decline code, and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Refund:
    """A refund; amounts are in the currency's minor unit."""

    id: str
    payment_id: str
    status: Literal["failed", "pending", "succeeded"]
    amount: int
    currency: str
    reason: str | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class NextAction:
    """The step that the customer has to take, as the provider's client library wants it."""

    type: str
    url: str | None = None
    client_secret: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PaymentEvent:
    """One event of a payment, numbered without gaps."""

    id: str
    type: str
    sequence: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Customer:
    """A customer, whose saved payment methods stand in a list of their own."""

    id: str
    name: str | None
    email: str | None
    description: str | None
    metadata: Mapping[str, str]
    default_payment_method: str | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedMethod:
    """A payment method that a customer has saved: its token, and whether it is the default."""

    payment_method: str
    default: bool
    created_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedEvent:
    """An event as webhooks tell it; `sequence` numbers those of one payment."""

    id: str
    type: str
    timestamp: datetime
    sequence: int
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """A payment; amounts are in the currency's minor unit."""

    id: str
    status: Literal[
        "canceled", "failed", "processing", "requires_action", "requires_capture", "succeeded"
    ]
    amount: int
    currency: str
    payment_method: str
    capture_method: str
    amount_captured: int
    amount_refunded: int
    description: str | None
    metadata: Mapping[str, str]
    receipt_email: str | None
    created_at: datetime
    test_clock: str | None = None
    failure: Failure | None = None
    amount_capturable: int
    customer: Customer | str | None
    off_session: bool
    next_action: NextAction | None = None
    refunds: tuple[Refund, ...]
    disputed: bool
    disputes: tuple[str, ...]
    events: tuple[PaymentEvent, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DisputeResponse:
    """The last answer to a dispute; `status` says whether the provider has taken it."""

    kind: Literal["acceptance", "evidence"]
    status: Literal["failed", "pending", "succeeded"]
    submitted_at: datetime
    evidence: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Dispute:
    """A dispute of a payment; amounts are in the currency's minor unit."""

    id: str
    payment_id: str
    status: Literal["lost", "needs_response", "under_review", "won"]
    amount: int
    fee: int
    currency: str
    reason: str
    evidence_due_by: datetime
    created_at: datetime
    response: DisputeResponse | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerEntry:
    """One transfer of the ledger: the account it debits and the one it credits."""

    n: int
    transfer: str
    state: Literal["pending", "posted", "voided"]
    debit: str
    credit: str
    amount: int
    currency: str
    event_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """The double entries of one payment, oldest first."""

    payment_id: str
    data: tuple[LedgerEntry, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Balance:
    """One account in one currency; a debit counts positive."""

    account: str
    currency: str
    posted: int
    pending: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Balances:
    """All accounts of the tenant."""

    data: tuple[Balance, ...]
