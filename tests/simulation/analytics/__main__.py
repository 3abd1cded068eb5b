"""`python -m tests.simulation.analytics [--seed N] [--seeds N]`: histories and what they showed."""

import argparse
import logging
import sys
import time
from collections import Counter

from tests.simulation.analytics.history import History


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.analytics")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many (1000)")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    started_s, failed = time.monotonic(), 0
    happened: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.seeds):
        history = History(seed)
        violations = history.run()
        failed += bool(violations)
        happened += history.world.happened
        happened["events"] += len(history.stored())
        for violation in violations[:5]:
            sys.stdout.write(f"seed {seed}: {violation}\n")
    took_s = time.monotonic() - started_s
    counts = ", ".join(f"{count} {what}" for what, count in sorted(happened.items()))
    sys.stdout.write(f"{options.seeds} seeds in {took_s:.0f} s, {failed} failed: {counts}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
