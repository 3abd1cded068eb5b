"""`python -m local.compose.reload COMMAND …`: runs the command anew whenever the source changes.

For development containers, whose source is mounted. It looks at modification times, because change
notices of a mounted file system do not reach every container.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = ("functions", "layers/backend", "queue_workers", "local", "template.yaml")
SUFFIXES = frozenset({".py", ".lua", ".json", ".html", ".yaml"})
LOOK_S = 1.0  # stat of 200 files costs a millisecond
WATCHED = {signal.SIGTERM, signal.SIGINT}


def main() -> int:
    command, folder = sys.argv[1:], Path.cwd()
    if not command:
        sys.stderr.write("give a command: python -m local.compose.reload COMMAND …\n")
        return 2
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    while True:
        times = _times(folder)
        running = subprocess.Popen(command, preexec_fn=_unblock)  # noqa: PLW1509 - no threads here
        while _times(folder) == times:
            received = signal.sigtimedwait(WATCHED, LOOK_S)
            if received:
                running.send_signal(received.si_signo)
                return running.wait()
            # A command that has ended stays so until a change mends it, or the container's restart.
            if running.poll() is not None and running.returncode == 0:
                return 0
        running.terminate()
        running.wait()
        sys.stderr.write(f"the source changed: {' '.join(command)} starts again\n")


def _times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    for name in SOURCE:
        root = folder / name
        if root.is_file():
            yield root
        for parent, folders, files in os.walk(root):
            folders[:] = [each for each in folders if each != "__pycache__"]
            yield from (Path(parent, each) for each in files if Path(each).suffix in SUFFIXES)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)


if __name__ == "__main__":
    sys.exit(main())
