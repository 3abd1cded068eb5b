"""The Python that functions run on: that of the user's project, or the tool's own."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from local import PROJECT
from local.runtime.launch import TOOL_PACKAGES

OLDEST = (3, 11)
LAUNCH = Path(__file__).with_name("launch.py")
PROBE = "import sys; sys.stdout.write('%d %d ' % sys.version_info[:2] + sys.prefix)"
PROBE_TIMEOUT_S = 20.0  # a Python starts within 0.1 s; a machine may be very busy


class NotUsable(Exception):
    """A Python that functions cannot run on; the message says which one, and why."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python: its program and its version."""

    path: str
    version: tuple[int, int]

    def __str__(self) -> str:
        return "python{}.{}".format(*self.version)


OWN = Interpreter(sys.executable, sys.version_info[:2])


def chosen(option: str | None, environ: Mapping[str, str]) -> Interpreter:
    """Return the Python of the option, of the active virtual environment, or the tool's own.

    The option is a program, one that PATH has, or the folder of an environment. Raises NotUsable.
    """
    if option is not None:
        program = shutil.which(option) or option
        return _probed(Path(program).expanduser().absolute(), f"--python {shlex.quote(option)}")
    folder = environ.get("VIRTUAL_ENV")
    if folder:
        return _probed(Path(folder).absolute(), f"VIRTUAL_ENV={folder}")
    return OWN


def command(python: str, module: str, *arguments: object) -> list[str]:
    """Return the command that runs a module of ours on `python`."""
    own_way = ["-m", module]
    foreign_way = ["-P", str(LAUNCH), os.pathsep.join(_tool_folders()), module]
    way = own_way if python == OWN.path else foreign_way
    return [python, *way, *map(str, arguments)]


def _probed(path: Path, named: str) -> Interpreter:
    """Ask a program for its version; a symbolic link stays, because it makes the environment."""
    if path.is_dir():
        path = path / "bin" / "python"
    if not path.exists():
        raise NotUsable(f"{named} is no Python: there is no {path}")
    try:
        probe = subprocess.run(
            [path, "-c", PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except OSError as error:
        raise NotUsable(f"{named} is no Python: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        sentence = f"{named} is no Python: it does not end within {PROBE_TIMEOUT_S:.0f} s"
        raise NotUsable(sentence) from error
    major, _, rest = probe.stdout.strip().partition(" ")
    minor, _, prefix = rest.partition(" ")
    if probe.returncode or not (major.isdecimal() and minor.isdecimal() and prefix):
        raise NotUsable(f"{named} is no Python: it does not tell its version")
    version = (int(major), int(minor))
    if version < OLDEST:
        requirement = "functions need {}.{} or newer".format(*OLDEST)
        raise NotUsable(f"{named} is Python {major}.{minor}; {requirement}")
    is_own = version == OWN.version and Path(prefix).resolve() == Path(sys.prefix).resolve()
    return OWN if is_own else Interpreter(str(path), version)


@cache
def _tool_folders() -> list[str]:
    """Return the folders that have the packages of ours that a host imports."""
    specs = [find_spec(name) for name in sorted(TOOL_PACKAGES - {"local"})]
    places = [Path(spec.origin).parents[1] for spec in specs if spec and spec.origin]
    return list(dict.fromkeys(map(str, [PROJECT, *places])))
