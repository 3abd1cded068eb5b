"""The workers that the receivers of one tenant, and of all, may keep."""

from collections.abc import Collection

import pytest
import redis
from redis.crc import key_slot

from notifications.rendered import Rendered
from notifications.schema import Notification
from notifications.webhooks.endpoints import Endpoint
from notifications.webhooks.lanes import ALL_FAILING, PLACES, PLACES_ALL_FAILING, Lanes
from notifications.webhooks.receivers import Receivers

NOW_MS = 1_790_000_000_000


class Endpoints:
    """Endpoints named after their tenant: `TENANT failing`, or anything else that works."""

    def find_many(self, endpoint_ids: Collection[str]) -> dict[str, Endpoint]:
        return {each: self._endpoint(each) for each in endpoint_ids}

    def _endpoint(self, name: str) -> Endpoint:
        return Endpoint(
            id=name,
            tenant=name.split(maxsplit=1)[0],
            place=0,
            url="https://example.com",
            events=(),
            contact=None,
            created_ms=0,
            secret="whsec_",
            failing_since_ms=1 if name.endswith("failing") else None,
        )


def delivery(endpoint: str) -> Notification:
    return Notification(
        id=f"ntf_{endpoint}",
        tenant=endpoint.split(maxsplit=1)[0],
        fingerprint="",
        created_ms=0,
        channel="webhook",
        to=endpoint,
        rendered=Rendered(template="event", version=1, subject="", text="", html=""),
        status="sending",
    )


@pytest.fixture
def enter(valkey):
    """Enter the lane of an endpoint as a worker of its own; says whether there was room."""

    def enter(endpoint: str) -> tuple[Lanes, bool]:
        lanes = Lanes(valkey, Endpoints(), Receivers())
        return lanes, not lanes.holds([delivery(endpoint)], now_ms=NOW_MS)

    return enter


def test_receivers_that_fail_keep_few_workers_whoever_owns_them(enter):
    entered = [enter(f"tenant{number} failing") for number in range(PLACES_ALL_FAILING + 2)]

    assert [fits for _, fits in entered] == [True] * PLACES_ALL_FAILING + [False] * 2
    assert enter("other works")[1]


def test_a_place_that_is_left_is_the_next_ones_of_any_tenant(enter):
    first, *_ = [enter(f"tenant{number} failing") for number in range(PLACES_ALL_FAILING)]
    first[0].leave()

    assert enter("somebody failing")[1]
    assert not enter("tenant1 failing")[1]


def test_one_tenant_without_room_among_all_takes_no_place_of_its_own(enter):
    full = [enter(f"tenant{number} failing")[0] for number in range(PLACES_ALL_FAILING)]
    assert not enter("late failing")[1]
    for each in full:
        each.leave()

    assert enter("late failing")[1]


def test_one_tenants_working_receivers_have_places_of_their_own(enter):
    assert [enter("a works")[1] for _ in range(PLACES + 1)] == [True] * PLACES + [False]
    assert enter("b works")[1]


def test_an_error_at_the_places_of_all_leaves_a_tenant_its_own(enter, valkey):
    with redis.Redis.from_url(valkey) as client:
        client.set(ALL_FAILING, "no set")
        unbounded, fits = enter("tenant failing")
        unbounded.leave()
        client.delete(ALL_FAILING)

    assert fits
    assert enter("tenant failing")[1]


def test_on_a_cluster_the_keys_of_one_lane_are_in_one_slot(enter, valkey):
    for number in range(PLACES_ALL_FAILING + 1):
        enter(f"tenant{number} failing")
    for _ in range(PLACES + 1):
        enter("tenant works")
    with redis.Redis.from_url(valkey) as client:
        times = [each for each in client.scan_iter() if each.endswith(b":held")]

    assert len(times) == 2
    assert [key_slot(each) for each in times] == [
        key_slot(each.removesuffix(b":held")) for each in times
    ]
