"""The operations of customers and their saved payment methods."""

from collections.abc import Iterator, Mapping

from spillway_client.calls import Calls, members_of, path_of, present
from spillway_client.operations.fields import UNSET, Unset, new_key
from spillway_client.records import (
    Customer,
    Deleted,
    SavedMethod,
)

CUSTOMER, METHODS = "/v1/customers/{customer_id}", "/v1/customers/{customer_id}/payment-methods"


class CustomerOperations:
    """The operations of customers and their saved payment methods."""

    _calls: Calls

    def create_customer(
        self,
        *,
        name: str | None = None,
        email: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Customer:
        """Make a customer."""
        body = present(name=name, email=email, description=description, metadata=metadata)
        path = "/v1/customers"
        return self._calls.send(Customer, "POST", path, body, key=new_key(idempotency_key))

    def list_customers(
        self, *, starting_after: str | None = None, ending_before: str | None = None
    ) -> Iterator[Customer]:
        """Yield customers, newest first."""
        return self._calls.pages(
            Customer, "/v1/customers", starting_after=starting_after, ending_before=ending_before
        )

    def get_customer(self, customer_id: str) -> Customer:
        """Return a customer."""
        return self._calls.get(Customer, path_of(CUSTOMER, customer_id=customer_id))

    def update_customer(
        self,
        customer_id: str,
        *,
        name: str | Unset | None = UNSET,
        email: str | Unset | None = UNSET,
        description: str | Unset | None = UNSET,
        metadata: Mapping[str, str] | Unset | None = UNSET,
        default_payment_method: str | Unset | None = UNSET,
    ) -> Customer:
        """Change what is given; None empties, and `metadata` is replaced as a whole."""
        members = {
            "name": name,
            "email": email,
            "description": description,
            "metadata": metadata,
            "default_payment_method": default_payment_method,
        }
        body = {name: value for name, value in members.items() if value is not UNSET}
        path = path_of(CUSTOMER, customer_id=customer_id)
        return self._calls.send(Customer, "PATCH", path, body)

    def delete_customer(self, customer_id: str) -> Deleted:
        """Delete a customer with its saved methods; its payments stay."""
        return self._calls.send(Deleted, "DELETE", path_of(CUSTOMER, customer_id=customer_id))

    def attach_payment_method(
        self, customer_id: str, *, payment_method: str, default: bool | None = None
    ) -> SavedMethod:
        """Save a payment method of a customer; the first is its default."""
        path = path_of(METHODS, customer_id=customer_id)
        body = present(payment_method=payment_method, default=default)
        return self._calls.send(SavedMethod, "POST", path, body)

    def list_payment_methods(self, customer_id: str) -> list[SavedMethod]:
        """Return all saved methods of a customer, newest first."""
        path = path_of(METHODS, customer_id=customer_id)
        return members_of(SavedMethod, self._calls.get(dict, path))

    def detach_payment_method(self, customer_id: str, payment_method: str) -> Deleted:
        """Forget a saved method."""
        ids = {"customer_id": customer_id, "payment_method": payment_method}
        return self._calls.send(Deleted, "DELETE", path_of(METHODS + "/{payment_method}", **ids))
