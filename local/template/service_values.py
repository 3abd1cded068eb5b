"""The values of resources as the services that made them told them, in a file."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

Values = dict[str, str]


def path_of(state: Path) -> Path:
    """Return the file of a state directory."""
    return state / "run" / "services.json"


def read(state: Path | None) -> Values | None:
    """Return the values by placeholder, None where no services run."""
    return None if (content := _read(state)) is None else dict(content["values"])


def failures(state: Path) -> dict[str, str]:
    """Return why resources were not made, by logical id."""
    return dict((_read(state) or {"failures": {}})["failures"])


def are_done(state: Path) -> bool:
    """Tell whether the functions of custom resources have been called; where none is, at once."""
    return bool((_read(state) or {}).get("is_done", True))


def late(state: Path) -> list[str]:
    """Return the custom resources whose answers came when the functions had started already."""
    return list((_read(state) or {}).get("late", ()))


def write(
    state: Path,
    values: Values,
    failures: dict[str, str],
    late: Collection[str] = (),
    *,
    is_done: bool = True,
) -> None:
    """Replace the file at once."""
    path = path_of(state)
    unfinished = path.with_suffix(".new")
    content = {"values": values, "failures": failures, "late": [*late], "is_done": is_done}
    unfinished.write_text(json.dumps(content, indent=1))
    unfinished.chmod(0o600)  # it may have secrets
    unfinished.replace(path)


def _read(state: Path | None) -> dict[str, Any] | None:
    if state is None:
        return None
    try:
        return dict(json.loads(path_of(state).read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
