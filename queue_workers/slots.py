"""The places of an event source mapping: MaximumConcurrency n is n pollers among all workers.

A place is a locked file in a folder that the workers of one machine share, in containers too. The
kernel frees it with its holder, however that ends, and the next worker that looks takes it.
"""

import fcntl
from pathlib import Path
from typing import IO


def take(folder: Path, name: str, most: int) -> IO[str] | None:
    """Return one of the `most` places of mapping `name`, held until it is closed; None if full."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(most):
        file = (folder / f"{name}-{number}.place").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            return file
    return None
