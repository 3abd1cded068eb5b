"""One contract for every payment provider: what payments rely on, of the simulator and of Stripe.

Stripe is the server of these tests. With STRIPE_TEST_KEY in the environment it is also Stripe's own
test mode, or what STRIPE_TEST_URL names, as far as a caller can bring it about there: no customer
acts and no answer is lost.
"""

import os
from collections.abc import Iterator

import pytest

from tests.contract.providers.places import OnSimulator, OnStripe, OnStripeItself, Place
from tests.contract.providers.stripe_server import StripeServer
from tests.integration.outside.processes import Provider

PLACES = ["simulator", "stripe"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test at each place, but where it needs a test double for its faults or customers."""
    if "place" in metafunc.fixturenames:
        needs_double = metafunc.definition.get_closest_marker("usefixtures") is not None
        real = ["stripe-itself"] if "STRIPE_TEST_KEY" in os.environ and not needs_double else []
        metafunc.parametrize("place", [*PLACES, *real], indirect=True)


@pytest.fixture
def double() -> None:
    """Mark what only a provider of the tests' own can be made to do."""


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with Provider(tmp_path_factory.mktemp("provider") / "provider.jsonl") as provider:
        provider.start()
        yield provider


@pytest.fixture(scope="module")
def stripe_server() -> Iterator[StripeServer]:
    with StripeServer() as server:
        yield server


@pytest.fixture
def stripe(stripe_server: StripeServer) -> Iterator[OnStripe]:
    """Stripe, and what its customers and its network do."""
    stripe = OnStripe(stripe_server)
    yield stripe
    for connection in stripe.provider._connections._idle:  # type: ignore[attr-defined]
        connection.close()


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A provider, and what its customers and its network do."""
    place = _place(request)
    yield place
    for connection in place.provider._connections._idle:  # type: ignore[attr-defined]
        connection.close()


def _place(request: pytest.FixtureRequest) -> Place:
    match request.param:
        case "simulator":
            return OnSimulator(request.getfixturevalue("simulator"))
        case "stripe":
            return OnStripe(request.getfixturevalue("stripe_server"))
    url = os.environ.get("STRIPE_TEST_URL", "https://api.stripe.com")
    return OnStripeItself(url, os.environ["STRIPE_TEST_KEY"])
