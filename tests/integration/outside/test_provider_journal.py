"""The journal outlives the provider: nothing answered is lost, and nothing odd is overwritten."""

import http.client
import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.conftest import wait_until
from tests.integration.outside.processes import Provider

REFUND = {"amount": 1, "currency": "EUR", "reference": "pay_1"}


def test_kill_9_after_the_answer_loses_nothing(provider: Provider) -> None:
    with ThreadPoolExecutor(4) as pool:
        answered = pool.submit(_charge_until_refused, provider)
        wait_until(lambda: len(provider.charges()) > 50)
        provider.stop(signal.SIGKILL)
        charges = answered.result(timeout=20)
    provider.start()

    stored = {charge["idempotency_key"]: charge["id"] for charge in provider.charges()}
    assert len(charges) > 50
    assert {key: stored.get(key) for key in charges} == charges
    assert provider.charge("key-0")[2]["Idempotent-Replayed"] == "true"


def test_a_torn_last_line_is_cut_at_the_next_start(provider: Provider) -> None:
    provider.charge("whole")
    provider.stop(signal.SIGKILL)
    with provider.journal.open("ab") as journal:
        journal.write(b'{"id":"ch_000000000002","idempotency_key":"to')
    provider.start()
    provider.charge("next")

    keys = [(charge["idempotency_key"], charge["sequence"]) for charge in provider.charges()]
    assert keys == [("whole", 1), ("next", 2)]
    assert [json.loads(line)["sequence"] for line in provider.journal.read_text().splitlines()] == [
        1,
        2,
    ]


def test_a_key_lives_for_a_day(provider: Provider) -> None:
    provider.charge("older")
    provider.charge("younger")
    provider.stop()
    hours_ms = 3600 * 1000
    lines = [json.loads(line) for line in provider.journal.read_text().splitlines()]
    lines[0]["created_ms"] -= 25 * hours_ms
    lines[1]["created_ms"] -= 23 * hours_ms
    provider.journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    provider.start()

    older = provider.charge("older", amount=99)
    younger = provider.charge("younger")
    charges = provider.get("/charges?idempotency_key=older")[1]["charges"]

    assert (older[0], older[2]["Idempotent-Replayed"]) == (200, None)
    assert (younger[0], younger[2]["Idempotent-Replayed"]) == (200, "true")
    assert [(charge["sequence"], charge["amount"]) for charge in charges] == [(1, 1234), (3, 99)]


def test_a_journal_that_cannot_be_written_ends_the_process_unanswered(stopped: Provider) -> None:
    stopped.start()
    process = stopped.process
    assert process is not None
    psutil.Process(process.pid).rlimit(psutil.RLIMIT_FSIZE, (2000, 2000))
    answered = _charge_until_refused(stopped)
    errors = process.communicate(timeout=10)[1]
    stopped.start()

    assert process.returncode == 1
    assert "cannot be written" in errors
    assert 0 < len(answered) < 20
    assert {charge["idempotency_key"] for charge in stopped.charges()} == set(answered)


@pytest.mark.parametrize("what", ["port", "journal"])
def test_a_second_provider_is_refused_in_one_sentence(
    provider: Provider, tmp_path: Path, what: str
) -> None:
    second = Provider(provider.journal)
    if what == "port":
        second = Provider(tmp_path / "second.jsonl", http_port=provider.http_port)
    code, errors = second.fail_to_start()

    assert code == 2
    assert len(errors.splitlines()) == 1
    assert (f"port {provider.http_port} is taken" if what == "port" else "is in use") in errors


def test_a_journal_of_something_else_is_refused_and_left_alone(stopped: Provider) -> None:
    stopped.journal.parent.mkdir()
    stopped.journal.write_text('{"other":"thing"}\n')
    code, errors = stopped.fail_to_start()

    assert code == 2
    assert "line 1" in errors
    assert stopped.journal.read_text() == '{"other":"thing"}\n'


def test_a_journal_with_a_line_missing_is_refused(provider: Provider) -> None:
    provider.charge("a")
    provider.charge("b")
    provider.stop()
    provider.journal.write_text(provider.journal.read_text().split("\n", 1)[1])
    code, errors = provider.fail_to_start()

    assert code == 2
    assert "line 1 has sequence 2" in errors


def test_what_was_dropped_is_no_longer_known_and_the_numbers_go_on(provider: Provider) -> None:
    for key in ("old", "kept"):
        provider.charge(key)
    provider.stop()
    old, newer = provider.journal.read_text().splitlines(keepends=True)
    provider.journal.write_text("")
    provider.journal.with_suffix(".jsonl.1").write_text(newer)
    provider.start()
    again = provider.charge("old")
    refund = json.dumps({"charge": json.loads(old)["id"], **REFUND}).encode()
    refused = provider.request(
        "POST", "/refunds", refund, idempotency_key="re_1", content_type="application/json"
    )

    assert (again[0], again[1]["id"]) == (200, "ch_000000000003")
    assert provider.charge("kept")[2]["Idempotent-Replayed"] == "true"
    assert (refused[0], refused[1]["decline_code"]) == (200, "amount_not_available")
    assert [each["sequence"] for each in provider.charges()] == [2]
    assert provider.get("/effects?after=2")[1]["effects"][0]["sequence"] == 3


def _charge_until_refused(provider: Provider) -> dict[str, str]:
    """Charge under key-0, key-1 ... until the provider is gone; gives key -> charge id."""
    charges: dict[str, str] = {}
    for number in range(100_000):
        key = f"key-{number}"
        try:
            charges[key] = provider.charge(key)[1]["id"]
        except (OSError, http.client.HTTPException):
            break
    return charges
