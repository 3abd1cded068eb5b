"""One contract for every queue: what senders and receivers rely on, on Valkey and on moto's SQS.

The deploy drill asks the same of an SQS behind a socket: its QUEUE_CLOCK names the file that puts
that one's clock forward, and AWS_ENDPOINT_URL where it is.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from tests.contract.queues.places import OnMinistack, OnMoto, OnValkey, Place

PLACES = ["ministack"] if "QUEUE_CLOCK" in os.environ else ["valkey", "moto"]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A standard queue."""
    yield from made(request, is_fifo=False)


@pytest.fixture(params=PLACES)
def fifo(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A FIFO queue."""
    yield from made(request, is_fifo=True)


def made(request: pytest.FixtureRequest, *, is_fifo: bool) -> Iterator[Place]:
    if request.param == "valkey":
        yield OnValkey(request.getfixturevalue("valkey"), is_fifo=is_fifo)
    elif request.param == "ministack":
        place = OnMinistack(Path(os.environ["QUEUE_CLOCK"]), is_fifo=is_fifo)
        yield place
        place.delete_queues()
    else:
        with mock_aws():
            yield OnMoto(is_fifo=is_fifo)
