"""The start of a module of ours on the Python of the user's project, which lacks our packages.

`PYTHON -P launch.py FOLDERS MODULE ARGUMENTS...`: of the tool's own FOLDERS it finds TOOL_PACKAGES
alone, so that functions import what their project has and nothing else.
"""

import os
import runpy
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

# What a host itself imports; `handler.prepare` hides it from functions.
TOOL_PACKAGES = frozenset({"local", "yaml", "orjson", "tzdata"})
DEBUGGER = "debugpy"  # found behind the project's own, and not hidden: it goes on importing


class ToolFinder:
    """An import finder of the tool's own packages."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = folders

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a package of ours; what is below one is found by its own path."""
        if name not in TOOL_PACKAGES and name != DEBUGGER:
            return None
        return PathFinder.find_spec(name, self._folders, target)


def _stand_in() -> None:
    """Replace what is compiled for another version of Python by what is slower but the same."""
    import yaml  # noqa: PLC0415 - found since the finder is there

    if not hasattr(yaml, "CSafeLoader"):
        yaml.CSafeLoader = yaml.SafeLoader  # type: ignore[misc,assignment]
    try:
        import orjson  # noqa: F401, PLC0415
    except ImportError:
        from local.runtime import standard_json  # noqa: PLC0415

        sys.modules["orjson"] = standard_json


def main() -> None:
    _, folders, module, *arguments = sys.argv
    here = str(Path(__file__).parent)
    sys.path[:] = [path for path in sys.path if path != here]
    sys.meta_path.insert(0, ToolFinder(folders.split(os.pathsep)))
    _stand_in()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
