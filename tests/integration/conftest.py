"""A system of real servers for the functions: documents, mailbox, Valkey, and handlers on them."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pymongo
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pymongo.database import Database

from redis_sqs import Message
from redis_sqs.redis_queue import RedisQueue
from tests.conftest import free_port, wait_until
from tests.integration.function_process import FunctionProcess, ProcessDied
from tests.integration.relay import KillAt

ROOT = Path(__file__).parents[2]
CLIENTS = [
    {
        "id": "demo",
        "secret_sha256": hashlib.sha256(b"demo-secret").hexdigest(),
        "tenant": "demo",
        "scopes": ["payments:read", "payments:write"],
    }
]


@dataclass(frozen=True)
class Mailbox:
    """A running mailbox."""

    smtp_port: int
    http_port: int

    def mails_to(self, address: str) -> list[dict[str, Any]]:
        """Return what it shows of the mails to `address`, oldest first."""
        mails, after = [], 0
        while after is not None:
            page = self._get(f"/messages?after={after}")
            mails += [each for each in page["messages"] if each["to"] == address]
            after = page["next"]
        return mails

    def raw(self, sequence: int) -> bytes:
        """Return the bytes of one mail."""
        mail = self._get(f"/messages/{sequence}")
        raw: str = mail["raw"]
        return raw.encode(mail["charset"])

    def _get(self, path: str) -> Any:
        with urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=5) as response:
            return json.load(response)


@pytest.fixture(scope="session")
def documents_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a documents server of the whole test run."""
    port = free_port()
    data = tmp_path_factory.mktemp("documents") / "documents.sqlite"
    command = ["-m", "local.documents", "--port", str(port), "--data", str(data)]
    server = subprocess.Popen([sys.executable, *command], cwd=ROOT, stderr=subprocess.DEVNULL)
    with pymongo.MongoClient[Any](port=port, serverSelectionTimeoutMS=20_000) as client:
        client.admin.command("ping")
    yield port
    server.terminate()
    server.wait(timeout=10)


@pytest.fixture(scope="session")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    """A mailbox of the whole test run."""
    mailbox = Mailbox(free_port(), free_port())
    journal = tmp_path_factory.mktemp("mailbox") / "mailbox.jsonl"
    command = ["-m", "local.simulators.mailbox", "--journal", str(journal)]
    command += ["--smtp-port", str(mailbox.smtp_port), "--http-port", str(mailbox.http_port)]
    server = subprocess.Popen([sys.executable, *command], cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until(lambda: _is_listening(mailbox))
    yield mailbox
    server.terminate()
    server.wait(timeout=10)


@pytest.fixture(scope="session")
def environment(documents_port: int, mailbox: Mailbox, valkey_server: str) -> dict[str, str]:
    """The environment of the functions."""
    key = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "REDIS_URL": valkey_server,
        "MONGO_URL": f"mongodb://127.0.0.1:{documents_port}",
        "SMTP_URL": f"smtp://127.0.0.1:{mailbox.smtp_port}",
        "SMS_URL": f"http://127.0.0.1:{mailbox.http_port}/sms",
        "UNSUBSCRIBE_KEY": "only for tests",
        "TOKEN_PRIVATE_KEY": key.decode(),
        "OAUTH_CLIENTS": json.dumps(CLIENTS),
        "WEBHOOKS_TO_LOOPBACK": "yes",
        "TEST_CLOCKS": "yes",
    }


@pytest.fixture(scope="session")
def function(environment: dict[str, str]) -> Iterator[Callable[[str], FunctionProcess]]:
    """The process of a handler, started when a test first asks for it."""
    started: dict[str, FunctionProcess] = {}

    def process_of(handler: str) -> FunctionProcess:
        if handler not in started:
            started[handler] = FunctionProcess(handler, environment)
        return started[handler]

    yield process_of
    for each in started.values():
        each.kill()


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., FunctionProcess]]:
    """Start a process for one test, with other settings where given."""
    started: list[FunctionProcess] = []

    def start_one(handler: str, **settings: str) -> FunctionProcess:
        started.append(FunctionProcess(handler, {**environment, **settings}))
        return started[-1]

    yield start_one
    for each in started:
        each.kill()


@pytest.fixture
def killed_at(
    start: Callable[..., FunctionProcess], documents_port: int
) -> Callable[[bytes, str, Sequence[Message]], None]:
    """Give messages to a handler whose process is killed when it sends `word` to the store."""

    def kill_at(word: bytes, handler: str, messages: Sequence[Message]) -> None:
        with KillAt(documents_port, word) as relay:
            url = f"mongodb://127.0.0.1:{relay.port}/?directConnection=true"
            victim = start(handler, MONGO_URL=url)
            relay.kill = victim.process.kill
            with pytest.raises(ProcessDied):
                victim.consume(messages)

    return kill_at


@pytest.fixture
def database(documents_port: int) -> Iterator[Database[dict[str, Any]]]:
    """The functions' database, to look into."""
    with pymongo.MongoClient[dict[str, Any]](port=documents_port) as client:
        yield client["spillway"]


@pytest.fixture
def queue(valkey: str) -> Callable[[str], RedisQueue]:
    """A queue of the functions by its name; all are empty when the test begins."""
    return lambda name: RedisQueue(name, redis_url=valkey)


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """A tenant of this test alone."""
    name: str = request.node.name
    return name.removeprefix("test_")[:100].replace("[", "-").replace("]", "")


def _is_listening(mailbox: Mailbox) -> bool:
    try:
        mailbox.mails_to("nobody@example.com")
    except OSError:
        return False
    return True
