"""The predecessor's faults, put into a system's own processes: `COLLAPSE` names those that are on.

Python imports this module at its start where its folder stands in PYTHONPATH, as it does for
systems of `tests.collapse` and for no others.
"""

import os
import sys
from contextlib import nullcontext
from typing import Any

SWITCHES = os.environ.get("COLLAPSE", "").split()
MODULE = sys.orig_argv[sys.orig_argv.index("-m") + 1] if "-m" in sys.orig_argv[:-1] else ""


def switch(owner: Any, **faults: Any) -> None:
    """Put these in the place of what `owner` has; a name that it lacks would switch nothing."""
    for name, fault in faults.items():
        getattr(owner, name)
        setattr(owner, name, fault)


if MODULE == "local.server" and "short-backlog" in SWITCHES:
    from local.server import process

    switch(process, BACKLOG=100)

if MODULE == "local.server" and "endless-queue" in SWITCHES:
    from local.lambda_service.dispatch import Pool

    # Nobody is ever refused, and an event is run for a client that has gone long ago.
    switch(Pool, _is_over=lambda *_: False, _throttled=lambda *_: None, abandon=lambda *_: None)

if MODULE == "queue_workers" and "one-by-one" in SWITCHES:
    from queue_workers.poller import POLL_S, Poller
    from queue_workers.yield_to_requests import RequestPriority

    switch(Poller, _receive=lambda self: self._take(1, POLL_S))
    switch(RequestPriority, turn=lambda *_: nullcontext())

if MODULE == "queue_workers" and "no-relay" in SWITCHES:
    from queue_workers.ticker import Ticker

    switch(Ticker, run=lambda self: self._stop.wait())
