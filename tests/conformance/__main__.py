"""`python -m tests.conformance`: rows tested, differing and not emulated; exit code 1 when one is
neither, or is none of ours."""

import argparse
import sys

from local.machine.differences import differences
from tests.conformance.coverage import borne_rows
from tests.conformance.rows import ROWS


def main() -> int:
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("--rows", action="store_true", help="print every row and its tests")
    chosen = parser.parse_args()
    tests = borne_rows()
    otherwise = {each.row: each.kind for each in differences()}
    if chosen.rows:
        for row, title in ROWS.items():
            kind = otherwise.get(row, "tested" if row in tests else "missing")
            print(f"{row:5} {kind:13} {title}")
            print("".join(f"        {name}\n" for name in tests.get(row, ())), end="")
    as_on_aws = [row for row in ROWS if row in tests and row not in otherwise]
    print(
        f"{len(ROWS)} rows: {len(as_on_aws)} tested, {_count(otherwise, 'differs')} differing, "
        f"{_count(otherwise, 'not emulated')} not emulated"
    )
    missing = [row for row in ROWS if row not in tests and row not in otherwise]
    unknown = [row for row in {**tests, **otherwise} if row not in ROWS]
    for row in missing:
        print(f"missing: {row} {ROWS[row]}")
    for row in unknown:
        print(f"no such row: {row}")
    return 1 if missing or unknown else 0


def _count(otherwise: dict[str, str], kind: str) -> int:
    return sum(1 for row, difference in otherwise.items() if difference == kind and row in ROWS)


sys.exit(main())
