"""The rules that must hold at the end of a history."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec

from backend import domain_events
from backend.domain_events import body, public_id
from payments import asks, ledger, service
from payments.schema import OperationRequest, Payment, PaymentRequest
from tests.simulation.doubles import CLOCK_MS, Listed, Store, WebhookQueue
from tests.simulation.provider import Provider

LAPSED = ("payment.canceled", "payment.hold_released")


@dataclass
class Journal:
    """The answers that clients got, by key; nothing of it may ever be contradicted."""

    requests: dict[str, PaymentRequest | OperationRequest] = field(default_factory=dict)
    answers: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    contradictions: list[str] = field(default_factory=list)


@dataclass
class Rules:
    """The rules for what a history leaves; `violations` says which of them are broken."""

    store: Store
    provider: Provider
    journal: Journal
    webhooks: WebhookQueue
    listed: Listed

    def violations(self) -> list[str]:
        return [
            *self.journal.contradictions,
            *self.provider.reused,
            *self._answers_contradicted(),
            *self._documents_broken(),
            *self._money_wrong(),
            *self._requests_wrong(),
            *self._times_wrong(),
            *self._announcements_missing(),
            *self._announcements_wrong(),
            *self._listed_wrong(),
        ]

    def _answers_contradicted(self) -> list[str]:
        """Return contradictions: one key has one answer, and what was answered exists."""
        wrong = [
            f"{key} was answered in {len(set(bodies))} ways"
            for key, bodies in self.journal.answers.items()
            if len(set(bodies)) > 1
        ]
        created = [
            json.loads(bodies[0])["id"]
            for key, bodies in self.journal.answers.items()
            if isinstance(self.journal.requests[key], PaymentRequest)
        ]
        wrong += [f"{each} is lost" for each in created if each not in self.store.documents]
        wrong += [f"{len(created) - len(set(created))} keys share a payment"] * (
            len(created) != len(set(created))
        )
        return wrong

    def _documents_broken(self) -> list[str]:
        return (
            [
                f"{each.id} version {each.version}: it does not hold that {violation}"
                for each in self.store.versions
                for violation in ledger.violations(each)
            ]
            + [
                f"{each.id} is left {each.status}"
                for each in self.store.documents.values()
                if asks.due(each)
            ]
            + [
                f"more of {each.id} is refunded and disputed than captured"
                for each in self.store.documents.values()
                if ledger.disputable(each) < 0
            ]
            + [
                f"{each.id} waits for a customer who is not there"
                for each in self.store.versions
                if each.off_session and not each.attempts and each.status == "requires_action"
            ]
            + [
                f"{effect.reference} has not heard of its {effect.kind}"
                for effect in self.provider.record
                if (payment := self.store.documents.get(effect.reference))
                and service.heard(payment, effect.answer(), now_ms=0) is not payment
            ]
        )

    def _money_wrong(self) -> list[str]:
        """Return wrong money: the provider moved exactly what the documents say, once."""
        moved, charges = self._moved()
        wrong = [f"{each} is charged {count} times" for each, count in charges.items() if count > 1]
        wrong += [f"{each} has no payment" for each in charges if each not in self.store.documents]
        for payment in self.store.documents.values():
            fees = payment.amount_fees - sum(each.fee for each in payment.disputes)
            ours = (payment.amount_captured, payment.amount_refunded, fees)
            theirs = tuple(moved[payment.id][each] for each in ("capture", "refund", "fee"))
            if ours != theirs:
                wrong.append(f"{payment.id}: captured, refunded, fees {ours}, provider {theirs}")
            wrong += self._disputes_wrong(payment)
            if payment.amount_held != self.provider.held.get(payment.charge_id or "", 0):
                wrong.append(f"{payment.id} holds what the provider does not hold, or the reverse")
            if payment.status == "failed" and moved[payment.id]:
                wrong.append(f"{payment.id} failed, but the provider moved money")
        return wrong

    def _moved(self) -> tuple[dict[str, Counter[str]], Counter[str]]:
        """Return what the provider moved of each payment by kind, and how often it charged it."""
        moved: dict[str, Counter[str]] = defaultdict(Counter)
        charges: Counter[str] = Counter()
        refunds: set[str] = set()  # the keys of those that were made
        for effect in self.provider.record:
            is_charge = effect.kind in ("charge", "confirmation")
            charges[effect.reference] += is_charge and effect.status == "succeeded"
            if effect.status == "succeeded":
                kind = "capture" if effect.captured else effect.kind
                moved[effect.reference][kind] += effect.amount
                refunds.add(effect.idempotency_key)
            elif effect.idempotency_key in refunds:
                moved[effect.reference]["refund"] -= effect.amount
        return moved, charges

    def _disputes_wrong(self, payment: Payment) -> list[str]:
        """Return wrong disputes: ours are the provider's, and their money is where it must be."""
        last = {
            each.dispute.id: each.dispute
            for each in self.provider.record
            if each.dispute and each.reference == payment.id
        }
        theirs = {(each.id, each.amount, each.fee, each.status) for each in last.values()}
        ours = {(each.provider_id, each.amount, each.fee, each.status) for each in payment.disputes}
        sums = Counter[str]()
        for each in last.values():
            sums[each.status] += each.amount
            sums["fees"] += each.fee
        fees = sum(
            each.amount if each.debit == "fees" else -each.amount
            for each in payment.ledger
            if each.transfer.endswith(":fee")
        )
        money = (payment.amount_disputing, payment.amount_disputed, fees)
        expected = (sums["needs_response"] + sums["under_review"], sums["lost"], sums["fees"])
        wrong = [f"{payment.id} has the disputes {ours}, provider {theirs}"] * (ours != theirs)
        wrong += [f"{payment.id} has of disputes {money}, not {expected}"] * (money != expected)
        return wrong

    def _requests_wrong(self) -> list[str]:
        """Return requests that should have been refused: what is disputed is neither refunded nor
        answered twice.
        """
        wrong = []
        for each in self.store.versions:
            operation = each.operations[-1] if each.operations else None
            if operation is None or operation.event != len(each.events):
                continue
            disputed = sum(x.amount for x in each.disputes if x.status != "won")
            left = each.amount_captured - each.amount_refunded - each.amount_refunding - disputed
            if operation.kind == "refund" and left < 0:
                wrong.append(f"{each.id} version {each.version}: what is disputed is refunded")
            waits = [x.dispute for x in each.operations if x.dispute and x.status == "pending"]
            statuses = {x.id: x.status for x in each.disputes}
            if operation.dispute and (
                waits.count(operation.dispute) > 1
                or statuses[operation.dispute] != "needs_response"
            ):
                wrong.append(f"{each.id} version {each.version}: a dispute is answered twice")
        return wrong

    def _times_wrong(self) -> list[str]:
        """Return wrong times: a payment of a clock has its times, in order; no other has any."""
        wrong = []
        lapsed_at = {x.reference: x.clock_ms or 0 for x in self.provider.by_time}
        for payment in self.store.documents.values():
            times = [each.clock_ms for each in payment.events]
            if not payment.test_clock:
                wrong += [f"{payment.id} has times of a clock"] * any(times)
                continue
            ours = [each or 0 for each in times]
            if ours != sorted(ours) or not CLOCK_MS <= ours[0] <= ours[-1] <= self.store.clock_ms:
                wrong.append(f"{payment.id} happened at {ours}")
            lapses = [e for e in payment.events if e.type in LAPSED and not e.operation]
            # Later only where more had happened before the lapse was heard of.
            theirs = lapsed_at.get(payment.id, 0)
            if any(each.clock_ms != max(theirs, ours[each.n - 2]) for each in lapses):
                wrong.append(f"{payment.id} lapsed at {[each.clock_ms for each in lapses]}")
        return wrong

    def _announcements_missing(self) -> list[str]:
        """Return what is missing: every event that others must hear of was sent, at least once."""
        heard = {event["event_id"] for event in self._announced()}
        return [
            f"nobody heard of {payment.id} {event.type}"
            for payment in self.store.documents.values()
            for event in payment.events
            if event.type not in ("payment.created", "payment.provider_fee")
            and not event.type.endswith("_requested")
            and f"{payment.id}.{event.n}" not in heard
        ]

    def _announcements_wrong(self) -> list[str]:
        """Return what is wrong: whatever was told of an event is its payment at that sequence."""
        states = {
            (payment.id, number): state
            for payment in self.store.documents.values()
            for number, state in enumerate(states_of(payment), start=1)
        }
        return [
            f"{event['event_id']} {event['name']} tells {_told(event)}, it was {state}"
            for event in self._announced()
            if (state := states.get((event["data"]["id"], event["sequence"]))) != _told(event)
        ]

    def _listed_wrong(self) -> list[str]:
        """Return what is wrong: an event is listed before anybody hears of it, as it was told."""
        return [f"{each} was told before it was listed" for each in self.webhooks.unlisted] + [
            f"{each['event_id']} is listed otherwise than it was told"
            for each in self._announced()
            if self.listed.get(public_id(each["event_id"]))
            != body(msgspec.convert(each, domain_events.Event))
        ]

    def _announced(self) -> list[dict[str, Any]]:
        return [event for body in self.webhooks.sent for event in json.loads(body)["events"]]


State = tuple[str, str, int, int, str | None]


def states_of(payment: Payment) -> list[State]:
    """Return type, status, captured, refunded and its dispute's status after each event.

    They come from types and amounts alone, but for how disputes end.
    """
    states: list[State] = []
    ends = {each.id: each.status for each in payment.disputes}
    closed = Counter(e.dispute for e in payment.events if e.type == "payment.dispute_closed")
    disputes: dict[str, str] = {}
    answers = {each.id: each.dispute for each in payment.operations}
    settled = "processing"  # what it is while no capture or cancel is under way
    under_way = False
    captured = 0
    refunds: dict[str | None, int] = {}
    for event in payment.events:
        name = event.type.removeprefix("payment.")
        captured += event.amount if name == "succeeded" else 0
        refunds |= {event.operation: event.amount} if name == "refunded" else {}
        refunds |= {event.operation: 0} if name == "refund_failed" else {}
        refunded = sum(refunds.values())
        if name in ("capture_requested", "cancel_requested"):
            under_way = True
        elif name == "confirm_requested":
            settled = "processing"
        elif event.operation and not name.startswith(("refund", "dispute")):
            under_way = False
        if name in ("requires_capture", "requires_action", "failed", "succeeded", "canceled"):
            settled = name
        status = "processing" if under_way else settled
        if event.dispute:
            after = {"dispute_created": "needs_response", "dispute_updated": "under_review"}
            closed[event.dispute] -= name == "dispute_closed"  # one that follows reverses it
            end = "lost" if closed[event.dispute] else ends[event.dispute]
            disputes[event.dispute] = after.get(name) or end
        dispute = disputes.get(event.dispute or answers.get(event.operation or "") or "")
        states.append((event.type, status, captured, refunded, dispute))
    return states


def _told(event: dict[str, Any]) -> State:
    data = event["data"]
    dispute = data.get("dispute", {}).get("status")
    return event["name"], data["status"], data["amount_captured"], data["amount_refunded"], dispute
