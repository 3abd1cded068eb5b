"""`python runtime_lock.py LOCK REQUIREMENTS …`: the part of a hashed lock that some files ask for.

The image needs a third of what the lock has; a second lock would be one more to keep in step. The
lock itself says by "# via" who asked for each package.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==", re.MULTILINE)
VIA = re.compile(r"^    #(?: via)? +((?!via$)\S.*)$", re.MULTILINE)


def needed(lock: str, roots: Iterable[str]) -> str:
    """Return the entries of `lock` that `roots` and what they depend on ask for."""
    starts = [match.start() for match in ENTRY.finditer(lock)]
    entries: dict[str, list[str]] = {}
    for start, end in zip(starts, [*starts[1:], len(lock)], strict=True):
        text = lock[start:end]
        # One package may stand there more than once, for different Pythons.
        entries.setdefault(_normal(text.partition("==")[0]), []).append(text)
    chosen = {_normal(root) for root in roots}
    if missing := chosen - entries.keys():
        raise SystemExit(f"the lock lacks {', '.join(sorted(missing))}; run `make lock`")
    wanted_by = {
        name: {_normal(each) for text in texts for each in VIA.findall(text)}
        for name, texts in entries.items()
    }
    while more := {name for name, by in wanted_by.items() if by & chosen} - chosen:
        chosen |= more
    return "".join(text for name in sorted(chosen) for text in entries[name])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


def main() -> int:
    lock, *files = (Path(each).read_text() for each in sys.argv[1:])
    sys.stdout.write(needed(lock, [match["name"] for f in files for match in ENTRY.finditer(f)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
