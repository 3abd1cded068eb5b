"""The last requests, whole, for the console: a bounded ring that is cheap under load.

All are kept while few come, one in a hundred under load, and each that failed or took long. The
ring holds references to what is there anyway, cut to a bound; nothing is made until somebody looks.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from local.gateway.events import Context
from local.gateway.policy import Grant
from local.gateway.responses import Refusal
from local.http.request import Request
from local.lambda_service.throttle import TokenBucket

KEPT_MAX = 200
BODY_MAX_BYTES = 16 * 1024  # of a body, an answer and a log
EVENT_MAX_BYTES = 32 * 1024  # with the body, escaped; all together 18 MB at most
IDLE_PER_S = 10.0  # below this rate every request is kept
IDLE_BURST = 50
ONE_OF = 100  # above it
SLOW_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One request with what became of it; times are on the monotonic clock."""

    context: Context
    method: str
    target: str
    headers: list[tuple[str, str, str]]
    body: bytes
    body_bytes: int  # of the whole body
    peer: str
    route: str  # its key; empty where there is none
    function: str  # logical id; empty where none was invoked
    has_authorizer: bool
    grant: Grant | None
    refusal: Refusal | None
    status: int
    answer_lines: str
    answer: bytes
    answer_bytes: int  # of the whole answer
    event: bytes
    event_bytes: int  # of the whole event
    log: bytes  # of the function's invocation
    received_s: float
    invoked_s: float  # 0 where no function was invoked
    taken_s: float  # by an environment; 0 where none took it
    ended_s: float


class Recorder:
    """The ring, and the rule by which a request comes into it."""

    def __init__(self) -> None:
        self._ring: deque[Recorded] = deque(maxlen=KEPT_MAX)
        self._idle = TokenBucket(IDLE_PER_S, IDLE_BURST, 0.0)
        self._count = 0
        self._wanted: list[Request] = []  # that are kept in any case

    def want(self, request: Request) -> None:
        """Have a request kept that is about to come."""
        self._wanted.append(request)

    def wants(self, request: Request, status: int, latency_s: float, now_s: float) -> bool:
        """Return whether a request is to be kept that was answered now."""
        self._count += 1
        if self._wanted and request in self._wanted:
            self._wanted.remove(request)
            return True
        return (
            self._idle.take(now_s)
            or status >= 500
            or latency_s > SLOW_S
            or self._count % ONE_OF == 0
        )

    def keep(self, recorded: Recorded) -> None:
        """Keep a request in place of the oldest one."""
        self._ring.append(recorded)

    def newest_first(self) -> Iterator[Recorded]:
        """Yield what is kept."""
        return iter(tuple(reversed(self._ring)))

    def find(self, request_id: str) -> Recorded | None:
        """Return the newest request of that id."""
        ids = (each for each in self.newest_first() if each.context.request_id == request_id)
        return next(ids, None)
