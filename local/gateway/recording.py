"""The last requests, whole, for the console: a bounded ring that is cheap under load.

Those are kept whose trace is (`local.traces.sampling` has the rule). The ring holds references to
what is there anyway, cut to a bound; nothing is made until somebody looks.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from local.gateway.events import Context
from local.gateway.exchange import Exchange
from local.gateway.policy import Grant
from local.gateway.responses import Refusal
from local.gateway.target import Answer
from local.http.request import Request

KEPT_MAX = 200
BODY_MAX_BYTES = 16 * 1024  # of a body, an answer and a log
EVENT_MAX_BYTES = 32 * 1024  # with the body, escaped; all together 18 MB at most


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
    trace: str  # the header that the function got, else the request's own
    received_s: float
    invoked_s: float  # 0 where no function was, or it was throttled
    taken_s: float  # by an environment; 0 where none took it
    ended_s: float


class RecentRequests:
    """The ring of requests, and those that come into it in any case."""

    def __init__(self) -> None:
        self._ring: deque[Recorded] = deque(maxlen=KEPT_MAX)
        self._wanted: list[Request] = []  # that are kept in any case

    def want(self, request: Request) -> None:
        """Have a request kept that is about to come."""
        self._wanted.append(request)

    def ended(self, exchange: Exchange, answer: Answer, ended_s: float, is_traced: bool) -> None:
        """Keep an answered request in place of the oldest one, if its trace is kept."""
        if self._is_wanted(exchange.request) or is_traced:
            self._ring.append(_recorded(exchange, answer, ended_s))

    def newest_first(self) -> Iterator[Recorded]:
        """Yield what is kept."""
        return iter(tuple(reversed(self._ring)))

    def _is_wanted(self, request: Request) -> bool:
        if not self._wanted or request not in self._wanted:
            return False
        self._wanted.remove(request)
        return True


def _recorded(exchange: Exchange, answer: Answer, ended_s: float) -> Recorded:
    request, target, invocation = exchange.request, exchange.target, exchange.invocation
    status, lines, body = answer
    event = invocation.event if invocation else b""
    pool = target.pool if target else None
    return Recorded(
        context=exchange.context,
        method=request.method,
        target=request.target,
        headers=request.headers,
        body=request.body[:BODY_MAX_BYTES],
        body_bytes=len(request.body),
        peer=request.peer,
        route=target.key if target else "",
        function=pool.function.logical_id if pool and invocation else "",
        has_authorizer=target is not None and target.authorizer is not None,
        grant=exchange.grant,
        refusal=exchange.refusal,
        status=status,
        answer_lines=lines,
        answer=body[:BODY_MAX_BYTES],
        answer_bytes=len(body),
        event=event[:EVENT_MAX_BYTES],
        event_bytes=len(event),
        log=invocation.log[-BODY_MAX_BYTES:] if invocation else b"",
        trace=invocation.trace if invocation else exchange.context.trace,
        received_s=request.received_s,
        invoked_s=invocation.queued_s if invocation else 0.0,
        taken_s=invocation.started_s if invocation else 0.0,
        ended_s=ended_s,
    )
