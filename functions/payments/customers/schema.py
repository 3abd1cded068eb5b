"""The shapes of customers: requests, the stored customer, its views."""

from typing import Annotated, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType, field

from backend.clock import rfc3339
from backend.shapes import Email
from payments.schema import Metadata, PaymentMethod

Name = Annotated[str, Meta(max_length=200)]
Description = Annotated[str, Meta(max_length=500)]


class CustomerRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/customers."""

    name: Name | None = None
    email: Email | None = None
    description: Description | None = None
    metadata: Metadata = field(default_factory=dict)


class CustomerChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of PATCH /v1/customers/{id}: what it has changes, null empties.

    `metadata` is replaced as a whole.
    """

    name: Name | UnsetType | None = UNSET
    email: Email | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    metadata: Metadata | UnsetType | None = UNSET
    default_payment_method: PaymentMethod | UnsetType | None = UNSET


class MethodRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/customers/{id}/payment-methods."""

    payment_method: PaymentMethod
    default: bool = False


class SavedMethod(Struct, frozen=True, kw_only=True):
    """A payment method that a customer has saved: the token, as the provider knows it."""

    payment_method: str
    created_ms: int


class Customer(Struct, frozen=True, kw_only=True):
    """One customer as it is stored, its methods oldest first."""

    id: str = field(name="_id")
    tenant: str
    fingerprint: str  # of the request that made it
    request: CustomerRequest  # the same, to answer a repeat as the first time
    created_ms: int
    version: int  # 1 when made, one more with each change
    name: str | None
    email: str | None
    description: str | None
    metadata: dict[str, str]
    methods: tuple[SavedMethod, ...] = ()
    default_payment_method: str | None = None  # one of its methods

    def has(self, payment_method: str) -> bool:
        """Tell whether the customer has saved this method."""
        return any(each.payment_method == payment_method for each in self.methods)


class Place(NamedTuple):
    """The place of a customer in the list, also of one that was deleted."""

    id: str
    created_ms: int


class CustomerView(Struct, frozen=True, kw_only=True):
    """A customer as clients see it."""

    id: str
    name: str | None
    email: str | None
    description: str | None
    metadata: dict[str, str]
    default_payment_method: str | None
    created_at: str


class CustomerPage(Struct, frozen=True, kw_only=True):
    """One page of customers, newest first."""

    data: list[CustomerView]
    has_more: bool


class MethodView(Struct, frozen=True, kw_only=True):
    """A saved payment method as clients see it."""

    payment_method: str
    default: bool
    created_at: str


class MethodPage(Struct, frozen=True, kw_only=True):
    """All methods of a customer, newest first."""

    data: list[MethodView]
    has_more: bool = False


def view(customer: Customer) -> CustomerView:
    """Return what a client sees of `customer`."""
    return CustomerView(
        id=customer.id,
        name=customer.name,
        email=customer.email,
        description=customer.description,
        metadata=customer.metadata,
        default_payment_method=customer.default_payment_method,
        created_at=rfc3339(customer.created_ms),
    )


def method_view(customer: Customer, method: SavedMethod) -> MethodView:
    """Return what a client sees of one of a customer's methods."""
    return MethodView(
        payment_method=method.payment_method,
        default=method.payment_method == customer.default_payment_method,
        created_at=rfc3339(method.created_ms),
    )
