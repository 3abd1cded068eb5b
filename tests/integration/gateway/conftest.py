"""Gateways before the function of `pages`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.gateway.pages import PAGES
from tests.integration.gateway_process import GatewayProcess, ok


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Yield a gateway whose environments answer at once."""
    with GatewayProcess(tmp_path_factory.mktemp("gateway"), PAGES) as gateway:
        gateway.environment("Pages", ok)
        yield gateway


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """Yield a gateway of the test's own, whose queue waits 300 ms."""
    with GatewayProcess(tmp_path, PAGES, "--queue-deadline-ms", "300") as own:
        yield own
