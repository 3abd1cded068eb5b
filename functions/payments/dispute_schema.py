"""The shapes of disputes: what a client sends to answer one, and a dispute as it is stored."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from backend.errors import Fault
from backend.pages import OneWayQuery
from payments.provider import DisputeStatus

Text = Annotated[str, Meta(min_length=1, max_length=5_000)]


class Evidence(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The merchant's case against a dispute, as texts; at least one."""

    product_description: Text | None = None
    customer_name: Text | None = None
    customer_email_address: Text | None = None
    service_date: Text | None = None
    shipping_carrier: Text | None = None
    shipping_date: Text | None = None
    shipping_tracking_number: Text | None = None
    refund_policy_disclosure: Text | None = None
    uncategorized_text: Text | None = None

    def texts(self) -> dict[str, str]:
        """Return the texts by their names."""
        names = self.__struct_fields__
        return {name: text for name in names if (text := getattr(self, name)) is not None}


class EvidenceRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/disputes/{id}: the evidence, submitted for good."""

    evidence: Evidence

    @staticmethod
    def cross_check(fields: Mapping[str, Any]) -> Iterator[Fault]:
        """Return what is wrong with fields of which each is right by itself."""
        evidence = fields.get("evidence")
        if isinstance(evidence, Evidence) and not evidence.texts():
            yield Fault("evidence", "invalid_value", "`evidence` must have a text at least.")


class EvidenceSubmission(Struct, frozen=True, kw_only=True):
    """The operation that answers a dispute with evidence."""

    dispute: str
    evidence: Evidence


class Acceptance(Struct, frozen=True, kw_only=True):
    """The operation that gives a dispute up: it is lost."""

    dispute: str


class DisputeListQuery(OneWayQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of GET /v1/disputes."""

    status: DisputeStatus | None = None
    payment_id: str | None = None


class Dispute(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One dispute of a payment; its id is the payment's with a number."""

    id: str
    provider_id: str
    amount: int  # minor units
    fee: int  # minor units of the payment's currency, as far as it was not given back
    reason: str
    due_ms: int  # until when the provider takes evidence
    event: int  # number of the event that opened it
    status: DisputeStatus = "needs_response"


ResponseKind = Literal["dispute_evidence", "dispute_acceptance"]
