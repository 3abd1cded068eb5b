"""The values of resources as the services that made them told them, in a file."""

import json
from pathlib import Path

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


def write(state: Path, values: Values, failures: dict[str, str]) -> None:
    """Replace the file at once."""
    path = path_of(state)
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps({"values": values, "failures": failures}, indent=1))
    unfinished.chmod(0o600)  # it may have secrets
    unfinished.replace(path)


def _read(state: Path | None) -> dict[str, dict[str, str]] | None:
    if state is None:
        return None
    try:
        return dict(json.loads(path_of(state).read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
