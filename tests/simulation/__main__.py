"""The command that runs histories of one domain and says what they showed."""

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Mapping

from tests.simulation import history as payments_history
from tests.simulation.analytics import history as analytics_history

HISTORIES: Mapping[str, type[payments_history.History | analytics_history.History]] = {
    "payments": payments_history.History,
    "analytics": analytics_history.History,
}
SHOWN = 5  # violations of a seed; the others mostly follow from them


def main() -> int:
    """Return 1 if any history violated a rule."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("domain", choices=HISTORIES)
    parser.add_argument("--seed", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many (1000)")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    started_s, failed = time.monotonic(), 0
    happened: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.seeds):
        history = HISTORIES[options.domain](seed)
        violations = history.run()
        failed += bool(violations)
        happened += history.happened
        for violation in violations[:SHOWN]:
            sys.stdout.write(f"seed {seed}: {violation}\n")
    took_s = time.monotonic() - started_s
    counts = ", ".join(f"{count} {what}" for what, count in sorted(happened.items()))
    sys.stdout.write(f"{options.seeds} seeds in {took_s:.0f} s, {failed} failed: {counts}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
