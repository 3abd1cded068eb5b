"""The installed needs of functions: the packages of their requirements.txt, or what their
Makefile builds; in a folder of each function's own.
"""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from local.runtime.interpreter import OWN, PROBE_TIMEOUT_S, Interpreter
from local.template import Function, Template
from local.template.model import LayerBuild

INSTALL_TIMEOUT_S = 600  # of one function; a slow mirror and some large wheels
PROBE = Path(__file__).with_name("requirement_probe.py")
LISTED = "requirements.txt"
MAKEFILE = "Makefile"


class NotInstalled(Exception):
    """pip or make refuses; the message has its reason."""


def folder(state: Path, function: str) -> Path:
    """Return where the packages of a function are, by its logical id."""
    return state / "packages" / function


def without_packages(template: Template, state: Path, python: Interpreter) -> list[Function]:
    """Return the functions whose requirements are not installed, or were other ones then."""
    return [
        function
        for function in template.functions.values()
        if (packages := _requirements(function, python))
        and packages != _installed(folder(state, function.logical_id))
    ]


def lacked_by(python: Interpreter, functions: list[Function]) -> list[Function]:
    """Return the functions whose requirements the packages of `python` itself do not fulfil."""
    lists = ["\n".join(_listed(function, python)) for function in functions]
    try:
        probe = subprocess.run(
            [python.path, PROBE],
            input=json.dumps(lists),
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            check=True,
        )
        lacking = set(json.loads(probe.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        return functions  # nobody can tell
    return [
        function
        for number, function in enumerate(functions)
        if number in lacking or function.is_built_by_make or function.layer_builds
    ]


def install(function: Function, state: Path, python: Interpreter) -> None:
    """Install what `function` requires. Raises NotInstalled; then what was there stays."""
    place = folder(state, function.logical_id)
    unfinished = place.with_name(f"{place.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    if twin := _twin(function, state, python):
        shutil.copytree(twin, unfinished, dirs_exist_ok=True, copy_function=os.link)
    else:
        _install(function, unfinished, python)
    shutil.rmtree(place, ignore_errors=True)
    unfinished.replace(place)


def _twin(function: Function, state: Path, python: Interpreter) -> Path | None:
    """Return the packages of another function with the same requirements, None without one."""
    wanted = _requirements(function, python)
    if function.is_built_by_make or function.layer_builds:
        return None
    others = (each for each in (state / "packages").iterdir() if each.suffix != ".new")
    return next((each for each in others if _installed(each) == wanted), None)


def _install(function: Function, unfinished: Path, python: Interpreter) -> None:
    for layer in function.layer_builds:
        _build_layer(layer, unfinished)
    if function.is_built_by_make:
        _run(_make(function.logical_id, unfinished), function.code_uri)
    # One after the other, as `sam build` does: hashes in one list would be wanted of all.
    for wanted in _wanted(function, python) if not function.is_built_by_make else ():
        options = ("--quiet", "--disable-pip-version-check", "--no-input")
        _run([*_pip(python), "install", *options, "--target", str(unfinished), *wanted])
    (unfinished / LISTED).write_text(_requirements(function, python))


def _run(command: list[str], folder: Path | None = None) -> None:
    """Run a command that builds or installs, in `folder`. Raises NotInstalled."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
            cwd=folder,
        )
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"not within {INSTALL_TIMEOUT_S} s") from error
    except OSError as error:
        raise NotInstalled(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        lines = done.stderr.splitlines() or [f"{command[0]} failed"]
        errors = [line for line in lines if line.startswith("ERROR: ")]
        raise NotInstalled((errors or lines)[-1].removeprefix("ERROR: "))


def _build_layer(layer: LayerBuild, place: Path) -> None:
    """Build a layer, and put its modules where those of the function are."""
    built = place / ".layer"
    built.mkdir()
    _run(_make(layer.logical_id, built), layer.folder)
    modules = built / "python"
    inner = [*modules.glob("lib/python3.*/site-packages")]
    for folder in filter(Path.is_dir, (modules, *inner)):
        shutil.copytree(folder, place, dirs_exist_ok=True)
    shutil.rmtree(built)


def _make(logical_id: str, place: Path) -> list[str]:
    """Return the command that `sam build` runs for BuildMethod makefile."""
    return ["make", f"build-{logical_id}", f"ARTIFACTS_DIR={place}"]


def _pip(python: Interpreter) -> list[str]:
    """Return the command of a pip for `python`: the tool's, or else its own."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", python.path]
    return [python.path, "-m", "pip"]


def _wanted(function: Function, python: Interpreter) -> list[list[str]]:
    """Return the arguments of each pip: a list of requirements, or what layers of others have."""
    files = [["--requirement", str(path)] for path in _lists(function)]
    others = [*_of_others(function, python)]
    return [*files, *([others] if others else [])]


def _lists(function: Function) -> list[Path]:
    places = (function.code_uri, *function.layers)
    return [path for place in places if (path := place / LISTED).is_file()]


def _of_others(function: Function, python: Interpreter) -> tuple[str, ...]:
    """Return the requirements in the place of layers of others; our own Python has them."""
    return () if python == OWN and find_spec("aws_lambda_powertools") else function.requirements


def _listed(function: Function, python: Interpreter) -> list[str]:
    return [*(path.read_text() for path in _lists(function)), *_of_others(function, python)]


def _requirements(function: Function, python: Interpreter) -> str:
    builds = [layer.folder for layer in function.layer_builds]
    builds += [function.code_uri] if function.is_built_by_make else []
    makefiles = [path.read_text() for each in builds if (path := each / MAKEFILE).is_file()]
    lists = [*makefiles, *_listed(function, python)]
    places = [f"# {path}" for path in _lists(function)]
    return "\n".join([*lists, *places, f"# {python}"] if lists else [])


def _installed(place: Path) -> str:
    path = place / LISTED
    return path.read_text() if path.is_file() else ""
