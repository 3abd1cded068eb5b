"""The handlers of the drill: one that behaves, and one that does the harm its event names."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MB = 1 << 20
LINE = "x" * 99 + "\n"
daemons: list[int] = []  # of this environment: started at its first event
HARMS: dict[str, Callable[[], object]] = {}


def good(_event: object, _context: object) -> dict[str, object]:
    """Answer at once."""
    return {"statusCode": 200, "body": "good"}


def handler(event: dict[str, Any], context: object) -> object:
    """Do the harm that the body names."""
    return HARMS[event["body"]]()


def harm(do: Callable[[], object]) -> Callable[[], object]:
    """Have the event `do`'s name, with spaces, do it."""
    HARMS[do.__name__.replace("_", " ")] = do
    return do


@harm
def returns_a_set() -> object:
    return {1, 2}


@harm
def returns_a_megabyte() -> object:
    return {"statusCode": 200, "body": "x" * MB}


@harm
def returns_a_list() -> object:
    return list(range(10_000))


@harm
def returns_a_header_of_two_lines() -> object:
    return {"statusCode": 200, "headers": {"x-a": "b\r\nx-c: d"}}


@harm
def returns_nesting_without_end() -> object:
    return b"[" * MB


@harm
def raises_a_hundred_megabytes() -> object:
    raise ValueError("ü" * (50 * MB))


@harm
def recurses_without_end() -> object:
    return recurses_without_end()


@harm
def raises_a_chain_of_causes() -> object:
    error = ValueError("the first")
    for number in range(10_000):
        following = ValueError(str(number))
        following.__cause__ = error
        error = following
    raise error


@harm
def leaves_by_sys_exit() -> object:
    sys.exit("leaving")


@harm
def leaves_at_once() -> object:
    os._exit(3)


@harm
def crashes() -> object:
    return ctypes.string_at(0)


@harm
def sleeps() -> object:
    time.sleep(60)
    return None


@harm
def loops() -> object:
    while True:
        pass


@harm
def ignores_every_signal() -> object:
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    return loops()


@harm
def leaves_threads_busy() -> object:
    for _ in range(20):
        threading.Thread(target=loops, daemon=True).start()
    return None


@harm
def leaves_children_busy() -> object:
    for _ in range(4):
        if not os.fork():
            loops()
    return None


@harm
def leaves_daemons_busy() -> object:
    while len(daemons) < 4:
        daemons.append(len(daemons))
        if not os.fork():
            os.setsid()
            if not os.fork():
                loops()
            os._exit(0)
    return None


@harm
def forks_a_thousand_children() -> object:
    for _ in range(1000):
        if not os.fork():
            time.sleep(60)
            os._exit(0)
    return None


@harm
def prints_a_gigabyte() -> object:
    for _ in range(1000):
        sys.stdout.write("x" * MB)
    return None


@harm
def prints_short_lines() -> object:
    for _ in range(200_000):
        sys.stdout.write("\n\n\n\nx\n")
    return None


@harm
def prints_metrics() -> object:
    for number in range(2_000):
        metric = {"Name": f"m{number}", "Unit": "Count"}
        directive = {"Namespace": "n", "Dimensions": [["d"]], "Metrics": [metric]}
        document = {"_aws": {"CloudWatchMetrics": [directive]}, "d": str(number)}
        sys.stdout.write(json.dumps({**document, metric["Name"]: 1}) + "\n")
    return None


@harm
def writes_a_gigabyte_past_python() -> object:
    for _ in range(1000):
        os.write(1, LINE.encode() * (MB // 100))
    return None


@harm
def has_a_child_print_for_ever() -> object:
    return subprocess.run(["yes", LINE], check=False).returncode


@harm
def closes_its_files() -> object:
    os.closerange(0, 1024)
    return None


@harm
def writes_garbage_to_every_file() -> object:
    for descriptor in range(1024):
        with contextlib.suppress(OSError):
            os.write(descriptor, os.urandom(65_536))
    return None


@harm
def sends_a_frame_in_pieces() -> object:
    socket = next(fd for fd in range(3, 1024) if _is_socket(fd))
    os.write(socket, MB.to_bytes(4, "big"))
    for _ in range(MB // 1024):
        os.write(socket, b"x" * 1024)
    return None


@harm
def eats_a_gigabyte() -> object:
    return len(bytearray(b"x" * MB) * 1024)


@harm
def eats_a_gigabyte_and_stays() -> object:
    eaten = bytearray(b"x" * MB) * 1024
    time.sleep(60)
    return len(eaten)


@harm
def fills_its_temporary_directory() -> object:
    while True:
        with tempfile.NamedTemporaryFile(delete=False) as file:
            for _ in range(500):
                file.write(b"x" * MB)


def _is_socket(descriptor: int) -> bool:
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink().name.startswith("socket:")
    except OSError:
        return False
