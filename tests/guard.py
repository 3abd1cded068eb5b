"""The end of what a test run started, however the run ends; Linux only, by /proc.

`watch` marks this process' environment, which all that it starts inherits, and starts this module
as a program. That one waits until the run is gone, killed or not, and kills who bears the mark.
"""

import os
import signal
import sys
import time
import uuid
from pathlib import Path

MARK = "SPILLWAY_TEST_RUN"
END_WITHIN_S = 10.0  # a process may start another while it is killed
PAUSE_S = 0.05


def watch() -> None:
    """Have everything that this process starts from now on end with it."""
    if not Path("/proc/self/environ").exists():
        return
    os.environ[MARK] = uuid.uuid4().hex
    # Nobody else has the pipe's other end, so it closes when this process ends.
    reader, _ = os.pipe()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.posix_spawn(
        sys.executable,
        [sys.executable, __file__],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, reader, 0),
            (os.POSIX_SPAWN_DUP2, nowhere, 1),
            (os.POSIX_SPAWN_DUP2, nowhere, 2),
        ],
        setsid=True,  # Ctrl-C in the terminal is for the run
    )
    os.close(nowhere)
    os.close(reader)


def marked(mark: str) -> list[int]:
    """Return the processes whose environment has this mark, but for this one."""
    variable = f"{MARK}={mark}".encode()
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or is another user's
        if variable in variables and int(folder.name) != os.getpid():
            pids.append(int(folder.name))
    return pids


def main() -> None:
    sys.stdin.read()
    deadline = time.monotonic() + END_WITHIN_S
    while time.monotonic() < deadline:
        pids = marked(os.environ[MARK])
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
