"""The changes on disk of code that a process has imported."""

import sys
from collections.abc import Iterable
from pathlib import Path


class ImportedFiles:
    """The modules imported from some folders since `since_ns`, as they were then."""

    def __init__(
        self, folders: Iterable[Path], *, since_ns: int, also: Iterable[Path] = ()
    ) -> None:
        roots = tuple(f"{folder}/" for folder in folders)
        imported = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
        files = {file for file in imported if file and file.startswith(roots)}
        # One that was written meanwhile may have been read before.
        self._times = {file: min(_time(file), since_ns) for file in {*files, *map(str, also)}}

    def have_changed(self) -> bool:
        """Return whether one has; a stat of some thirty files costs 60 us."""
        return any(_time(file) != time_ns for file, time_ns in self._times.items())


def _time(file: str) -> int:
    try:
        return Path(file).stat().st_mtime_ns
    except OSError:
        return 0  # it is being replaced, or gone
