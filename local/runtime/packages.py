"""The packages of the functions' requirements.txt, in a folder of each function's own."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from local.runtime.interpreter import Interpreter
from local.template import Function, Template

INSTALL_TIMEOUT_S = 600  # of one function; a slow mirror and some large wheels
LISTED = "requirements.txt"


class NotInstalled(Exception):
    """pip refuses; the message has its reason."""


def folder(state: Path, function: str) -> Path:
    """Return where the packages of a function are, by its logical id."""
    return state / "packages" / function


def without_packages(template: Template, state: Path, python: Interpreter) -> list[Function]:
    """Return the functions whose requirements are not installed, or were other ones then."""
    return [
        function
        for function in template.functions.values()
        if (wanted := _wanted(function, python))
        and wanted != _installed(folder(state, function.logical_id))
    ]


def install(function: Function, state: Path, python: Interpreter) -> None:
    """Install what `function` requires. Raises NotInstalled; then what was there stays."""
    place = folder(state, function.logical_id)
    unfinished = place.with_name(f"{place.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = [
        *(*_pip(python), "install", "--quiet", "--disable-pip-version-check"),
        *("--no-input", "--target", str(unfinished)),
    ]
    for path in _lists(function):
        command += ["--requirement", str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"not within {INSTALL_TIMEOUT_S} s") from error
    if done.returncode:
        lines = done.stderr.splitlines() or ["pip failed"]
        errors = [line for line in lines if line.startswith("ERROR: ")]
        raise NotInstalled((errors or lines)[-1].removeprefix("ERROR: "))
    unfinished.mkdir(parents=True, exist_ok=True)  # an empty list makes no folder
    (unfinished / LISTED).write_text(_wanted(function, python))
    shutil.rmtree(place, ignore_errors=True)
    unfinished.replace(place)


def _pip(python: Interpreter) -> list[str]:
    """Return the command of a pip for `python`: the tool's, or else its own."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", python.path]
    return [python.path, "-m", "pip"]


def _lists(function: Function) -> list[Path]:
    places = (function.code_uri, *function.layers)
    return [path for place in places if (path := place / LISTED).is_file()]


def _wanted(function: Function, python: Interpreter) -> str:
    lists = [path.read_text() for path in _lists(function)]
    return "\n".join([*lists, f"# {python}"] if lists else [])


def _installed(place: Path) -> str:
    path = place / LISTED
    return path.read_text() if path.is_file() else ""
