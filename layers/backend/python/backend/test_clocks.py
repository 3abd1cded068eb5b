"""Test clocks: the time that a tenant's tests move on, for the objects that are tied to it.

A clock stands still. Moved on, it marks each domain as behind; the domain's relay does what is due
by then, in the order of time, and takes its mark away. Objects without a clock know nothing of it.
"""

from typing import Literal, Protocol

from msgspec import Struct, field

from backend import ids
from backend.clock import DAY_MS, parse_rfc3339, rfc3339
from backend.errors import InvalidRequest, InvalidState, NotFound
from backend.shapes import Moment

CLOCKS_MAX = 10  # of a tenant
OBJECTS_MAX = 100  # tied to one clock
STEP_MAX_MS = 60 * DAY_MS  # two months at once, as Stripe's two billing intervals
START_MAX_MS = 366 * DAY_MS  # from now, either way
LIFE_S = 30 * 86_400  # as at Stripe

Domain = Literal["payments", "notifications"]


class TestClock(Struct, frozen=True, kw_only=True):
    """A clock as it is stored; a domain is behind until it has done what is due by its time."""

    __test__ = False  # pytest takes the name for a test's

    id: str = field(name="_id")
    tenant: str
    created_ms: int
    frozen_ms: int
    objects: int = 0
    payments_behind: bool | None = None
    notifications_behind: bool | None = None

    @property
    def is_behind(self) -> bool:
        """Whether something may still be due by its time."""
        return bool(self.payments_behind or self.notifications_behind)


class ClockRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of POST /v1/test-clocks, and of /advance: the time that the clock stands at."""

    frozen_time: Moment


class ClockView(Struct, frozen=True, kw_only=True):
    """A clock as clients see it."""

    id: str
    status: Literal["ready", "advancing"]
    frozen_time: str
    created_at: str
    objects: int


class ClockPage(Struct, frozen=True, kw_only=True):
    """All clocks of a tenant, newest first."""

    data: list[ClockView]


class Clocks(Protocol):
    """The store of clocks; `backend.test_clock_store` says what each function guarantees."""

    def insert(self, clock: TestClock) -> None: ...

    def find(self, tenant: str, clock_id: str) -> TestClock | None: ...

    def of(self, tenant: str) -> list[TestClock]: ...

    def move(self, clock: TestClock, frozen_ms: int) -> TestClock | None: ...

    def tie(self, clock: TestClock, objects_max: int) -> TestClock | None: ...

    def delete(self, tenant: str, clock_id: str) -> bool: ...


def check_allowed(is_allowed: bool) -> None:
    """Raise InvalidState where no time can be moved, as with a real provider."""
    if not is_allowed:
        raise InvalidState(
            "Test clocks need the provider's simulator, and TEST_CLOCKS=yes.",
            code="test_clocks_unavailable",
        )


def create(request: ClockRequest, *, tenant: str, clocks: Clocks, now_ms: int) -> TestClock:
    """Make a clock; raises InvalidRequest, and InvalidState where the tenant has enough."""
    frozen_ms = parse_rfc3339(request.frozen_time, param="frozen_time")
    if abs(frozen_ms - now_ms) > START_MAX_MS:
        raise _refusal("frozen_time may be at most 366 days from now, either way.")
    if len(clocks.of(tenant)) >= CLOCKS_MAX:
        detail = f"A tenant has {CLOCKS_MAX} test clocks at most; delete one."
        raise InvalidState(detail, code="too_many_test_clocks")
    clock = TestClock(id=ids.new("clock_"), tenant=tenant, created_ms=now_ms, frozen_ms=frozen_ms)
    clocks.insert(clock)
    return clock


def advance(clock_id: str, request: ClockRequest, *, tenant: str, clocks: Clocks) -> TestClock:
    """Move a clock on; again to the same time is the same. Raises where it may not be moved."""
    clock = find(clock_id, tenant=tenant, clocks=clocks)
    frozen_ms = parse_rfc3339(request.frozen_time, param="frozen_time")
    if frozen_ms == clock.frozen_ms:
        return clock
    if frozen_ms < clock.frozen_ms:
        raise _refusal(f"The clock stands at {rfc3339(clock.frozen_ms)} and never goes back.")
    if frozen_ms - clock.frozen_ms > STEP_MAX_MS:
        raise _refusal("A clock is moved on by at most 60 days at once.")
    moved = None if clock.is_behind else clocks.move(clock, frozen_ms)
    if moved is None:
        raise InvalidState("The clock is advancing; wait until it is ready.")
    return moved


def find(clock_id: str, *, tenant: str, clocks: Clocks) -> TestClock:
    """Return a clock of this tenant; raises NotFound."""
    clock = clocks.find(tenant, clock_id)
    if clock is None:
        raise NotFound(f"There is no test clock {clock_id}.", param="clock_id")
    return clock


def tie(clock_id: str, *, tenant: str, clocks: Clocks) -> TestClock:
    """Return the clock, with one object more; raises InvalidRequest, InvalidState."""
    clock = clocks.find(tenant, clock_id)
    if clock is None:
        raise InvalidRequest("There is no such test clock.", param="test_clock")
    tied = clocks.tie(clock, OBJECTS_MAX)
    if tied is None:
        detail = f"A test clock has {OBJECTS_MAX} objects at most; make another."
        raise InvalidState(detail, code="too_many_objects")
    return tied


def delete(clock_id: str, *, tenant: str, clocks: Clocks) -> None:
    """Delete a clock: what is tied to it stays as it is, and waits for ever. Raises NotFound."""
    if not clocks.delete(tenant, clock_id):
        raise NotFound(f"There is no test clock {clock_id}.", param="clock_id")


def view(clock: TestClock) -> ClockView:
    """Return what a client sees of a clock."""
    return ClockView(
        id=clock.id,
        status="advancing" if clock.is_behind else "ready",
        frozen_time=rfc3339(clock.frozen_ms),
        created_at=rfc3339(clock.created_ms),
        objects=clock.objects,
    )


def _refusal(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, code="frozen_time_not_allowed", param="frozen_time")
