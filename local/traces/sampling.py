"""The choice of what is traced: all that comes while little does, every hundredth under load.

It is made when work begins, so that functions know whether to record what they do. Errors and slow
requests are kept all the same, by the spans that the platform makes of their times at the end.
"""

import time
from collections.abc import Callable, Mapping

from local.traces.span import Span

DISABLED = "OTEL_SDK_DISABLED"  # OpenTelemetry's own: `true` and nothing else
ALL_PER_S = 20  # requests a second of which all are traced
ONE_IN = 100  # of more than that
WISHED_PER_S = 100  # traces a second that callers may wish for; beyond them every hundredth


class Recorder:
    """The spans of one process's own making: the choice of what to trace, and `keep` for them.

    Where the variables disable tracing nothing is chosen, and nothing is kept.
    """

    __slots__ = ("_before", "_count", "_is_disabled", "_second", "_wished", "keep")

    def __init__(
        self, keep: Callable[[list[Span]], object], environ: Mapping[str, str] | None = None
    ) -> None:
        self._is_disabled = (environ or {}).get(DISABLED, "").strip().lower() == "true"
        self.keep = _forget if self._is_disabled else keep
        self._second = 0
        self._count = 0  # of the second
        self._before = 0  # of the second before
        self._wished = 0  # by callers, of the second

    def decide(self, wish: bool | None, epoch_s: float | None = None) -> bool:
        """Return whether what begins now is traced; `wish` is its caller's, None without one."""
        if self._is_disabled:
            return False
        second = int(time.time() if epoch_s is None else epoch_s)
        if second != self._second:
            self._before = self._count if second == self._second + 1 else 0
            self._second, self._count, self._wished = second, 0, 0
        if wish is not None:
            self._wished += wish
            is_many = self._wished > WISHED_PER_S
            return wish and (not is_many or self._wished % ONE_IN == 0)
        self._count += 1
        is_idle = self._before <= ALL_PER_S and self._count <= ALL_PER_S
        return is_idle or self._count % ONE_IN == 0


def _forget(spans: list[Span]) -> None:
    """Keep nothing."""


class Clock:
    """The time of day at a reading of the monotonic clock."""

    __slots__ = ("_ahead_ns",)

    def __init__(self) -> None:
        self._ahead_ns = time.time_ns() - time.monotonic_ns()

    def ns(self, monotonic_s: float) -> int:
        """Return nanoseconds since the epoch."""
        return self._ahead_ns + int(monotonic_s * 1e9)
