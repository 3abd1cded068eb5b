"""Holds: reasons not to send a claimed notification now: suppression, quiet hours, a limit."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import UNSET

from notifications import life_cycle
from notifications.answers import Permanent, Suppressed
from notifications.schema import Notification
from notifications.suppressions import service as suppressions
from notifications.suppressions.service import Suppressions


class Later(NamedTuple):
    """The moment before which a notification is not sent."""

    due_ms: int
    has_turn: bool = False  # among the limits, so that it is not counted again
    is_planned: bool = False  # by the notification's own clock


Hold = Suppressed | Permanent | Later


class Limits(Protocol):
    """The giver of notifications' turns; see `notifications.limits`."""

    def waits_ms(self, batch: Sequence[Notification]) -> dict[str, int]: ...


def find(
    batch: Sequence[Notification], *, store: Suppressions, limits: Limits, now_ms: int
) -> dict[str, Hold]:
    """Return the holds on some of a batch, by id; what is held does not count for a limit."""
    holds: dict[str, Hold] = {
        name: Suppressed(reason=reason)
        for name, reason in suppressions.reasons(batch, suppressions=store).items()
    }
    for each in batch:
        time_ms = life_cycle.time_of(each, now_ms)
        due_ms = life_cycle.due_ms(each, time_ms)
        if due_ms > time_ms:
            holds.setdefault(each.id, Later(due_ms, is_planned=True))
    fresh = [each for each in batch if each.id not in holds and _is_uncounted(each)]
    for name, wait_ms in limits.waits_ms(fresh).items():
        if wait_ms < 0:
            holds[name] = Permanent(reason="Too many for this recipient or tenant.")
        elif wait_ms:
            holds[name] = Later(now_ms + wait_ms, has_turn=True)
    return holds


def _is_uncounted(notification: Notification) -> bool:
    return len(notification.attempts) == 1 and notification.has_turn is UNSET
