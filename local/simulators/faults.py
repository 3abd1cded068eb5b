"""The provider's faults: set by PUT /faults, thrown by dice with a seed.

Each fault is what providers really do: too many requests, an error before anything was done, an
answer that is lost after it was done, one that never comes, and answers that take their time;
webhooks that are lost, sent twice, late, or overtaken by those that follow.
"""

import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Latency = Annotated[int, msgspec.Meta(ge=0, le=60_000)]
Fault = Literal["refused", "failed", "hung", "lost"]

OVERTAKEN_S = 1.0  # what is sent meanwhile arrives before
Z_P99 = 2.326  # standard deviations between the median and the 99th percentile


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The faults that are set; shares of the orders are drawn in this order."""

    seed: int = 1
    p_429: Share = 0.0  # refused with Retry-After, nothing done
    p_5xx: Share = 0.0  # failed, nothing done
    p_hang: Share = 0.0  # nothing done, and never an answer
    p_lost: Share = 0.0  # done, and the connection closed instead of an answer
    p50_ms: Latency = 0  # latency of an order: half are faster
    p99_ms: Latency = 0  # one in a hundred is slower; not below p50_ms
    p_webhook_dropped: Share = 0.0
    p_webhook_duplicated: Share = 0.0
    p_webhook_overtaken: Share = 0.0
    webhook_delay_ms: Latency = 0  # of every webhook


@dataclass(slots=True)
class Dice:
    """The dice: throws for each order, and counts what it threw."""

    faults: Faults = field(default_factory=Faults)
    thrown: Counter[str] = field(default_factory=Counter)
    _random: random.Random = field(default_factory=lambda: random.Random(1))
    _of_webhooks: random.Random = field(default_factory=lambda: random.Random(1))

    def set(self, faults: Faults) -> None:
        """Begin anew with other faults."""
        self.faults, self._random = faults, random.Random(faults.seed)
        # Their own: webhooks come when their customers act, and must not move what befalls orders.
        self._of_webhooks = random.Random(faults.seed)
        self.thrown.clear()

    def shown(self) -> dict[str, object]:
        """Return the faults that are set, and how often each has struck since."""
        return {**msgspec.to_builtins(self.faults), "thrown": dict(self.thrown)}

    def throw(self) -> Fault | None:
        """Decide what befalls the next order."""
        shares: tuple[tuple[Fault, float], ...] = (
            ("refused", self.faults.p_429),
            ("failed", self.faults.p_5xx),
            ("hung", self.faults.p_hang),
            ("lost", self.faults.p_lost),
        )
        for fault, share in shares:
            if share and self._random.random() < share:
                self.thrown[fault] += 1
                return fault
        return None

    def webhook_delays_s(self) -> list[float]:
        """Return how late each copy of the next webhook is sent; none where it is dropped."""
        faults = self.faults
        if self._befalls_webhook("webhook_dropped", faults.p_webhook_dropped):
            return []
        delays_s = [faults.webhook_delay_ms / 1000]
        if self._befalls_webhook("webhook_duplicated", faults.p_webhook_duplicated):
            delays_s *= 2
        if self._befalls_webhook("webhook_overtaken", faults.p_webhook_overtaken):
            delays_s[0] += OVERTAKEN_S
        return delays_s

    def _befalls_webhook(self, fault: str, share: float) -> bool:
        strikes = self._of_webhooks.random() < share
        if strikes:
            self.thrown[fault] += 1
        return strikes

    def latency_s(self) -> float:
        """Draw from the log-normal distribution with the median and percentile that are set."""
        if not self.faults.p50_ms:
            return 0.0
        worst_ms = max(self.faults.p99_ms, self.faults.p50_ms)
        spread = math.log(worst_ms / self.faults.p50_ms) / Z_P99
        return self._random.lognormvariate(math.log(self.faults.p50_ms), spread) / 1000
