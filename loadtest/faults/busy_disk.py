"""A disk that is slow because another process writes to it and syncs without a pause.

`python busy_disk.py FOLDER SECONDS` is that process: it prints its syncs and the bytes it wrote.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gevent

BLOCK = os.urandom(4 << 20)  # so much a sync
FILE_BYTES = 64 << 20  # is written over and over
SLACK_S = 30.0  # for the last sync of a disk that is busy


def keep_busy(folder: Path, length_s: int) -> str:
    """Write beside the files of `folder` for this long; return how much was written."""
    command = [sys.executable, str(Path(__file__)), str(folder), str(length_s)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        with gevent.Timeout(length_s + SLACK_S, OSError("the disk did not take one more sync")):
            out, errors = writer.communicate()
    finally:
        writer.kill()
    if writer.returncode:
        raise OSError(errors.strip().rpartition("\n")[2] or "the disk's writer ended early")
    syncs, written_bytes = map(int, out.split())
    return f"{written_bytes / 1e6:,.0f} MB were written to the disk in {syncs:,} syncs"


def main(folder: str, length_s: float) -> None:
    """Write and sync until the time is over; the file is gone with the process."""
    until_s = time.monotonic() + length_s
    syncs = 0
    with tempfile.TemporaryFile(dir=folder) as file:
        while time.monotonic() < until_s:
            if file.tell() >= FILE_BYTES:
                file.seek(0)
            file.write(BLOCK)
            file.flush()
            os.fsync(file.fileno())
            syncs += 1
    print(syncs, syncs * len(BLOCK))  # noqa: T201  what the parent reads


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
