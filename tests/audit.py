"""`python -m tests.audit FILE...`: known vulnerabilities of what lock files pin, by OSV.

One package that is known to be vulnerable is asked for with the others: an index that knows nothing
of it has looked nothing up, and its silence about the rest means nothing. `OSV_URL` names another
index, such as a mirror.
"""

import json
import os
import re
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

OSV_URL = "https://api.osv.dev"
TIMEOUT_S = 60
QUERIES_MAX = 1_000  # OSV's limit on one call
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)
CANARY = ("pyyaml", "5.1")  # PYSEC-2020-176
EXIT_VULNERABLE = 1
EXIT_UNANSWERED = 2

Pin = tuple[str, str]  # name and version


class Unanswered(Exception):
    """The index looked nothing up, or not everything; the message says how that is known."""


def main(arguments: Sequence[str]) -> int:
    """Print a line for each vulnerability; 1 where there are any, 2 where nobody can tell."""
    url = os.environ.get("OSV_URL", OSV_URL)
    try:
        pins = sorted({pin for name in arguments for pin in _pins(Path(name))})
        vulnerable = vulnerabilities(pins, url)
    except Unanswered as error:
        sys.stderr.write(f"not audited: {error}\n")
        return EXIT_UNANSWERED
    for (name, version), ids in vulnerable.items():
        sys.stdout.write(f"{name} {version}: {', '.join(ids)}\n")
    affected = f"{len(vulnerable)} of {len(pins)} pinned packages have known vulnerabilities"
    sys.stdout.write(f"{affected}; {url} looked all of them up\n")
    return EXIT_VULNERABLE if vulnerable else 0


def vulnerabilities(pins: Sequence[Pin], url: str) -> dict[Pin, list[str]]:
    """Return the ids of vulnerabilities by package; raises Unanswered."""
    questions = [CANARY, *(pin for pin in pins if pin != CANARY)]
    vulnerable: dict[Pin, list[str]] = {}
    for start in range(0, len(questions), QUERIES_MAX):
        part = questions[start : start + QUERIES_MAX]
        answers = zip(part, _ask(part, url), strict=True)
        vulnerable |= {pin: ids for pin, ids in answers if ids}
    if CANARY not in vulnerable:
        raise Unanswered(f"{url} knows nothing against {' '.join(CANARY)}, which is vulnerable")
    return {pin: ids for pin, ids in vulnerable.items() if pin in pins}


def _pins(path: Path) -> Iterator[Pin]:
    try:
        pins = PINNED.findall(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unanswered(f"{path} cannot be read: {error.strerror}") from error
    if not pins:
        raise Unanswered(f"{path} pins nothing")
    return ((name.lower().replace("_", "-"), version) for name, version in pins)


def _ask(pins: Sequence[Pin], url: str) -> list[list[str]]:
    """Return the ids for each of these; that there is a further page does not matter."""
    queries = [
        {"package": {"name": name, "ecosystem": "PyPI"}, "version": version}
        for name, version in pins
    ]
    request = urllib.request.Request(
        f"{url}/v1/querybatch",
        json.dumps({"queries": queries}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            results: list[dict[str, Any]] = json.load(answer)["results"]
        ids = [[each["id"] for each in result.get("vulns", [])] for result in results]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unanswered(f"{url} does not answer ({error}); try again with a network") from error
    if len(ids) != len(pins):
        raise Unanswered(f"{url} answered for {len(ids)} of {len(pins)} packages")
    return ids


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
