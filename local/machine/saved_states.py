"""The data of a system that does not run, kept under names and put back.

What is put back is copied whole into `.loading` first; only then does it take the place of the
data. Whoever comes next finishes what was interrupted there.
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

# Keys are part of the data: documents hold what is encrypted under them.
PARTS = ("data", "keys")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
ABOUT = "about.json"


class Refused(ValueError):
    """A save, load or deletion that is not possible; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A saved state."""

    name: str
    at: str  # RFC 3339
    template: str
    size_bytes: int


def save(state: Path, name: str, template: str) -> None:
    """Copy the data under a new name. Raises Refused."""
    place = _place(state, name)
    if place.exists():
        raise Refused(f"there is a state {name!r} already; delete it, or choose another name")
    unfinished = _emptied(place.with_name(f".{name}.new"))
    _copy(state, unfinished)
    about = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "template": template}
    (unfinished / ABOUT).write_text(json.dumps(about))
    unfinished.rename(place)


def load(state: Path, name: str) -> None:
    """Put a saved state in the place of the data. Raises Refused."""
    place = _existing(state, name)
    unfinished = _emptied(state / ".loading.new")
    _copy(place, unfinished)
    unfinished.rename(state / ".loading")
    finish(state)


def reset(state: Path) -> None:
    """Delete the data, not what is saved."""
    unfinished = _emptied(state / ".loading.new")
    for part in PARTS:
        (unfinished / part).mkdir()
    unfinished.rename(state / ".loading")
    finish(state)


def delete(state: Path, name: str) -> None:
    """Delete a saved state. Raises Refused."""
    place = _existing(state, name)
    shutil.rmtree(place.rename(_emptied(place.with_name(f".{name}.old"))))


def finish(state: Path) -> None:
    """Put in place what a load or reset has copied whole, also one that was interrupted."""
    loading = state / ".loading"
    if not loading.is_dir():
        return
    for part in PARTS:
        if (loading / part).is_dir():  # else it is in place already
            shutil.rmtree(state / part, ignore_errors=True)
            (loading / part).rename(state / part)
    shutil.rmtree(loading)


def listed(state: Path) -> Iterator[Saved]:
    """Yield the saved states by name."""
    folder = state / "saved"
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        if NAME.fullmatch(place.name):
            about = json.loads((place / ABOUT).read_text())
            files = (each for each in place.rglob("*") if each.is_file())
            yield Saved(name=place.name, size_bytes=sum(e.stat().st_size for e in files), **about)


def _copy(source: Path, target: Path) -> None:
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, symlinks=True)
        else:
            (target / part).mkdir()


def _place(state: Path, name: str) -> Path:
    if not NAME.fullmatch(name):
        sentence = "give letters, digits, - and _, 64 at most, and begin with a letter or digit"
        raise Refused(f"{name!r} is no name of a state; {sentence}")
    return state / "saved" / name


def _existing(state: Path, name: str) -> Path:
    place = _place(state, name)
    if not place.is_dir():
        names = ", ".join(each.name for each in listed(state)) or "none"
        raise Refused(f"there is no state {name!r}; there are: {names}")
    return place


def _emptied(folder: Path) -> Path:
    """Return an empty folder, without what an interrupted command has left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
