"""A provider and a mailbox of the test's own."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.outside.processes import Mailbox, Provider


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Provider]:
    """Yield a provider that the test starts itself."""
    with Provider(tmp_path / "data" / "provider.jsonl") as provider:
        yield provider


@pytest.fixture
def provider(stopped: Provider) -> Provider:
    stopped.start()
    return stopped


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Yield a provider for tests that use keys of their own and do not mind others' charges."""
    with Provider(tmp_path_factory.mktemp("provider") / "provider.jsonl") as provider:
        provider.start()
        yield provider


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    with Mailbox(tmp_path / "data" / "mailbox.jsonl") as mailbox:
        mailbox.start()
        yield mailbox
