"""The provider's disputes, holds and test clocks, also after it was killed."""

import json
import signal
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.integration.outside.processes import Provider

WEEK_MS = 7 * 86_400_000
ORDER = {"amount": 1000, "currency": "EUR", "payment_method": "pm_card_visa", "reference": "pay_1"}


def post(provider: Provider, path: str, body: dict[str, Any], key: str = "") -> tuple[int, Any]:
    headers = {"idempotency_key": key} if key else {}
    sent = json.dumps(body).encode()
    status, answer, _ = provider.request(
        "POST", path, sent, content_type="application/json", **headers
    )
    return status, answer


def disputes_of(provider: Provider) -> list[tuple[str, int]]:
    effects = provider.get("/effects")[1]["effects"]
    return [(x["dispute"]["status"], x["amount"]) for x in effects if x["kind"] == "dispute"]


def answer_to(dispute: dict[str, Any], **evidence: str) -> dict[str, Any]:
    names = ("charge", "amount", "currency", "reference")
    return {name: dispute[name] for name in names} | {
        "dispute_id": dispute["id"],
        "evidence": evidence,
    }


def test_a_kill_leaves_disputes_and_the_money_that_they_hold_back(provider: Provider) -> None:
    post(provider, "/charges", ORDER | {"capture": True}, "pay_1:charge")
    _, dispute = post(provider, "/disputes", {"reference": "pay_1", "amount": 400})
    provider.stop(signal.SIGKILL)
    provider.start()

    refund = {"charge": dispute["charge"], "currency": "EUR", "reference": "pay_1"}
    refused = post(provider, "/refunds", refund | {"amount": 601}, "re_1")[1]
    refunded = post(provider, "/refunds", refund | {"amount": 600}, "re_2")[1]
    accepted = post(provider, "/acceptances", answer_to(dispute), "acc_1")[1]
    again = post(provider, "/evidence", answer_to(dispute, text="winning_evidence"), "ev_1")[1]

    statuses = [each["status"] for each in (refused, refunded, accepted, again)]
    assert statuses == ["failed", "succeeded", "succeeded", "failed"]
    assert disputes_of(provider) == [("needs_response", 400), ("lost", 400)]


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        ("winning_evidence", ["needs_response", "under_review", "won"]),
        ("losing_evidence", ["needs_response", "under_review", "lost"]),
        ("It was delivered.", ["needs_response", "under_review"]),
    ],
)
def test_evidence_decides_as_at_stripe(provider: Provider, text: str, statuses: list[str]) -> None:
    token = {"payment_method": "pm_card_createDispute", "capture": True}
    post(provider, "/charges", ORDER | token, "pay_1:charge")
    dispute = provider.get("/effects")[1]["effects"][-1]["dispute"]

    answers = [post(provider, "/evidence", answer_to(dispute, text=text), "ev_1") for _ in range(2)]

    assert answers[0] == answers[1]
    assert answers[0][1]["status"] == "succeeded"
    assert [status for status, _ in disputes_of(provider)] == statuses


def test_a_dispute_that_nobody_answers_in_time_is_lost(provider: Provider) -> None:
    post(provider, "/charges", ORDER | {"capture": True}, "pay_1:charge")
    post(provider, "/disputes", {"reference": "pay_1", "due_s": 0})

    wait_until(lambda: disputes_of(provider) == [("needs_response", 1000), ("lost", 1000)])


def test_a_clock_has_its_holds_lapse_in_their_order_once_also_after_a_kill(
    provider: Provider,
) -> None:
    for number, clock_ms in enumerate((2_000, 1_000)):
        order = ORDER | {"capture": False, "reference": f"pay_{number}", "test_clock": "c"}
        post(provider, "/charges", order | {"clock_ms": clock_ms}, f"pay_{number}:charge")
    provider.stop(signal.SIGKILL)
    provider.start()

    def lapses(now_ms: int) -> list[tuple[str, int]]:
        body = {"test_clock": "c", "now_ms": now_ms}
        effects = post(provider, "/clocks", body)[1]["effects"]
        return [(each["reference"], each["clock_ms"]) for each in effects]

    both = [("pay_1", WEEK_MS + 1_000), ("pay_0", WEEK_MS + 2_000)]
    assert lapses(WEEK_MS) == []
    assert lapses(WEEK_MS + 1_500) == both[:1]
    assert lapses(WEEK_MS + 9_000) == both
    assert lapses(WEEK_MS + 9_000) == both
    capture = {"amount": 1, "currency": "EUR", "reference": "pay_0", "charge": "ch_000000000001"}
    assert post(provider, "/captures", capture, "cap_1")[1]["status"] == "failed"


def test_a_hold_that_is_captured_late_by_its_clock_has_lapsed_by_itself(
    provider: Provider,
) -> None:
    post(provider, "/clocks", {"test_clock": "c", "now_ms": WEEK_MS * 2})
    order = ORDER | {"capture": False, "test_clock": "c", "clock_ms": 1_000}

    post(provider, "/charges", order, "pay_1:charge")

    kinds = [each["kind"] for each in provider.get("/effects")[1]["effects"]]
    assert kinds == ["charge", "lapse"]
