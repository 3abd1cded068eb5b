"""Commands that run to their end; if we are ended first, it and all below it end too."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from local.daemon.terminate import end

END_GRACE_S = 10.0  # a drill under way takes 4 s to end all that it started


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """The end of a command; `output` is empty where its output was shown instead."""

    status: int
    output: str


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    *,
    timeout_s: float,
    shown: bool = False,
) -> CommandEnd:
    """Run `command` in `folder`; raises subprocess.TimeoutExpired."""
    output = None if shown else subprocess.PIPE
    process = psutil.Popen(
        command, env=dict(environment), cwd=folder, stdout=output, stderr=output, text=True
    )
    try:
        streams = process.communicate(timeout=timeout_s)
    finally:
        end([process], END_GRACE_S)
    return CommandEnd(process.returncode, "".join(each or "" for each in streams))
