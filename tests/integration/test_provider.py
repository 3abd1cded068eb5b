"""The provider simulator as its clients see it: a process of its own, spoken to by HTTP."""

import asyncio
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.outside.http import HttpConnection
from local.outside.serving import Connections
from tests.conftest import free_port, wait_until

ORDER = {
    "amount": 1234,
    "currency": "EUR",
    "payment_method": "pm_card_visa",
    "capture": True,
    "reference": "pay_1",
}


@dataclass
class Provider:
    """A provider process on a journal; may be started again."""

    journal: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> None:
        self.process = self.spawn(*options)
        wait_until(self.answers)

    def spawn(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "local.outside.provider"),
                *("--port", str(self.port), "--journal", str(self.journal), *options),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )

    def fail_to_start(self) -> tuple[int, str]:
        process = self.spawn()
        try:
            errors = process.communicate(timeout=10)[1]
        finally:
            process.kill()
        return process.returncode, errors

    def answers(self) -> bool:
        try:
            return self.get("/health")[0] == 200
        except OSError:
            return False

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        process, self.process = self.process, None
        if process is None:
            return 0, ""
        process.send_signal(number)
        errors = process.communicate(timeout=10)[1]
        return process.returncode, errors

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            response = connection.getresponse()
            return response.status, json.loads(response.read()), response.headers
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, Any]:
        return self.request("GET", path)[:2]

    def charge(self, key: str, **changes: object) -> tuple[int, Any, http.client.HTTPMessage]:
        body = json.dumps(ORDER | changes).encode()
        return self.request(
            "POST", "/charges", body, idempotency_key=key, content_type="application/json"
        )

    def charges(self, key: str = "") -> list[dict[str, Any]]:
        query = f"?idempotency_key={key}" if key else ""
        charges: list[dict[str, Any]] = self.get(f"/charges{query}")[1]["charges"]
        return charges


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Provider]:
    provider = Provider(tmp_path / "data" / "provider.jsonl")
    yield provider
    provider.stop(signal.SIGKILL)


@pytest.fixture
def provider(stopped: Provider) -> Provider:
    stopped.start()
    return stopped


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """For tests that use keys of their own and do not mind the charges of others."""
    provider = Provider(tmp_path_factory.mktemp("provider") / "provider.jsonl")
    provider.start()
    yield provider
    provider.stop(signal.SIGKILL)


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


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


def test_kill_9_after_the_answer_loses_nothing(provider: Provider) -> None:
    with ThreadPoolExecutor(4) as pool:
        answered = pool.submit(_charge_until_refused, provider)
        wait_until(lambda: len(provider.charges()) > 50)
        provider.stop(signal.SIGKILL)
        charges = answered.result(timeout=20)
    provider.start()

    kept = {charge["idempotency_key"]: charge["id"] for charge in provider.charges()}
    assert len(charges) > 50
    assert {key: kept.get(key) for key in charges} == charges
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
    found = provider.get("/charges?idempotency_key=older")[1]["charges"]

    assert (older[0], older[2]["Idempotent-Replayed"]) == (200, None)
    assert (younger[0], younger[2]["Idempotent-Replayed"]) == (200, "true")
    assert [(charge["sequence"], charge["amount"]) for charge in found] == [(1, 1234), (3, 99)]


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

    found = provider.get("/charges?idempotency_key=b%3Acharge")[1]
    missing = provider.get("/charges?idempotency_key=c")[1]
    assert [charge["idempotency_key"] for charge in found["charges"]] == ["b:charge"]
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


@pytest.mark.parametrize(
    ("method", "path", "refusal"),
    [
        ("GET", "/nothing", (404, "not_found")),
        ("DELETE", "/charges", (405, "method_not_allowed")),
        ("POST", "/charges", (415, "unsupported_media_type")),
        ("GET", "/charges?limit=0", (400, "invalid_query")),
        ("GET", "/charges?limit=1001", (400, "invalid_query")),
        ("GET", "/charges?after=-1", (400, "invalid_query")),
        ("GET", "/charges?after=1&after=2", (400, "invalid_query")),
        ("GET", "/charges?offset=1", (400, "invalid_query")),
    ],
)
def test_a_request_without_a_route_is_refused(
    shared: Provider, method: str, path: str, refusal: tuple[int, str]
) -> None:
    status, problem, _ = shared.request(method, path, b"{}", idempotency_key="k")

    assert (status, problem["code"]) == refusal


def test_a_body_too_large_is_answered_413(shared: Provider) -> None:
    status, problem, headers = shared.request(
        "POST", "/charges", b" " * 70_000, idempotency_key="k", content_type="application/json"
    )

    assert (status, problem["code"]) == (413, "request_too_large")
    assert headers["Connection"] == "close"


def test_a_header_that_never_ends_is_answered_413(shared: Provider) -> None:
    answer = _exchange(shared.port, b"GET /health HTTP/1.1\r\nx: " + b"y" * 200_000)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_what_is_not_http_is_answered_400(shared: Provider) -> None:
    assert _exchange(shared.port, b"HELLO\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_pipelined_requests_are_answered_in_their_order(provider: Provider) -> None:
    requests = b"".join(_request(f"k{number}") for number in range(300))
    answers = _exchange(provider.port, requests + b"GET /x HTTP/1.1\r\nconnection: close\r\n\r\n")

    places = [answers.find(f'"idempotency_key":"k{number}"'.encode()) for number in range(300)]
    assert min(places) > 0
    assert places == sorted(places)
    assert answers.count(b"HTTP/1.1 200 OK") == 300
    assert answers.count(b"HTTP/1.1 404 ") == 1


def test_a_client_that_pipelines_without_end_is_not_read_any_further(stopped: Provider) -> None:
    stopped.start("--latency-ms", "5000")
    more_than_kernels_buffer = 4000 * (b"GET /" + b"x" * 8000 + b" HTTP/1.1\r\n\r\n")
    with socket.create_connection(("127.0.0.1", stopped.port)) as client:
        client.sendall(_request("k"))
        client.settimeout(3)
        with pytest.raises(TimeoutError):
            client.sendall(more_than_kernels_buffer)


def test_sigterm_lets_a_charge_in_progress_finish(stopped: Provider) -> None:
    stopped.start("--latency-ms", "500")
    request = _request("k") + b"GET /health HTTP/1.1\r\n\r\n"
    address = ("127.0.0.1", stopped.port)
    with socket.create_connection(address), socket.create_connection(address) as client:
        client.sendall(request)
        wait_until(lambda: stopped.charge("k")[0] == 409)
        code, _ = stopped.stop()
        answers = _read(client)

    assert code == 0
    assert answers.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answers
    assert answers.count(b"HTTP/1.1") == 1


def test_a_second_sigterm_does_not_wait(stopped: Provider) -> None:
    stopped.start("--latency-ms", "4000")
    process = stopped.process
    assert process is not None
    with socket.create_connection(("127.0.0.1", stopped.port)) as client:
        client.sendall(_request("k"))
        wait_until(lambda: stopped.charge("k")[0] == 409)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not stopped.answers())
        started = time.monotonic()
        code, _ = stopped.stop()

    assert code == 0
    assert time.monotonic() - started < 2
    assert stopped.journal.read_text() == ""


@pytest.mark.parametrize(
    ("sent", "later_s", "answer"),
    [
        (b"GET /health HT", 9, b"open"),
        (b"GET /health HT", 11, b"HTTP/1.1 408 Request Timeout"),
        (b"", 74, b"open"),
        (b"", 76, b""),
    ],
)
def test_a_connection_that_keeps_the_server_waiting_is_ended(
    sent: bytes, later_s: float, answer: bytes
) -> None:
    assert asyncio.run(_first_line_after(sent, later_s)) == answer


@pytest.mark.parametrize("what", ["port", "journal"])
def test_a_second_provider_is_refused_in_one_sentence(
    provider: Provider, tmp_path: Path, what: str
) -> None:
    second = Provider(provider.journal)
    if what == "port":
        second = Provider(tmp_path / "second.jsonl", port=provider.port)
    code, errors = second.fail_to_start()

    assert code == 2
    assert len(errors.splitlines()) == 1
    assert (f"port {provider.port} is taken" if what == "port" else "is in use") in errors


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


def _request(key: str) -> bytes:
    body = json.dumps(ORDER).encode()
    head = f"idempotency-key: {key}\r\ncontent-length: {len(body)}\r\n\r\n"
    return b"POST /charges HTTP/1.1\r\ncontent-type: application/json\r\n" + head.encode() + body


def _exchange(port: int, request: bytes) -> bytes:
    """Send bytes and give everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request)
        return _read(client)


def _read(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


async def _first_line_after(sent: bytes, later_s: float) -> bytes:
    """Send bytes to a server whose clock then jumps; gives "open" if that changes nothing."""
    loop = asyncio.get_running_loop()
    connections = Connections()
    server = await loop.create_server(
        lambda: HttpConnection(lambda exchange: None, connections), "127.0.0.1", 0
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent)
        await asyncio.sleep(0.05)
        connections.sweep(loop.time() + later_s)
        try:
            return (await asyncio.wait_for(reader.readline(), 0.2)).strip()
        except TimeoutError:
            return b"open"
        finally:
            writer.close()
            connections.sweep(loop.time() + 1000)
            connections.sweep(loop.time() + 2000)
            await asyncio.sleep(0.01)
