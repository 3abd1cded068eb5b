"""The command `recount`: every minute of events counted again from what was kept of them."""

import argparse
import sys

from local.daemon.wording import counted
from local.spillway.reconcile import SHOWN, whole_report

FUNCTION = "AnalyticsRecounter"


def run(options: argparse.Namespace) -> int:
    """Print what was counted again and what differs; 0 nothing, 1 something or not counted."""
    report = whole_report(options, FUNCTION)
    if report is None:
        return 1
    differences = report["differences"]
    sys.stdout.write(
        f"{counted(report['events'], 'event')} in {counted(report['minutes'], 'minute')},"
        f" {report['pending']:,} pending, {counted(report['unknown'], 'message')} lost with Redis,"
        f" {counted(len(differences), 'difference')}\n"
    )
    for each in differences[:SHOWN]:
        sys.stdout.write(f"{each['id']}: {each['kind']}\n")
    return 1 if differences else 0
