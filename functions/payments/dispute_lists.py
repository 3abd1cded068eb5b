"""Disputes as clients look for them: one by its id, or page by page."""

from collections.abc import Iterable
from typing import Protocol

from backend.errors import InvalidRequest, NotFound
from payments import disputes
from payments.dispute_schema import Dispute, DisputeListQuery
from payments.provider import DisputeStatus
from payments.schema import Payment

DisputeOfPayment = tuple[Payment, Dispute]


class Payments(Protocol):
    """The store of payments; `payments.store` says what each function guarantees."""

    def find(self, tenant: str, payment_id: str) -> Payment | None: ...

    def disputed(
        self, tenant: str, *, limit: int, after: Payment | None, status: DisputeStatus | None
    ) -> list[Payment]: ...


def find(dispute_id: str, *, tenant: str, payments: Payments) -> DisputeOfPayment:
    """Return a dispute of this tenant, with its payment; raises NotFound."""
    pair = _find(dispute_id, tenant, payments)
    if pair is None:
        raise NotFound(f"There is no dispute {dispute_id}.", param="dispute_id")
    return pair


def newest(
    query: DisputeListQuery, *, tenant: str, payments: Payments
) -> tuple[list[DisputeOfPayment], bool]:
    """Return one page of disputes with their payments, and whether there are more.

    The newest stand first; of one payment all stand beside its newest.
    """
    after = None
    if query.starting_after is not None:
        pair = _find(query.starting_after, tenant, payments)
        if pair is None or query.payment_id not in (None, pair[0].id):
            raise InvalidRequest("There is nothing of this id in the list.", param="starting_after")
        after = pair
    if query.payment_id is not None:
        payment = payments.find(tenant, query.payment_id)
        pages = [payment] if payment else []
    else:
        pages = payments.disputed(
            tenant, limit=query.limit + 1, after=after[0] if after else None, status=query.status
        )
        pages = [*([after[0]] if after else []), *pages]
    listed = [
        pair
        for pair in _pairs(pages)
        if query.status in (None, pair[1].status) and not _is_before(pair, after)
    ]
    return listed[: query.limit], len(listed) > query.limit


def _pairs(payments: Iterable[Payment]) -> Iterable[DisputeOfPayment]:
    return ((payment, each) for payment in payments for each in reversed(payment.disputes))


def _is_before(pair: DisputeOfPayment, after: DisputeOfPayment | None) -> bool:
    """Tell whether a dispute stands in the list before the one that a page begins after, or is it.

    Of other payments none is read that does.
    """
    is_same_payment = after is not None and pair[0].id == after[0].id
    return is_same_payment and after is not None and pair[1].event >= after[1].event


def _find(dispute_id: str, tenant: str, payments: Payments) -> DisputeOfPayment | None:
    place = disputes.place(dispute_id)
    payment = payments.find(tenant, place.payment_id) if place else None
    dispute = disputes.find(payment, dispute_id) if payment else None
    return (payment, dispute) if payment and dispute else None
