"""The command `reconcile`: payments, balances and the provider's record compared as a whole."""

import argparse
import json
import os
import subprocess
import sys
from typing import Any

from local.daemon.wording import counted
from local.machine.plan import BadInput
from local.machine.running import running

FUNCTION = "PaymentsReconciler"
SHOWN = 20  # differences; the count tells the rest


def run(options: argparse.Namespace) -> int:
    """Print what was compared and every kind of difference; 0 none, 1 some or not compared."""
    report = whole_report(options, FUNCTION)
    return 1 if report is None else _show(report)


def whole_report(options: argparse.Namespace, function: str) -> Any:
    """Have a function compare everything; returns its report, None where it could not."""
    last, template = running(options.state)
    if function not in template.functions:
        raise BadInput(f"the template has no function {function}; there is nothing to compare")
    command = [
        *(sys.executable, "-m", "local.runtime.run_once", *template.options),
        *("--function", function, "--event", '{"all": true}'),
    ]
    environment = {**os.environ, **last.variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(f"not compared: {(done.stderr.strip() or 'no reason').splitlines()[-1]}\n")
        return None
    return json.loads(done.stdout)


def _show(report: dict[str, Any]) -> int:
    differences = [f"{each['payment_id']}: {each['kind']}" for each in report["mismatches"]]
    differences += report["wrong_sums"]
    older = f" {report['too_old']:,} older than these," if report["too_old"] else ""
    sys.stdout.write(
        f"{counted(report['payments'], 'payment')},"
        f" {counted(report['effects'], 'effect')} of the provider,{older}"
        f" {report['too_young']:,} too young to be compared in full,"
        f" {report['unsettled']:,} not settled yet, {report['stuck']:,} stuck,"
        f" {counted(report['dead_letters'], 'dead letter')},"
        f" {counted(len(differences), 'difference')}\n"
    )
    for each in differences[:SHOWN]:
        sys.stdout.write(f"{each}\n")
    return 1 if differences else 0
