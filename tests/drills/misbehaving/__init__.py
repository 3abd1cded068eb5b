"""Functions that misbehave in every way we know of, beside one that does not."""

from tests.drills.misbehaving.drill import run

__all__ = ["run"]
