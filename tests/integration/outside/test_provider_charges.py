"""Charges as a backend orders them: their outcome, their key, their list."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.outside.processes import ORDER, Provider


def test_a_charge_is_answered_with_its_outcome(provider: Provider) -> None:
    status, charge, _ = provider.charge("pay_1:charge")

    created_ms = charge.pop("created_ms")
    assert status == 200
    assert abs(created_ms - time.time() * 1000) < 10_000
    assert charge == {
        "id": "ch_000000000001",
        "idempotency_key": "pay_1:charge",
        "reference": "pay_1",
        "status": "succeeded",
        "decline_code": None,
        "amount": 1234,
        "currency": "EUR",
        "captured": True,
    }


@pytest.mark.parametrize(
    ("token", "outcome"),
    [
        ("pm_card_visa", ("succeeded", None, True)),
        ("pm_card_chargeDeclined", ("failed", "generic_decline", False)),
        ("pm_card_insufficientFunds", ("failed", "insufficient_funds", False)),
        ("pm_card_expiredCard", ("failed", "expired_card", False)),
        ("pm_card_processingError", ("failed", "processing_error", False)),
        ("pm_card_authenticationRequired", ("requires_action", None, False)),
    ],
)
def test_the_test_token_decides_the_outcome(
    shared: Provider, key: str, token: str, outcome: tuple[str, str | None, bool]
) -> None:
    charge = shared.charge(key, payment_method=token)[1]

    assert (charge["status"], charge["decline_code"], charge["captured"]) == outcome


def test_an_order_without_capture_is_not_captured(shared: Provider, key: str) -> None:
    assert shared.charge(key, capture=False)[1]["captured"] is False


def test_a_repeated_key_gives_the_same_answer_and_charges_once(provider: Provider) -> None:
    first = provider.charge("k")
    again = provider.charge("k")

    assert again[:2] == first[:2]
    assert first[2]["Idempotent-Replayed"] is None
    assert again[2]["Idempotent-Replayed"] == "true"
    assert len(provider.charges()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 1},
        {"currency": "USD"},
        {"payment_method": "pm_card_expiredCard"},
        {"capture": False},
        {"reference": "pay_2"},
    ],
)
def test_a_repeated_key_with_another_order_is_refused(
    shared: Provider, key: str, change: dict[str, object]
) -> None:
    shared.charge(key)

    status, problem, headers = shared.charge(key, **change)

    assert (status, problem["code"]) == (400, "idempotency_key_reused")
    assert headers["Content-Type"] == "application/problem+json"
    assert len(shared.charges(key)) == 1


def test_a_key_in_progress_is_answered_409(stopped: Provider) -> None:
    stopped.start("--latency-ms", "300")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: stopped.charge("k"), range(8)))

    conflicts = [
        (problem["code"], headers["Retry-After"]) for s, problem, headers in answers if s == 409
    ]
    assert sorted(status for status, _, _ in answers) == [200] + [409] * 7
    assert set(conflicts) == {("idempotency_in_progress", "1")}
    assert len(stopped.charges()) == 1


def test_concurrent_orders_under_one_key_charge_once(provider: Provider) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: provider.charge("k"), range(64)))

    ids = {charge["id"] for status, charge, _ in answers if status == 200}
    assert {status for status, _, _ in answers} <= {200, 409}
    assert ids == {charge["id"] for charge in provider.charges()} == {"ch_000000000001"}


def test_the_latency_passes_before_the_effect(stopped: Provider) -> None:
    stopped.start("--latency-ms", "200")
    started = time.monotonic()
    stopped.charge("k")

    assert time.monotonic() - started >= 0.2


def test_charges_are_listed_in_pages_in_journal_order(provider: Provider) -> None:
    for number in range(5):
        provider.charge(f"k{number}")

    pages = []
    after: int | None = 0
    while after is not None:
        page = provider.get(f"/charges?after={after}&limit=2")[1]
        pages.append([charge["sequence"] for charge in page["charges"]])
        after = page["next"]
    assert pages == [[1, 2], [3, 4], [5]]
    assert provider.get("/charges?after=9")[1] == {"charges": [], "next": None}


def test_a_charge_is_found_by_its_key(provider: Provider) -> None:
    provider.charge("a")
    provider.charge("b:charge")

    page = provider.get("/charges?idempotency_key=b%3Acharge")[1]
    missing = provider.get("/charges?idempotency_key=c")[1]
    assert [charge["idempotency_key"] for charge in page["charges"]] == ["b:charge"]
    assert missing == {"charges": [], "next": None}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        json.dumps(ORDER).encode() + b"x",
        json.dumps(ORDER | {"amount": 0}).encode(),
        json.dumps(ORDER | {"amount": -1}).encode(),
        json.dumps(ORDER | {"amount": 100_000_000}).encode(),
        json.dumps(ORDER | {"amount": 12.0}).encode(),
        json.dumps(ORDER | {"amount": True}).encode(),
        json.dumps(ORDER | {"amount": "12"}).encode(),
        json.dumps(ORDER | {"currency": "eur"}).encode(),
        json.dumps(ORDER | {"currency": "EURO"}).encode(),
        json.dumps(ORDER | {"capture": 1}).encode(),
        json.dumps(ORDER | {"reference": ""}).encode(),
        json.dumps(ORDER | {"payment_method": "4242424242424242"}).encode(),
        json.dumps(ORDER | {"extra": 1}).encode(),
        json.dumps({"amount": 1}).encode(),
    ],
)
def test_a_bad_order_is_refused_and_charges_nothing(
    shared: Provider, key: str, body: bytes
) -> None:
    status, problem, headers = shared.request(
        "POST", "/charges", body, idempotency_key=key, content_type="application/json"
    )

    assert (status, problem["status"]) == (400, 400)
    assert headers["Content-Type"] == "application/problem+json"
    assert shared.charges(key) == []
    assert shared.charge(key)[0] == 200


@pytest.mark.parametrize("bad_key", ["", "with space", "x" * 256, "umlaut-\xe4"])
def test_a_bad_key_is_refused(shared: Provider, bad_key: str) -> None:
    status, problem, _ = shared.charge(bad_key)

    assert (status, problem["code"]) == (400, "idempotency_key_required")
