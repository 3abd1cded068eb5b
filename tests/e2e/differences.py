"""What each target is known to do differently, test by test; strict, see `targets`."""

from tests.e2e.targets import Difference

DIFFERENCES: tuple[Difference, ...] = ()
