"""Stripe: orders as PaymentIntents and Refunds, under our keys as its Idempotency-Keys.

Spoken without Stripe's library, whose import costs a cold start 200 ms and 32 MB, and whose client
asks one thing at a time. Nothing is repeated here: the message comes back, under the same key.
"""

import time
from collections.abc import Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from backend.errors import ProviderUnavailable
from backend.telemetry import logger
from payments.provider import (
    Answer,
    Ask,
    ChargeOrder,
    DisputeOrder,
    Effect,
    Outcome,
    Word,
    matches,
)
from payments.providers import stripe_disputes
from payments.providers.connections import UNREADABLE, Connections, Reply, Request, Undecided
from payments.providers.stripe_disputes import Dispute
from payments.providers.stripe_events import CLOSE, Event, heard
from payments.providers.stripe_objects import (
    OPERATION,
    PAYMENT,
    TENANT,
    Failure,
    Intent,
    Refund,
    Refusal,
)
from payments.providers.stripe_record import Record

T = TypeVar("T", bound=Struct)

# Of what is asked and read; an account's own default may differ. Versions since 2026-09-30 take no
# payment_method_types: automatic_payment_methods without redirects is to be sent to them instead.
VERSION = "2024-06-20"
KEY_LIFE_MS = 23 * 3_600_000  # Stripe keeps a key for a day at least, and may then forget it
CUSTOMERS_MAX = 10_000  # some 100 bytes each
LOOKED_UP_MAX = 2  # a batch, one after the other, within the worker's time
# Test tokens of ours whose names at Stripe are others.
METHODS = {
    "pm_card_chargeDeclined": "pm_card_visa_chargeDeclined",
    "pm_card_insufficientFunds": "pm_card_visa_chargeDeclinedInsufficientFunds",
    "pm_card_expiredCard": "pm_card_chargeDeclinedExpiredCard",
    "pm_card_processingError": "pm_card_chargeDeclinedProcessingError",
}
# Refusals with which nothing was done, and nothing ever will be under this order. All others, such
# as of our own key or of a parameter, say nothing of the payment.
FINAL = frozenset(
    {
        *("amount_too_small", "amount_too_large", "payment_intent_unexpected_state"),
        *("payment_method_unactivated", "payment_intent_authentication_failure"),
        *("charge_already_refunded", "charge_disputed", "charge_expired_for_capture"),
        *("capture_charge_authorization_expired", "charge_already_captured"),
        *("refund_disputed_payment", "charge_not_refundable", "capture_unauthorized_payment"),
        *("payment_intent_incompatible_payment_method", "payment_method_currency_mismatch"),
        "payment_method_unexpected_state",
    }
)


class Method(Struct, frozen=True):
    """A payment method."""

    customer: str | None = None  # whom it was saved for


class Intents(Struct, frozen=True):
    """A list of intents."""

    data: list[Intent]


class Refunds(Struct, frozen=True):
    """A list of refunds."""

    data: list[Refund]


class Stripe:
    """One environment's access to Stripe, under one secret key."""

    def __init__(
        self, url: str, *, key: str, secrets: Sequence[str], is_live: bool, timeout_ms: int
    ) -> None:
        self._connections = Connections(url, timeout_ms=timeout_ms)
        self._headers = {"Authorization": f"Bearer {key}", "Stripe-Version": VERSION}
        self._secrets = secrets
        self._is_live = is_live
        self._record = Record(self._get)
        self._customers = {"": ""}  # by saved method; of what is none there is none

    @property
    def is_left_alone(self) -> bool:
        """Return whether it failed so often that it is only probed just now."""
        return self._connections.is_left_alone

    def ask_all(self, asks: Sequence[Ask]) -> dict[str, Outcome]:
        """Give orders; what Stripe does not decide by its answer is looked up, a few a batch.

        So is first what is so old that its key may have expired: it would be done twice.
        """
        before_ms = time.time() * 1000 - KEY_LIFE_MS
        old = [each for each in asks if 0 < each.since_ms < before_ms]
        outcomes, undone = self._look_up(old)
        due = [*(each for each in asks if each not in old), *undone]
        answers, undecided = self._connections.ask_all(
            self._with_customers(due), write=self._request, read=self._read
        )
        return outcomes | answers | self._look_up(undecided)[0]

    def effects(self, after: int) -> list[Effect]:
        """Return what it did next, fees included; raises ProviderUnavailable."""
        return self._record.effects(after, words=self._words)

    def line_before(self, time_ms: int) -> int | None:
        """Return a line behind which all since a time stands; see `payments.provider`."""
        return self._record.line_before(time_ms)

    def hear(self, body: bytes, headers: Mapping[str, str], *, now_s: float) -> list[Word]:
        """Return what a webhook tells; see `payments.provider`.

        An intent whose confirmation failed could still be confirmed with another card. It is
        canceled first, so that a payment that is told as failed never succeeds.
        """
        event = heard(body, headers, secrets=self._secrets, now_s=now_s)
        if event.account or event.livemode is not self._is_live:
            logger.error(
                "a webhook of another account or mode changes nothing", extra={"event": event.id}
            )
            return []
        return self._words(event)

    def _words(self, event: Event, *, is_first: bool = True) -> list[Word]:
        """Return what an event tells; `is_first` where nobody may have acted on it yet."""
        answers = event.answers()
        words: list[Word] = [self._closed(event, each) if is_first else each for each in answers]
        if event.type not in stripe_disputes.EVENTS:
            return words
        dispute = stripe_disputes.read(event.data.object)
        if dispute is None or dispute.payment_intent is None:
            return words
        report = dispute.report(self._get(f"/v1/payment_intents/{dispute.payment_intent}", Intent))
        if report and event.key.startswith(("ev_", "acc_")):
            outcome = dispute.answered(report.reference)
            words += [] if outcome == "undecided" else [Answer(key=event.key, outcome=outcome)]
        return [*words, report] if report else words

    def _closed(self, event: Event, answer: Answer) -> Answer:
        """Return the answer, or a later one where its intent could still succeed."""
        if not event.leaves_open(answer):
            return answer
        path = f"/v1/payment_intents/{answer.outcome.id}"
        self._connections.post(self._form(f"{path}/cancel", f"{answer.key}{CLOSE}", {}))
        intent = self._get(path, Intent)
        outcome = intent.of_charge()
        if outcome == "undecided" or intent.status == "requires_payment_method":
            raise ProviderUnavailable("Stripe does not say how the payment ended.")
        return Answer(key=answer.key, outcome=outcome)

    def _with_customers(self, asks: Sequence[Ask]) -> list[Ask]:
        """Return the orders that can be written: a saved method is charged with its customer.

        A few customers are looked up, one after the other, and remembered for the rest.
        """
        methods = {each.key: _saved_method(each) for each in asks}
        unknown = {each for each in methods.values() if each not in self._customers}
        for method in sorted(unknown)[:LOOKED_UP_MAX]:
            try:
                customer = self._get(f"/v1/payment_methods/{method}", Method).customer
            except ProviderUnavailable:
                break
            if len(self._customers) >= CUSTOMERS_MAX:
                self._customers = {"": ""}
            self._customers[method] = customer or ""
        return [each for each in asks if methods[each.key] in self._customers]

    def _request(self, ask: Ask) -> Request:
        if isinstance(ask.order, DisputeOrder):
            path, fields = stripe_disputes.form(ask, ask.order)
            return self._form(path, ask.key, fields)
        order, marks = ask.order, {f"metadata[{PAYMENT}]": ask.order.reference}
        marks |= {f"metadata[{TENANT}]": ask.tenant, f"metadata[{OPERATION}]": ask.key}
        if isinstance(order, ChargeOrder):
            method = METHODS.get(order.payment_method, order.payment_method)
            fields = {
                "amount": str(order.amount),
                "currency": order.currency.lower(),
                "payment_method": method,
                "payment_method_types[0]": "card",
                "capture_method": "automatic" if order.capture else "manual",
                "confirm": "true",
            }
            if order.off_session is True:
                fields["off_session"] = "true"
            if customer := self._customers[_saved_method(ask)]:
                fields["customer"] = customer
            return self._form("/v1/payment_intents", ask.key, fields | marks)
        path = f"/v1/payment_intents/{order.charge}"
        match ask.path:
            case "/captures":
                fields = {"amount_to_capture": str(order.amount)}
                return self._form(f"{path}/capture", ask.key, fields)
            case "/voids":
                return self._form(f"{path}/cancel", ask.key, {})
        fields = {"payment_intent": order.charge, "amount": str(order.amount)}
        return self._form("/v1/refunds", ask.key, fields | marks)

    def _form(self, path: str, key: str, fields: Mapping[str, str]) -> Request:
        headers = self._headers | {"Idempotency-Key": key}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return Request(path=path, headers=headers, body=urlencode(fields).encode())

    def _read(self, ask: Ask, reply: Reply) -> Outcome | Undecided | None:
        """Return how the order ended, as far as the answer says so."""
        try:
            if reply.status != 200:
                return self._refused(ask, reply, _decode(reply.body, Refusal).error)
            if ask.path == "/refunds":
                return _decode(reply.body, Refund).outcome()
            if isinstance(ask.order, DisputeOrder):
                return _decode(reply.body, Dispute).answered(ask.order.reference)
            intent = _decode(reply.body, Intent)
        except UNREADABLE:
            logger.error("Stripe's answer has an unknown shape", extra=_about(ask, reply))
            return None
        return _ended(ask, intent) if self._is_ours(intent) else None

    def _refused(self, ask: Ask, reply: Reply, failure: Failure) -> Outcome | Undecided | None:
        """Return what a refusal says of the order; most say that it may be asked again."""
        if reply.status in (409, 429) or reply.headers.get("stripe-should-retry") == "true":
            return None
        is_replay = reply.headers.get("idempotent-replayed") == "true"
        if failure.type == "idempotency_error" or (reply.status >= 500 and is_replay):
            logger.error("Stripe has another answer under this key", extra=_about(ask, reply))
            return "undecided"  # for a day the key gets this answer, whatever became of the order
        intent = failure.payment_intent
        if intent and not self._is_ours(intent):
            return None
        if reply.status < 500 and _is_final(ask, failure, reply.status):
            return _refusal(ask, failure, intent)
        reason = {"reason": failure.code or failure.type, "param": failure.param}
        logger.error("Stripe does not take an order", extra=_about(ask, reply) | reason)
        return None

    def _is_ours(self, intent: Intent) -> bool:
        """Tell whether an answer is of our key's mode: of another, nothing is believed."""
        if intent.livemode is not self._is_live:
            logger.error("Stripe answers in another mode", extra={"payment_intent": intent.id})
        return intent.livemode is self._is_live

    def _look_up(self, asks: Sequence[Ask]) -> tuple[dict[str, Outcome], list[Ask]]:
        """Return how orders ended by what Stripe has now, and those that it certainly never did.

        A few at once; of the rest, and of those that are under way, nothing is said.
        """
        outcomes: dict[str, Outcome] = {}
        undone: list[Ask] = []
        for ask in asks[:LOOKED_UP_MAX]:
            try:
                outcome = self._current(ask)
            except ProviderUnavailable:
                break
            if outcome is None:
                undone.append(ask)
            elif outcome != "undecided" and matches(outcome, ask):
                outcomes[ask.key] = outcome
        return outcomes, undone

    def _current(self, ask: Ask) -> Outcome | Undecided | None:
        """Return how an order ended, None where nothing was done under it."""
        if isinstance(ask.order, ChargeOrder):
            query = quote(f"metadata['{OPERATION}']:'{ask.key}'")
            intents = self._get(f"/v1/payment_intents/search?query={query}", Intents).data
            return intents[0].of_charge() if intents else None
        if isinstance(ask.order, DisputeOrder):
            dispute = self._get(f"/v1/disputes/{ask.order.dispute_id}", Dispute)
            return (
                None
                if dispute.status == "needs_response"
                else dispute.answered(ask.order.reference)
            )
        if ask.path == "/refunds":
            path = f"/v1/refunds?payment_intent={ask.order.charge}&limit=100"
            refunds = self._get(path, Refunds).data
            mine = [each for each in refunds if each.key == ask.key]
            return mine[0].outcome() if mine else None
        intent = self._get(f"/v1/payment_intents/{ask.order.charge}", Intent)
        is_open = intent.status in ("requires_capture", "requires_action")
        return None if is_open else _ended(ask, intent)

    def _get(self, path: str, shape: type[T]) -> T:
        """Return an object of Stripe's; raises ProviderUnavailable."""
        reply = self._connections.get(path, self._headers)
        try:
            if reply.status == 200:
                return _decode(reply.body, shape)
        except UNREADABLE as error:
            raise ProviderUnavailable("Stripe's answer has an unknown shape.") from error
        raise ProviderUnavailable(f"Stripe answers {reply.status} to a question.")


def _decode(body: bytes, shape: type[T]) -> T:
    return msgspec.json.decode(body, type=shape)


def _saved_method(ask: Ask) -> str:
    """Return the method of a customer, who may have saved it, or nothing."""
    order = ask.order
    if not isinstance(order, ChargeOrder) or not (ask.of_customer or order.off_session is True):
        return ""
    return METHODS.get(order.payment_method, order.payment_method)


def _about(ask: Ask, reply: Reply) -> dict[str, object]:
    """Return what a line of the log needs for finding the order, here and at Stripe."""
    return {
        "payment_id": ask.order.reference,
        "key": ask.key,
        "status": reply.status,
        "stripe_request": reply.headers.get("request-id"),
    }


def _ended(ask: Ask, intent: Intent) -> Outcome | Undecided:
    if isinstance(ask.order, ChargeOrder):
        return intent.of_charge()
    if ask.path == "/captures":
        return intent.of_capture(ask.order.amount)
    return intent.of_void(ask.order.amount)


def _is_final(ask: Ask, failure: Failure, status: int) -> bool:
    """Tell whether nothing was done, and nothing ever will be under this order."""
    match ask.path:
        case "/charges":
            return status == 402 or failure.code in FINAL or failure.param == "payment_method"
        case "/captures":
            return status == 402 or failure.code in FINAL
        case "/refunds":
            return failure.code in FINAL or failure.param == "amount"
        case "/evidence" | "/acceptances":
            return status == 400  # nothing but a deadline or another answer stands against it
    return failure.code in FINAL


def _refusal(ask: Ask, failure: Failure, intent: Intent | None) -> Outcome | Undecided:
    """Return how an order ended that was refused: perhaps it was done before, or by others."""
    order = ask.order
    if isinstance(order, ChargeOrder) and intent:
        return intent.of_charge(failure)
    if intent:
        ended = _ended(ask, intent)
        if ended != "undecided" and matches(ended, ask):
            return ended
        if intent.status == "processing":
            return "undecided"
    return Outcome(
        id="" if isinstance(order, ChargeOrder) else order.charge,
        reference=order.reference,
        status="failed",
        amount=order.amount,
        currency=order.currency,
        decline_code=failure.ours() if isinstance(order, ChargeOrder) else None,
    )
