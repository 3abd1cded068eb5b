"""The receivers of events: the list of them, analytics, webhooks of tenants with an endpoint."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from backend.arrivals import ENDPOINTS
from backend.queues import Depth
from backend.store import collection, store_errors

FRESH_S = 1.0  # so long a tenant's first endpoint may miss events; a look-up for each would be dear
TENANTS_MAX = 10_000  # remembered, about 1 MB


class Announcement(msgspec.Struct):
    """Some events of a tenant, each as `backend.domain_events.Event` has it."""

    tenant: str
    events: list[dict[str, Any]]


_decode = msgspec.json.Decoder(Announcement).decode


class Sender(Protocol):
    """The part of backend.queues.Queue that those need who only send."""

    def send(self, body: str) -> str: ...

    def send_batch(
        self,
        bodies: Sequence[str],
        *,
        traces: Sequence[str] = (),
        groups: Sequence[str] = (),
        is_promised: bool = False,
    ) -> list[str]: ...

    def depth(self) -> Depth: ...


class Announcer:
    """A queue of events that also go to `webhooks`, if anybody of their tenant listens there.

    First of all `keep` lists them: whoever hears of an event can look it up. Webhooks get each
    event with its `data`, which may be large; to be counted it needs none.

    Whether somebody does is asked before anything is sent: a tenant without endpoints costs a
    look into memory, not a message for each event.
    """

    def __init__(
        self,
        events: Sender,
        webhooks: Sender,
        *,
        listens: Callable[[str], bool] | None = None,
        keep: Callable[[Sequence[Announcement]], None] = lambda announcements: None,
    ) -> None:
        self._events = events
        self._keep = keep
        self._webhooks = webhooks
        self._listens = listens or Listeners()

    def send(self, body: str) -> str:
        return self.send_batch([body])[0]

    def send_batch(
        self,
        bodies: Sequence[str],
        *,
        traces: Sequence[str] = (),
        groups: Sequence[str] = (),
        is_promised: bool = False,
    ) -> list[str]:
        announcements = [_decode(each) for each in bodies]
        self._keep(announcements)
        awaited = [at for at, each in enumerate(announcements) if self._listens(each.tenant)]
        if awaited:
            own = [traces[at] for at in awaited] if traces else ()
            own_bodies = [bodies[at] for at in awaited]
            own_groups = [groups[at] for at in awaited] if groups else ()
            self._webhooks.send_batch(
                own_bodies, traces=own, groups=own_groups, is_promised=is_promised
            )
        counted = [_without_data(each) for each in announcements]
        return self._events.send_batch(
            counted, traces=traces, groups=groups, is_promised=is_promised
        )

    def depth(self) -> Depth:
        """Return the depth of the queue whose oldest message has waited for longer."""
        depths = (self._events.depth(), self._webhooks.depth())
        return max(depths, key=lambda each: (each.visible > 0, each.oldest_age_s))


def _without_data(announcement: Announcement) -> str:
    for event in announcement.events:
        event.pop("data", None)
        event.pop("clock", None)
    return msgspec.json.encode(announcement).decode()


class Listeners:
    """The tenants that have webhook endpoints, remembered for FRESH_S."""

    def __init__(
        self,
        look_up: Callable[[str], bool] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look_up = look_up or has_endpoint
        self._now_s = now_s
        self._known: dict[str, tuple[float, bool]] = {}

    def __call__(self, tenant: str) -> bool:
        now_s = self._now_s()
        until_s, listens = self._known.get(tenant, (-math.inf, False))
        if now_s >= until_s:
            listens = self._look_up(tenant)
            if len(self._known) >= TENANTS_MAX:
                self._known.clear()
            self._known[tenant] = (now_s + FRESH_S, listens)
        return listens


def has_endpoint(tenant: str) -> bool:
    """Tell whether a tenant has an endpoint that is not disabled; asks the store."""
    enabled = {"tenant": tenant, "disabled_because": None}
    with store_errors():
        return collection(ENDPOINTS, ()).find_one(enabled, {"_id": 1}) is not None
