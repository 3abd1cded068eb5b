"""The check of a Python's packages: which lists of requirements it does not fulfil.

A program for the Python of functions, which has none of our packages: JSON lists of lines on
standard input, their numbers on standard output.
"""

import json
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
IGNORED = ("--hash", "--index-url", "--extra-index-url", "-i ", "--find-links")


def main() -> None:
    lists = json.load(sys.stdin)
    json.dump([number for number, text in enumerate(lists) if not _is_fulfilled(text)], sys.stdout)


def _is_fulfilled(text: str) -> bool:
    lines = (line.partition(" #")[0].strip() for line in text.replace("\\\n", " ").splitlines())
    return all(_is_there(line) for line in lines if line and not line.startswith(("#", *IGNORED)))


def _is_there(line: str) -> bool:
    """Tell whether a package is there in a version that fits; not where that cannot be told."""
    line = line.partition(" --hash")[0].strip()
    requirement = _parsed(line)
    name = NAME.match(line)
    if requirement is None and name is None:
        return False
    try:
        if requirement is None:
            return bool(version(name[0] if name else ""))
        if requirement.marker and not requirement.marker.evaluate():
            return True
        is_fit: bool = requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False
    return is_fit


def _parsed(line: str) -> Any:
    """Return the requirement as pip reads it, None where nobody here can."""
    for package in ("packaging", "pip._vendor.packaging"):
        try:
            module = __import__(f"{package}.requirements", fromlist=["Requirement"])
        except ImportError:
            continue
        try:
            return module.Requirement(line)
        except module.InvalidRequirement:
            return None
    return None


if __name__ == "__main__":
    main()
