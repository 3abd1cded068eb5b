"""A site of the test's own, without workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.queue_workers.site import Site


@pytest.fixture
def site(tmp_path: Path, valkey: str) -> Iterator[Site]:
    site = Site(tmp_path, valkey)
    yield site
    site.close()
