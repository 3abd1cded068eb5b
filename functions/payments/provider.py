"""The protocol of payment providers: orders, definitive answers, and the record of what was done.

Every order has a key of its own that never changes, so repeating one is always safe. Only a
definitive answer is returned; a time-out, a reset or a 5xx means "unknown", never "failed". Nothing
is repeated here: the message comes back by itself. `payments.providers` speaks it to each provider.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import UNSET, Struct, UnsetType

Path = Literal["/charges", "/captures", "/voids", "/refunds"]
EffectKind = Literal["charge", "capture", "void", "refund", "confirmation", "fee"]


class ChargeOrder(Struct, frozen=True, kw_only=True):
    """A charge to make; `reference` is the payment's id."""

    amount: int  # minor units
    currency: str
    payment_method: str
    capture: bool
    reference: str
    off_session: bool | UnsetType = UNSET  # true where no customer is there to confirm it


class MoneyOrder(Struct, frozen=True, kw_only=True):
    """An amount of a charge to capture, release or refund; `reference` is the payment's id."""

    charge: str
    amount: int  # minor units
    currency: str
    reference: str


class Ask(Struct, frozen=True, kw_only=True):
    """One order with the key under which it has its effect once, and where it goes."""

    key: str
    path: Path
    order: ChargeOrder | MoneyOrder
    provider: str = ""  # the name of who is to be asked
    tenant: str = ""
    since_ms: int = 0  # when it was first due, by which its key may have expired


class NextAction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The step that the customer has to take, as the provider's client library wants it."""

    type: str
    url: str | None = None  # where the customer is to be sent, where a page is enough
    client_secret: str | None = None  # by which the client library shows it


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The provider's definitive answer."""

    id: str
    reference: str
    status: Literal["succeeded", "failed", "requires_action"]
    amount: int
    currency: str
    captured: bool = False
    decline_code: str | None = None
    released: int = 0  # minor units of the hold that are given up with a capture of a part
    next_action: NextAction | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """An outcome that came otherwise than in answer to its order, with the order's key."""

    key: str
    outcome: Outcome


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
    released: int = 0
    next_action: NextAction | None = None
    settled: int | None = None  # what was captured, minor units, where a fee tells

    def answer(self) -> Answer:
        """Return it as the answer that the order got, or missed."""
        of_charge = self.charge if self.kind == "confirmation" else None
        outcome = Outcome(
            id=of_charge or self.id,
            reference=self.reference,
            status=self.status,
            amount=self.amount,
            currency=self.currency,
            captured=self.captured,
            decline_code=self.decline_code,
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

    def hear(self, body: bytes, headers: Mapping[str, str], *, now_s: float) -> list[Answer]:
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
