"""Load profiles and the schedule of arrivals they stand for. Pure: no clock, no network."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

MAX_RATE_PER_S = 20_000  # beyond any one generator process; a typing error, not a load
MAX_DURATION_S = 3_000  # the access token is fetched once and lives 3,600 s


class ProfileError(ValueError):
    """A profile, rate or duration that cannot be run; the text says what would be accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    name: str
    duration_s: int
    rate_per_s: int
    to_rate_per_s: int | None = None  # where a ramp ends; None holds the rate

    def arrivals_in(self, second: int) -> int:
        """Return the number of arrivals in one second, rounded as Artillery rounds its ramps."""
        if self.to_rate_per_s is None:
            return self.rate_per_s
        rise = self.to_rate_per_s - self.rate_per_s
        return round(self.rate_per_s + rise * second / max(1, self.duration_s - 1))


@dataclass(frozen=True, slots=True)
class Profile:
    name: str
    phases: tuple[Phase, ...]

    @property
    def duration_s(self) -> int:
        return sum(phase.duration_s for phase in self.phases)

    @property
    def judged_phase(self) -> str:
        """Return the phase whose p99 the verdict looks at: the peak, or the only one there is."""
        names = [phase.name for phase in self.phases]
        return "peak" if "peak" in names else names[-1]

    def seconds_of(self, name: str) -> range:
        """Return the seconds of the first phase of this name."""
        start_s = 0
        for phase in self.phases:
            if phase.name == name:
                return range(start_s, start_s + phase.duration_s)
            start_s += phase.duration_s
        raise KeyError(name)

    def rate_at(self, second: int) -> int | None:
        """Return the arrivals in this second of the profile, or None after its end."""
        for phase in self.phases:
            if second < phase.duration_s:
                return phase.arrivals_in(second)
            second -= phase.duration_s
        return None


@dataclass(frozen=True, slots=True)
class Schedule:
    """The due time of every arrival, in seconds from the start, and the phase it belongs to."""

    profile: Profile
    due_s: "array[float]"
    phase: bytes

    def __len__(self) -> int:
        return len(self.due_s)


ONE_K = Profile(
    "1k",
    (
        Phase(name="warmup", duration_s=30, rate_per_s=20),
        Phase(name="ramp", duration_s=60, rate_per_s=20, to_rate_per_s=200),
        Phase(name="peak", duration_s=120, rate_per_s=1000),
        Phase(name="cooldown", duration_s=30, rate_per_s=20),
    ),
)
SMOKE = Profile(
    "smoke",
    (
        Phase(name="warmup", duration_s=2, rate_per_s=2),
        Phase(name="ramp", duration_s=5, rate_per_s=2, to_rate_per_s=20),
        Phase(name="peak", duration_s=10, rate_per_s=100),
        Phase(name="cooldown", duration_s=3, rate_per_s=2),
    ),
)
PROFILES = {profile.name: profile for profile in (ONE_K, SMOKE)}


def named(name: str) -> Profile:
    """Return the profile of that name; ProfileError lists the names there are."""
    if name not in PROFILES:
        raise ProfileError(f"no profile {name!r}; there are: {', '.join(PROFILES)}")
    return PROFILES[name]


def steady(rate_per_s: int, duration_s: int) -> Profile:
    """Return a profile of one phase at a steady rate."""
    if not 1 <= rate_per_s <= MAX_RATE_PER_S:
        raise ProfileError(f"RATE is {rate_per_s}; it must be 1 to {MAX_RATE_PER_S} a second")
    if not 1 <= duration_s <= MAX_DURATION_S:
        raise ProfileError(f"DURATION is {duration_s}; it must be 1 to {MAX_DURATION_S} seconds")
    phase = Phase(name="steady", duration_s=duration_s, rate_per_s=rate_per_s)
    return Profile(f"{rate_per_s}-per-s", (phase,))


def schedule(profile: Profile) -> Schedule:
    """Return every arrival of the profile, evenly spread inside its second."""
    arrivals = list(_arrivals(profile))
    due_s = array("d", (due for due, _ in arrivals))
    return Schedule(profile, due_s, bytes(phase for _, phase in arrivals))


def _arrivals(profile: Profile) -> Iterator[tuple[float, int]]:
    start_s = 0.0
    for number, phase in enumerate(profile.phases):
        for second in range(phase.duration_s):
            count = phase.arrivals_in(second)
            for position in range(count):
                yield start_s + second + position / count, number
        start_s += phase.duration_s
