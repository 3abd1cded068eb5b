"""A site of the test's own, without an environment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.queue_workers.poller.site import PollerSite


@pytest.fixture
def site(tmp_path: Path, valkey: str) -> Iterator[PollerSite]:
    site = PollerSite(tmp_path, valkey)
    yield site
    site.pool.shutdown()
    site.invoker.close()
