"""The operations on customers and their saved payment methods. Knows no HTTP or MongoDB.

A payment keeps its customer's id, and nothing of a payment is changed when a customer is.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from backend import ids
from backend.errors import Conflict, InvalidRequest, InvalidState, KeyReused, NotFound
from backend.pages import PageQuery, page_of
from payments.customers.schema import (
    Customer,
    CustomerChange,
    CustomerRequest,
    MethodRequest,
    Place,
    SavedMethod,
)
from payments.life_cycle import fingerprint
from payments.schema import PaymentRequest

CUSTOMERS_MAX = 1_000_000  # of a tenant, some 500 MB
METHODS_MAX = 20  # of a customer, whose document they are in
CHANGE_ATTEMPTS = 5  # each is lost only to a change that somebody else made


class Customers(Protocol):
    """The store of customers; `customers.store` says what each function guarantees."""

    def insert(self, customer: Customer, *, at_most: int) -> Customer | None: ...

    def find(self, tenant: str, customer_id: str) -> Customer | None: ...

    def place(self, tenant: str, customer_id: str) -> Place | None: ...

    def page(
        self, tenant: str, *, limit: int, after: Place | None, before: Place | None
    ) -> list[Customer]: ...

    def replace(self, customer: Customer) -> bool: ...

    def delete(self, tenant: str, customer_id: str) -> bool: ...


def create(
    request: CustomerRequest, *, key: str, tenant: str, customers: Customers, now_ms: int
) -> tuple[Customer, bool]:
    """Store a customer; returns it as it was made, and whether that was before.

    Its id comes from the key, so a repeat finds the first one. Raises KeyReused when the same key
    comes with another request, and InvalidState where there are too many or it was deleted.
    """
    members: dict[str, Any] = msgspec.structs.asdict(request)
    customer = Customer(
        id=ids.derived("cus_", tenant, "POST /v1/customers", key),
        tenant=tenant,
        fingerprint=fingerprint(request),
        request=request,
        created_ms=now_ms,
        version=1,
        **members,
    )
    existing = customers.insert(customer, at_most=CUSTOMERS_MAX)
    if existing is None:
        return customer, False
    if existing.fingerprint != customer.fingerprint:
        raise KeyReused
    return replace(customer, created_ms=existing.created_ms), True


def newest(query: PageQuery, *, tenant: str, customers: Customers) -> tuple[list[Customer], bool]:
    """Return one page of customers, newest first, and whether there are more."""
    return page_of(
        query, find=partial(customers.place, tenant), read=partial(customers.page, tenant)
    )


def find(customer_id: str, *, tenant: str, customers: Customers) -> Customer:
    """Return a customer of this tenant; raises NotFound."""
    customer = customers.find(tenant, customer_id)
    if customer is None:
        raise NotFound("There is no such customer.", param="customer_id")
    return customer


def change(
    request: CustomerChange, customer_id: str, *, tenant: str, customers: Customers
) -> Customer:
    """Change what a request has of a customer; raises NotFound, InvalidRequest, Conflict."""
    members = {
        name: {} if name == "metadata" and value is None else value
        for name, value in msgspec.structs.asdict(request).items()
        if value is not UNSET
    }
    method = request.default_payment_method

    def changed(customer: Customer) -> Customer:
        if method and not customer.has(method):
            raise _not_saved(method, "default_payment_method")
        return replace(customer, **members)

    return _changed(changed, customer_id, tenant, customers)


def delete(customer_id: str, *, tenant: str, customers: Customers) -> None:
    """Delete a customer with its methods; its payments stay as they are. Raises NotFound."""
    if not customers.delete(tenant, customer_id):
        raise NotFound("There is no such customer.", param="customer_id")


def attach(
    request: MethodRequest, customer_id: str, *, tenant: str, customers: Customers, now_ms: int
) -> Customer:
    """Save a payment method; the first is the default until another is made it.

    One that is saved already is saved once. Raises NotFound, InvalidState where there are too many,
    and Conflict.
    """
    token = request.payment_method

    def attached(customer: Customer) -> Customer:
        methods = customer.methods
        if not customer.has(token):
            if len(methods) >= METHODS_MAX:
                raise InvalidState(
                    f"There are {METHODS_MAX} payment methods; detach one first.",
                    code="too_many_payment_methods",
                )
            methods = (*methods, SavedMethod(payment_method=token, created_ms=now_ms))
        is_default = request.default or customer.default_payment_method is None
        default = token if is_default else customer.default_payment_method
        return replace(customer, methods=methods, default_payment_method=default)

    return _changed(attached, customer_id, tenant, customers)


def detach(payment_method: str, customer_id: str, *, tenant: str, customers: Customers) -> Customer:
    """Forget a payment method; raises NotFound where it is not saved, and Conflict."""

    def detached(customer: Customer) -> Customer:
        if not customer.has(payment_method):
            raise NotFound("The customer has no such payment method.", param="payment_method")
        left = tuple(x for x in customer.methods if x.payment_method != payment_method)
        default = customer.default_payment_method
        return replace(
            customer,
            methods=left,
            default_payment_method=None if default == payment_method else default,
        )

    return _changed(detached, customer_id, tenant, customers)


def method_of(request: PaymentRequest, *, tenant: str, customers: Customers) -> str:
    """Return the payment method for a payment of a customer; raises InvalidRequest.

    Off session it is one that the customer has saved.
    """
    assert request.customer  # only such a request is asked about
    customer = customers.find(tenant, request.customer)
    if customer is None:
        raise InvalidRequest(
            "There is no such customer.", code="no_such_customer", param="customer"
        )
    method = request.payment_method or customer.default_payment_method
    if method is None:
        raise InvalidRequest(
            "The customer has no default; give a `payment_method`.", param="payment_method"
        )
    if request.off_session and not customer.has(method):
        raise _not_saved(method, "payment_method")
    return method


def _not_saved(method: str, param: str) -> InvalidRequest:
    return InvalidRequest(
        f"The customer has not saved {method}.", code="payment_method_not_saved", param=param
    )


def _changed(
    change: Callable[[Customer], Customer], customer_id: str, tenant: str, customers: Customers
) -> Customer:
    """Store what a change makes of a customer, over the version that it was made of."""
    for _ in range(CHANGE_ATTEMPTS):
        before = find(customer_id, tenant=tenant, customers=customers)
        after = change(before)
        if after == before:
            return before
        after = replace(after, version=before.version + 1)
        if customers.replace(after):
            return after
    raise Conflict("The customer changes all the time just now; retry.")
