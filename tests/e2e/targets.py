"""The target that the suite runs against, by the environment, and its known differences.

A difference is strict: where a target starts to do what it is said not to do, the test fails.
"""

import os
from dataclasses import dataclass

import pytest

MACHINE, COMPOSE, CHALICE = "machine", "compose", "chalice"
AWS, MINISTACK = "aws", "ministack"  # the stack deployed for real, and to an emulator
KINDS = (MACHINE, COMPOSE, CHALICE, AWS, MINISTACK)


@dataclass(frozen=True, slots=True)
class Difference:
    """A test that a target does not pass, and why; `test` is `file::name`, or with `[case]`."""

    target: str
    test: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The running system that TARGET, TARGET_KIND and TARGET_MAILBOX name."""

    address: str  # see `base_of`
    kind: str
    mailbox: str | None  # None: nobody outside can read the mails


def chosen() -> Target | None:
    """Return the target that the environment names, None for an own system on this machine."""
    address = os.environ.get("TARGET")
    kind = os.environ.get("TARGET_KIND", MACHINE)
    if kind not in KINDS:
        raise pytest.UsageError(f"TARGET_KIND={kind!r} is none of {', '.join(KINDS)}")
    if not address:
        return None
    return Target(address=address, kind=kind, mailbox=os.environ.get("TARGET_MAILBOX"))


def base_of(address: str, path: str) -> str:
    """Return the base URL that serves `path`.

    Most targets have one. Under Chalice each domain has a server, named with the paths it serves:
    `http://127.0.0.1:8000 /v1/payments=http://127.0.0.1:8001`.
    """
    bases = {}
    for word in address.split():
        prefix, equals, base = word.partition("=")
        bases[prefix if equals else ""] = base if equals else word
    serving = max((prefix for prefix in bases if path.startswith(prefix)), key=len)
    return bases[serving].rstrip("/")
