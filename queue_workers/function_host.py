"""The process of a function's environment, kept alive for one poller."""

import logging
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)

PAUSE_FIRST_S = 0.2
PAUSE_LONGEST_S = 10.0  # a host that ends at once costs half a second of CPU each time
HEALTHY_S = 30.0  # having lived this long, a host's next end counts as the first


@dataclass(slots=True)
class FunctionHost:
    """The child process whose environment serves one poller."""

    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0  # monotonic
    pause_s: float = PAUSE_FIRST_S
    due_s: float = 0.0  # monotonic; when it may start again

    def keep_alive(self) -> None:
        """Start the host unless it runs; after an end it waits, longer each time."""
        now_s = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            if now_s - self.started_s >= HEALTHY_S:
                self.pause_s = PAUSE_FIRST_S
            log.warning("a host ended with status %d: %s", self.process.returncode, self.command)
            self.process, self.due_s = None, now_s + self.pause_s
            self.pause_s = min(2 * self.pause_s, PAUSE_LONGEST_S)
        if self.process is None and now_s >= self.due_s:
            self.process, self.started_s = subprocess.Popen(self.command), now_s

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()

    def ended(self, wait_s: float) -> None:
        """Wait up to `wait_s` for the end, then force it."""
        if self.process is None:
            return
        try:
            self.process.wait(timeout=max(0.0, wait_s))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
