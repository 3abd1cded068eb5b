"""`python -m loadtest history`: the kept reports, and where their figures go."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from loadtest.reporting import earlier
from loadtest.reporting.report import judged

LINE = "{:<34}{:<9}{:>8}{:>10}{:>10}{:>8}{:>11}{:>9}  {}"
HEAD = (
    "report",
    "verdict",
    "ok/s",
    "p50",
    "p99",
    "failed",
    "CPU",
    "oldest",
    "against those before",
)
FIGURES = {"p99": 0.25, "CPU": 0.1}  # what is followed, and the share from which it counts
EPILOG = """Each run is held against the median of those before it with its profile and target; what
differs by more than is usual is named. Exit codes: 0 listed, 2 a report could not be read."""


def main(arguments: Sequence[str]) -> int:
    """Print a line for each kept report; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtest history", epilog=EPILOG)
    parser.add_argument(
        "--reports", type=Path, metavar="FOLDER", default=earlier.folder(), help="[REPORTS]"
    )
    options = parser.parse_args(arguments)
    try:
        listed = list(earlier.all_in(options.reports))
    except earlier.ReportError as error:
        sys.stderr.write(f"history: {error}\n")
        return 2
    reports = [(name, each) for name, each in listed if not isinstance(each, earlier.ReportError)]
    faults = [each for _, each in listed if isinstance(each, earlier.ReportError)]
    if reports:
        sys.stdout.write("\n".join([LINE.format(*HEAD), *_lines(reports)]) + "\n")
    elif not faults:
        sys.stderr.write(f"history: {options.reports} has no report; `make load` makes one\n")
        return 2
    for fault in faults:
        sys.stderr.write(f"history: {fault}\n")
    return 2 if faults else 0


def _lines(reports: Sequence[tuple[str, earlier.Report]]) -> Iterator[str]:
    past: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for name, report in sorted(reports, key=lambda each: str(each[1]["started_at"])):
        before = past[report["profile"], report["target"]]
        figures = _figures(report)
        latency = judged(report)["latency_ms"]
        oldest_s = max((queue["age_max_s"] for queue in report["queues"]), default=0.0)
        yield LINE.format(
            *(name, report["verdict"]),
            f"{report['totals']['ok'] / max(1e-9, report['duration_s']):,.0f}",
            *(_ms(latency[each]) for each in ("p50", "p99")),
            f"{report['totals']['failed']:,}",
            f"{figures['CPU']:,.0f} µs" if figures["CPU"] else "-",
            f"{oldest_s:,.1f} s",
            _trend(figures, before),
        ).rstrip()
        before.append(figures)


def _ms(latency_ms: float) -> str:
    return f"{latency_ms:,.1f} ms" if latency_ms else "-"  # no arrival reached that phase


def _figures(report: earlier.Report) -> dict[str, float]:
    used = [each["cpu_us_per_arrival"] for each in report["servers"]]
    cpu_us = sum(used) + report["generator"]["cpu_us_per_arrival"] if used else 0.0
    return {"p99": judged(report)["latency_ms"]["p99"], "CPU": cpu_us}


def _trend(figures: dict[str, float], before: Sequence[dict[str, float]]) -> str:
    """Return how far each figure is from its median so far, where that is more than usual."""
    changes = []
    for name, share in FIGURES.items():
        values = [each[name] for each in before if each[name]]
        if not values or not figures[name]:
            continue
        usual = median(values)
        spread = 2 * median(abs(value - usual) for value in values)
        if abs(figures[name] - usual) > max(share * usual, spread):
            changes.append(f"{name} {100 * (figures[name] / usual - 1):+.0f} %")
    return ", ".join(changes)
