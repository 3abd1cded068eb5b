"""The place where one backend adds its own ports, settings and processes to a system."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.machine.ports import Ports
from local.machine.processes import Process
from local.template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """All that a command adds for one backend; each part does nothing for other templates."""

    is_at_home: Callable[[Path], bool]  # whether a folder has the backend
    ports: Mapping[str, tuple[int, str]]  # default and help of each port, by name
    # The settings that a template may list in Metadata.Spillway.Provides, each made when asked.
    settings: Callable[[Path, Ports], Mapping[str, Callable[[], str]]]
    processes: Callable[[Template, Path, Ports], Iterable[Process]]
    # Raises ValueError where the backend could not use its environment.
    check: Callable[[Template, Mapping[str, str]], None]
    first_request: Callable[[Template, str], str]  # to show once it runs at a URL, or nothing
    # The module whose `add_views` gives the console views of the backend, or nothing.
    console_views: Callable[[Template], str]
