"""The operations of payments, their refunds, ledger and events."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

from spillway_client.calls import Calls, path_of, present
from spillway_client.operations.fields import new_key
from spillway_client.records import (
    Balances,
    Ledger,
    ListedEvent,
    Payment,
    Refund,
)

PAYMENT, REFUNDS = "/v1/payments/{payment_id}", "/v1/payments/{payment_id}/refunds"


class PaymentOperations:
    """The operations of payments, their refunds, ledger and events."""

    _calls: Calls

    def create_payment(
        self,
        *,
        amount: int,
        currency: str,
        payment_method: str | None = None,
        capture_method: Literal["automatic", "manual"] = "automatic",
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        receipt_email: str | None = None,
        test_clock: str | None = None,
        customer: str | None = None,
        off_session: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Payment:
        """Accept a payment; its worker settles it soon.

        A customer's payment is made by its default without a `payment_method`.
        """
        body = present(
            amount=amount,
            currency=currency,
            payment_method=payment_method,
            capture_method=capture_method,
            description=description,
            metadata=metadata,
            receipt_email=receipt_email,
            test_clock=test_clock,
            customer=customer,
            off_session=off_session,
        )
        return self._calls.send(Payment, "POST", "/v1/payments", body, key=new_key(idempotency_key))

    def list_payments(
        self,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
        status: str | None = None,
        created_gte: datetime | None = None,
        created_lt: datetime | None = None,
        customer: str | None = None,
        currency: str | None = None,
        amount_gte: int | None = None,
        amount_lte: int | None = None,
        metadata: Mapping[str, str] | None = None,
        expand: str | None = None,
    ) -> Iterator[Payment]:
        """Yield payments, newest first; with `ending_before` those after it, oldest first."""
        return self._calls.pages(
            Payment,
            "/v1/payments",
            starting_after=starting_after,
            ending_before=ending_before,
            status=status,
            created_gte=created_gte,
            created_lt=created_lt,
            customer=customer,
            currency=currency,
            amount_gte=amount_gte,
            amount_lte=amount_lte,
            metadata=metadata,
            expand=expand,
        )

    def get_payment(self, payment_id: str, *, expand: str | None = None) -> Payment:
        """Return a payment; `expand="customer"` brings its customer along."""
        return self._calls.get(Payment, path_of(PAYMENT, payment_id=payment_id), expand=expand)

    def confirm_payment(
        self, payment_id: str, *, payment_method: str, idempotency_key: str | None = None
    ) -> Payment:
        """Try a payment that failed again, with another payment method."""
        path = path_of(PAYMENT + "/confirm", payment_id=payment_id)
        body = present(payment_method=payment_method)
        return self._calls.send(Payment, "POST", path, body, key=new_key(idempotency_key))

    def capture_payment(
        self, payment_id: str, *, amount: int | None = None, idempotency_key: str | None = None
    ) -> Payment:
        """Capture what is held, or `amount` of it."""
        path = path_of(PAYMENT + "/capture", payment_id=payment_id)
        body = present(amount=amount)
        return self._calls.send(Payment, "POST", path, body, key=new_key(idempotency_key))

    def cancel_payment(
        self, payment_id: str, *, reason: str | None = None, idempotency_key: str | None = None
    ) -> Payment:
        """Release what is held."""
        path = path_of(PAYMENT + "/cancel", payment_id=payment_id)
        body = present(reason=reason)
        return self._calls.send(Payment, "POST", path, body, key=new_key(idempotency_key))

    def refund_payment(
        self,
        payment_id: str,
        *,
        amount: int | None = None,
        reason: str | None = None,
        idempotency_key: str | None = None,
    ) -> Refund:
        """Give back all that is left, or `amount` of it."""
        path = path_of(REFUNDS, payment_id=payment_id)
        body = present(amount=amount, reason=reason)
        return self._calls.send(Refund, "POST", path, body, key=new_key(idempotency_key))

    def list_refunds(
        self,
        payment_id: str,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
    ) -> Iterator[Refund]:
        """Yield a payment's refunds, newest first."""
        path = path_of(REFUNDS, payment_id=payment_id)
        return self._calls.pages(
            Refund, path, starting_after=starting_after, ending_before=ending_before
        )

    def get_refund(self, payment_id: str, refund_id: str) -> Refund:
        """Return a refund."""
        path = path_of(REFUNDS + "/{refund_id}", payment_id=payment_id, refund_id=refund_id)
        return self._calls.get(Refund, path)

    def get_ledger(self, payment_id: str) -> Ledger:
        """Return the double entries of a payment."""
        return self._calls.get(Ledger, path_of(PAYMENT + "/ledger", payment_id=payment_id))

    def get_balances(self) -> Balances:
        """Return all accounts of the tenant."""
        return self._calls.get(Balances, "/v1/balances")

    def list_events(
        self,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
        type: str | None = None,
        object: str | None = None,
        created_gte: datetime | None = None,
        created_lt: datetime | None = None,
    ) -> Iterator[ListedEvent]:
        """Yield what happened within 30 days, newest first."""
        return self._calls.pages(
            ListedEvent,
            "/v1/events",
            starting_after=starting_after,
            ending_before=ending_before,
            type=type,
            object=object,
            created_gte=created_gte,
            created_lt=created_lt,
        )

    def get_event(self, event_id: str) -> ListedEvent:
        """Return an event."""
        return self._calls.get(ListedEvent, path_of("/v1/events/{event_id}", event_id=event_id))
