"""The protocol of payment providers: orders, definitive answers, and the record of what was done.

Every order has a key of its own that never changes, so repeating one is always safe. Only a
definitive answer is returned; a time-out, a reset or a 5xx means "unknown", never "failed". Nothing
is repeated here: the message comes back by itself. `payments.providers` speaks it to each provider.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Protocol

from msgspec import UNSET, Meta, Struct, UnsetType

Path = Literal["/charges", "/captures", "/voids", "/refunds", "/evidence", "/acceptances"]
EffectKind = Literal[
    "charge",
    "capture",
    "void",
    "refund",
    "confirmation",
    "fee",
    "evidence",
    "acceptance",
    "dispute",
    "lapse",
]
DisputeStatus = Literal["needs_response", "under_review", "won", "lost"]
# What a provider tells is stored and shown: no more than the store and a date can hold.
Money = Annotated[int, Meta(ge=0, le=10**12)]  # minor units
Time = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]  # ms, up to the year 9999
Text = Annotated[str, Meta(max_length=500)]


class ChargeOrder(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A charge to make; `reference` is the payment's id."""

    amount: int  # minor units
    currency: str
    payment_method: str
    capture: bool
    reference: str
    off_session: bool | UnsetType = UNSET  # true where no customer is there to confirm it
    test_clock: str | None = None  # of the simulator, by which the hold lapses
    clock_ms: int | None = None  # the time of that clock when the payment was made


class MoneyOrder(Struct, frozen=True, kw_only=True):
    """An amount of a charge to capture, release or refund; `reference` is the payment's id."""

    charge: str
    amount: int  # minor units
    currency: str
    reference: str


class DisputeOrder(Struct, frozen=True, kw_only=True):
    """An answer to a dispute: evidence, or none where it is given up."""

    dispute_id: str  # the provider's
    charge: str
    amount: int  # minor units
    currency: str
    reference: str
    evidence: dict[str, str] = {}


class Ask(Struct, frozen=True, kw_only=True):
    """One order with the key under which it has its effect once, and where it goes."""

    key: str
    path: Path
    order: ChargeOrder | MoneyOrder | DisputeOrder
    provider: str = ""  # the name of who is to be asked
    tenant: str = ""
    since_ms: int = 0  # when it was first due, by which its key may have expired
    of_customer: bool = False  # whose method may be saved at the provider


class NextAction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The step that the customer has to take, as the provider's client library wants it."""

    type: str
    url: str | None = None  # where the customer is to be sent, where a page is enough
    client_secret: str | None = None  # by which the client library shows it


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The provider's definitive answer."""

    id: Text
    reference: str
    status: Literal["succeeded", "failed", "requires_action"]
    amount: int
    currency: str
    captured: bool = False
    decline_code: Text | None = None
    clock_ms: Time | None = None  # when it happened by the payment's test clock
    released: Money = 0  # minor units of the hold that are given up with a capture of a part
    next_action: NextAction | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """An outcome that came otherwise than in answer to its order, with the order's key."""

    key: str
    outcome: Outcome

    @property
    def reference(self) -> str:
        """The id of the payment that it is about."""
        return self.outcome.reference


class DisputeReport(Struct, frozen=True, kw_only=True):
    """A dispute as the provider has it; nobody asked for it."""

    id: Text  # the provider's
    reference: str
    charge: str
    amount: Annotated[int, Meta(ge=1)]  # minor units
    currency: str
    fee: Money  # of the same currency, so far
    reason: Text
    status: DisputeStatus
    due_ms: Time  # until when it takes evidence
    clock_ms: Time | None = None  # when it happened by the payment's test clock


Word = Answer | DisputeReport  # that a provider tells unasked
News = tuple[str | None, Word]  # with the provider's name, which older versions did not pass on
SIMULATOR = ""  # the name of the provider that older payments have, which know no other


class Effect(Struct, frozen=True, kw_only=True):
    """A line of the provider's own record."""

    sequence: int  # a later line has a greater one; before 1 there was none
    id: str
    idempotency_key: str
    reference: str
    kind: EffectKind = "charge"
    status: Literal["succeeded", "failed", "requires_action"]
    amount: int
    currency: str
    created_ms: int
    captured: bool = False
    decline_code: str | None = None
    charge: str | None = None  # of everything that is done to a charge
    dispute: DisputeReport | None = None  # of a line of kind `dispute`
    clock_ms: int | None = None  # when it happened by the payment's test clock
    released: int = 0
    next_action: NextAction | None = None
    settled: int | None = None  # what was captured, minor units, where a fee tells

    def answer(self) -> Word:
        """Return it as the answer that the order got, or missed; or as the report of a dispute."""
        if self.dispute is not None:
            return self.dispute
        of_charge = self.charge if self.kind == "confirmation" else None
        outcome = Outcome(
            id=of_charge or self.id,
            reference=self.reference,
            status=self.status,
            amount=self.amount,
            currency=self.currency,
            captured=self.captured,
            decline_code=self.decline_code,
            clock_ms=self.clock_ms,
            released=self.released,
            next_action=self.next_action,
        )
        return Answer(key=self.idempotency_key, outcome=outcome)


class Provider(Protocol):
    """One environment's access to a provider, which moves the money."""

    @property
    def is_left_alone(self) -> bool:
        """Return whether it failed so often that it is only probed just now."""

    def ask_all(self, asks: Sequence[Ask]) -> dict[str, Outcome]:
        """Give orders; returns the definitive answers by key, each awaited for a bounded time.

        Raises CircuitOpen, with nothing sent, while the provider fails too often.
        """

    def effects(self, after: int) -> list[Effect]:
        """Return what it did next after that line of its record; raises ProviderUnavailable."""

    def line_before(self, time_ms: int) -> int | None:
        """Return a line of its record behind which all stands that it did since `time_ms`.

        None where the record no longer reaches back so far. Raises ProviderUnavailable.
        """

    def hear(self, body: bytes, headers: Mapping[str, str], *, now_s: float) -> Sequence[Word]:
        """Return what a webhook answers, nothing where it is about no order of ours.

        Raises Unauthorized unless the provider signed it just now, and InvalidRequest.
        """


def matches(outcome: Outcome, ask: Ask) -> bool:
    """Tell whether an answer speaks of this payment and this money; never trust another."""
    order = ask.order
    return (outcome.reference, outcome.amount, outcome.currency) == (
        order.reference,
        order.amount,
        order.currency,
    )
