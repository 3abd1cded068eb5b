"""The functions whose handler cannot be imported, a file each in the state directory."""

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from local.template import Function

if TYPE_CHECKING:
    from local.runtime.environment import Fault


def note(state: Path | None, function: Function, fault: "Fault") -> None:
    """Keep why a function cannot be imported: the error, and where in its own code it happened."""
    if state:
        path = _folder(state) / function.logical_id
        path.parent.mkdir(parents=True, exist_ok=True)
        place = _place(function.code_uri, fault)
        path.write_text(f"{place}{fault.error_type}: {str(fault).splitlines()[0]}")


def forget(state: Path | None, function: Function) -> None:
    """Take back what was noted: the function is imported now."""
    if state:
        (_folder(state) / function.logical_id).unlink(missing_ok=True)


def forget_all(state: Path) -> None:
    """Take back all that an earlier run noted."""
    _tried(state).unlink(missing_ok=True)
    for name in noted(state):
        (_folder(state) / name).unlink(missing_ok=True)


def say_tried(state: Path) -> None:
    """Note that all functions have been imported once, those that are invoked on demand too."""
    _tried(state).touch()


def were_tried(state: Path) -> bool:
    """Tell whether that has been noted."""
    return _tried(state).exists()


def noted(state: Path) -> dict[str, str]:
    """Return a sentence for each function that cannot be imported, by logical id."""
    folder = _folder(state)
    if not folder.is_dir():
        return {}
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def _folder(state: Path) -> Path:
    return state / "run" / "import-failures"


def _tried(state: Path) -> Path:
    return state / "run" / "imports-tried"


def _place(code: Path, fault: "Fault") -> str:
    """Return `file:line: ` of the deepest frame in the function's own code, or nothing."""
    error = fault.__cause__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(code, error.filename)}:{error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__) if error else []
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(code)]
    return f"{_short(code, own[-1].filename)}:{own[-1].lineno}: " if own else ""


def _short(code: Path, file: str) -> str:
    return str(Path(file).relative_to(code)) if Path(file).is_relative_to(code) else file
