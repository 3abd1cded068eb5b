"""The documents server on a disk whose syncs a test controls, by files in the folder `disk`.

Each sync copies the log as it was when the sync began into `durable`: all that a power cut leaves.
`stalled` keeps syncs from ending, `broken` has them fail. `settings` has other bounds for the
server, in JSON, so that little data and time reach them.
"""

import errno
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from local.documents import server
from local.documents.__main__ import main

SYNC_S = 0.01  # so long that a kill nearly always comes in the midst of one


def controlled(disk: Path, fdatasync: Callable[[int], None]) -> Callable[[int], None]:
    """Return a sync of the write-ahead log that does what the files in `disk` say."""

    def sync(descriptor: int) -> None:
        log = Path(f"/proc/self/fd/{descriptor}").read_bytes()
        time.sleep(SYNC_S)
        while (disk / "stalled").exists():
            time.sleep(0.005)
        if (disk / "broken").exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fdatasync(descriptor)
        (disk / "next").write_bytes(log)
        (disk / "next").replace(disk / "durable")

    return sync


folder = Path(sys.argv.pop(1))
os.fdatasync = controlled(folder, os.fdatasync)  # type: ignore[assignment]
for name, value in json.loads((folder / "settings").read_text()).items():
    setattr(server, name, value)
sys.exit(main())
