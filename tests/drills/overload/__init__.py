"""F15 and F16: more than the system can serve, and a moment in which it serves nobody."""

from tests.drills.overload.drills import drill, stall, twice_the_peak

__all__ = ["drill", "stall", "twice_the_peak"]
