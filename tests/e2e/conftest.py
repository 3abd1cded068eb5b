"""A whole system for the end-to-end tests: one of their own, or the one that TARGET names."""

import http.client
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import free_port
from tests.e2e import targets
from tests.e2e.differences import DIFFERENCES
from tests.e2e.documented import disagreements

ROOT = Path(__file__).parents[2]
UP_TIMEOUT_S = 120
TIMEOUT_S = 35  # API Gateway itself answers after 29 s


@dataclass(frozen=True)
class Answer:
    """One HTTP response with its JSON body parsed."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass
class Client:
    """A client of the HTTP API at `base`, with a token once it has one."""

    base: str
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def call(
        self,
        method: str,
        path: str,
        body: bytes | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        parts = urlsplit(targets.base_of(self.base, path))
        sent = {**self.headers, **(headers or {})}
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if isinstance(body, Mapping):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, parts.path + path, body, sent)
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        is_json = "json" in response.headers.get("Content-Type", "")
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=json.loads(raw) if is_json and raw else raw,
        )


class CheckingClient(Client):
    """A client that compares each answer with the API's own description."""

    def call(self, method: str, path: str, *arguments: Any, **options: Any) -> Answer:
        answer = super().call(method, path, *arguments, **options)
        kind = answer.headers.get("content-type", "").partition(";")[0]
        assert disagreements(method, path, answer.status, kind, answer.body) == []
        return answer


def log_in(
    base: str,
    client_id: str,
    secret: str,
    scope: str | None = None,
    *,
    kind: type[Client] = Client,
) -> Client:
    """Return a client with a token of this OAuth client."""
    form = f"grant_type=client_credentials&client_id={client_id}&client_secret={secret}"
    if scope is not None:
        form += f"&scope={scope}"
    client = kind(base)
    answer = client.call(
        "POST",
        "/oauth2/token",
        form.encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status == 200, answer
    client.token = answer.body["access_token"]
    return client


@dataclass(frozen=True)
class System:
    """A running system: its addresses, its state and the environment of its commands."""

    gateway: str
    console: str
    provider: str
    mailbox: str
    state: Path
    environment: Mapping[str, str]

    def local(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `python -m local …` for this system."""
        return subprocess.run(
            [sys.executable, "-m", "local", *arguments, "--state", str(self.state)],
            env=dict(self.environment),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The whole system, up on free ports, in a folder of its own."""
    with own_system(tmp_path_factory.mktemp("system")) as running:
        yield running


@contextmanager
def own_system(state: Path, **variables: str) -> Iterator[System]:
    """Run a whole system on free ports, with its state in this folder and these variables."""
    running = _on_free_ports(state, variables)
    up = running.local("up", timeout_s=UP_TIMEOUT_S)
    assert up.returncode == 0, up.stdout + up.stderr
    try:
        yield running
    finally:
        down = running.local("down")
        assert down.returncode == 0, down.stdout + down.stderr


def _on_free_ports(state: Path, variables: Mapping[str, str]) -> System:
    # Each is given: of two systems that start together both would take the same next free one.
    names = (
        "GATEWAY",
        "CONSOLE",
        "INVOKE",
        "PROVIDER",
        "SMTP",
        "MAILBOX",
        "DOCUMENTS",
        "VALKEY",
        "OTLP",
    )
    ports = {name: free_port() for name in (*names, "DOCUMENTS_METRICS")}
    workers = {f"WORKER_{index}_PORT": str(free_port()) for index in range(5)}
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'layers/backend/python'}",
        **{f"{name}_PORT": str(port) for name, port in ports.items()},
        **workers,
        **variables,
    }
    return System(
        gateway=f"http://127.0.0.1:{ports['GATEWAY']}",
        console=f"http://127.0.0.1:{ports['CONSOLE']}",
        provider=f"http://127.0.0.1:{ports['PROVIDER']}",
        mailbox=f"http://127.0.0.1:{ports['MAILBOX']}",
        state=state,
        environment=environment,
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what the target is known to do differently; leave out what is not about HTTP."""
    target = targets.chosen()
    if target is None:
        return
    for item in items:
        name = item.nodeid.removeprefix("tests/e2e/")
        for each in DIFFERENCES:
            if each.target == target.kind and each.test in {name, name.partition("[")[0]}:
                item.add_marker(pytest.mark.xfail(reason=each.reason, strict=True))
    own = [item for item in items if "system" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=own)
    items[:] = [item for item in items if item not in own]


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> targets.Target:
    """The address that the tests speak to: TARGET's system, or an own one on this machine."""
    named = targets.chosen()
    if named is not None:
        return named
    running: System = request.getfixturevalue("system")
    return targets.Target(address=running.gateway, kind=targets.MACHINE, mailbox=running.mailbox)


@pytest.fixture(scope="session")
def base(target: targets.Target) -> str:
    """The API's address."""
    return target.address


@pytest.fixture(scope="session")
def mailbox(target: targets.Target) -> "Client":
    """The mailbox's journal, where the target lets it be read."""
    assert target.mailbox is not None, "this target's mailbox cannot be read"
    return Client(target.mailbox)


@pytest.fixture(scope="session")
def kind(target: targets.Target) -> type[Client]:
    """The clients' kind: what other gateways answer by themselves may differ from the document."""
    return CheckingClient if target.kind in (targets.MACHINE, targets.COMPOSE) else Client


@pytest.fixture(scope="session")
def demo(base: str, kind: type[Client]) -> Client:
    """The demo client with all scopes."""
    return log_in(base, "demo", "demo-secret", kind=kind)


@pytest.fixture(scope="session")
def other(base: str, kind: type[Client]) -> Client:
    """A client of another tenant."""
    return log_in(base, "other", "other-secret", kind=kind)


@pytest.fixture
def anybody(base: str, kind: type[Client]) -> Client:
    """A client without a token."""
    return kind(base)


def key() -> dict[str, str]:
    """Return the headers with an idempotency key that nobody used before."""
    return {"Idempotency-Key": str(uuid.uuid4())}


def assert_problem(answer: Answer, status: int, code: str) -> None:
    """Check that `answer` is this refusal, in the shape of RFC 9457 with our additions."""
    assert (answer.status, answer.body.get("code")) == (status, code), answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["status"] == status
    assert set(answer.body) >= {"type", "title", "detail", "instance", "request_id", "retryable"}
