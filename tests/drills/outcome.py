"""The conditions and the outcome of a drill, whichever it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


class Missing(Exception):
    """A tool that this machine lacks; the text names its package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The conditions that a person may choose: a seed, and for load runs rate and length."""

    seed: int = 1
    rate_per_s: int | None = None  # None is the drill's own
    duration_s: int | None = None

    def rate(self, own: int) -> int:
        """Return the rate, which is the drill's own where nobody chose one."""
        return self.rate_per_s or own

    def duration(self, own: int) -> int:
        """Return the length of the load, as `rate`."""
        return self.duration_s or own


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one drill; None is what it does not measure."""

    fault: str  # that happened, with its figures
    acked: int  # payments and notifications
    lost: int | None = 0
    doubled: int | None = 0
    errors: str = "0"  # that clients saw
    recovered_s: float | None = None  # from the fault's end until all went as before
    wrong: Sequence[str] = ()
    details: Sequence[str] = ()  # lines of a section below the table

    @classmethod
    def without_losses(
        cls, fault: str, acked: int, wrong: Sequence[str], details: Sequence[str] = ()
    ) -> "Outcome":
        """Return the outcome of a drill that measures neither losses nor errors."""
        return cls(
            fault=fault,
            acked=acked,
            lost=None,
            doubled=None,
            errors="-",
            wrong=wrong,
            details=details,
        )

    @classmethod
    def broken(cls, why: str) -> "Outcome":
        """Return the outcome of a drill that broke off."""
        reason = why.strip().partition("\n")[0][:200] or "for no reason it gave"
        return cls.without_losses("-", 0, [f"it broke off: {reason}"])

    @property
    def verdict(self) -> str:
        """Say `passed`, or what was wrong."""
        return "; ".join(self.wrong) or "passed"


Run = Callable[[Conditions], Outcome]


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill: the sentence of its fault, and the function that runs it."""

    sentence: str
    run: Run
