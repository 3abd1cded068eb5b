"""The port where OpenTelemetry's exporters send spans: OTLP over HTTP, `POST /v1/traces`.

It is in the process that answers requests, so it works in short turns and rests between them: a
flood of spans waits, and then is refused, while requests go on.
"""

import asyncio
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from types import ModuleType

from local.http.request import Request, no_reply
from local.http.same_origin import FOREIGN, is_foreign
from local.traces import otlp_json, otlp_protobuf
from local.traces.limited import Refused, span_of
from local.traces.span import Span
from local.traces.wire import Malformed

PATH = "/v1/traces"
BODY_MAX_BYTES = 4 * 1024 * 1024  # also unpacked; an exporter's batch of 512 spans has a tenth
WAITING_MAX_BYTES = 16 * 1024 * 1024  # bodies in hand, over which exporters are told to come again
SMALL_MAX_BYTES = 64 * 1024  # what a function sends of one event, which waits for the answer
SPANS_MAX = 10_000  # of one request
PACKED = {"gzip": 31, "deflate": 15}  # zlib's number of each Content-Encoding
TURN_S = 0.002  # a request of a client waits so long at most
REST = 4  # turns of rest after each: a flood takes a fifth of the process
RETRY_AFTER_S = 1
NOT_HERE = "only traces are kept here: set OTEL_METRICS_EXPORTER and OTEL_LOGS_EXPORTER to none"
# google.rpc.Code, which OTLP's errors name.
INVALID_ARGUMENT = 3
_CODES = {403: 7, 404: 5, 413: 8, 415: 3, 503: 14}
_FORMATS = {each.CONTENT_TYPE: each for each in (otlp_json, otlp_protobuf)}


class Intake:
    """The application of the port; `keep` takes spans and returns how many it refuses."""

    def __init__(self, keep: Callable[[list[Span]], int]) -> None:
        self._keep = keep
        # Small bodies go first, and large ones take none of their room.
        self._small, self._large = _Lane(), _Lane()
        self._task: asyncio.Task[None] | None = None

    def handle(self, request: Request) -> None:
        """Answer a request now if it is refused, else when its turn has come."""
        path = request.target.partition("?")[0]
        if is_foreign(request):
            _refuse(request, 403, FOREIGN)
        elif path != PATH:
            _refuse(request, 404, NOT_HERE if path.startswith("/v1/") else f"there is {PATH} only")
        elif request.method != "POST":
            _refuse(request, 405, "send spans by POST")
        elif _format_of(request) is None:
            _refuse(request, 415, f"Content-Type must be one of {', '.join(_FORMATS)}")
        elif not self._lane_of(request).take(request):
            _refuse(request, 503, "too many spans wait; send them later")
        elif self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._take_all())

    def refuse(self, request: Request, status: int) -> None:
        """Answer what is not HTTP as it should be, or too large."""
        _refuse(request, status, "the body is too large" if status == 413 else "no HTTP request")

    def _lane_of(self, request: Request) -> "_Lane":
        return self._small if len(request.body) <= SMALL_MAX_BYTES else self._large

    async def _take_all(self) -> None:
        while lane := next((each for each in (self._small, self._large) if each.requests), None):
            request = lane.requests.popleft()
            try:
                if request.reply is not no_reply:
                    await self._take(request)
            finally:
                lane.size -= len(request.body)

    async def _take(self, request: Request) -> None:
        format_ = _format_of(request)
        assert format_ is not None
        turn = _Turn()
        faults: Counter[str] = Counter()
        spans: list[Span] = []
        try:
            for span in _spans(_unpacked(request), format_, faults):
                if span is not None:
                    spans.append(span)
                if turn.is_over:
                    await turn.rest()
        except Malformed as error:
            _refuse(request, 400, f"the body cannot be read: {error}")
        else:
            if refused := self._keep(spans):
                faults["makes its trace too large"] += refused
            lines = f"Content-Type: {format_.CONTENT_TYPE}\r\n"
            request.reply(200, lines, format_.answer(faults.total(), _sentence(faults)))
        await turn.rest()


class _Lane:
    """The requests of one kind that wait, and the bytes of their bodies."""

    def __init__(self) -> None:
        self.requests: deque[Request] = deque()
        self.size = 0  # with the request in hand

    def take(self, request: Request) -> bool:
        """Have a request wait, if there is room."""
        if self.size + len(request.body) > WAITING_MAX_BYTES:
            return False
        self.requests.append(request)
        self.size += len(request.body)
        return True


class _Turn:
    """A short time of work on the loop."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()

    @property
    def is_over(self) -> bool:
        return time.monotonic() - self._began_s > TURN_S

    async def rest(self) -> None:
        await asyncio.sleep(REST * (time.monotonic() - self._began_s))
        self._began_s = time.monotonic()


def _spans(body: bytes, format_: ModuleType, faults: Counter[str]) -> Iterator[Span | None]:
    """Yield each span of a body that can be kept; None, too, where reading took time."""
    now_ns = time.time_ns()
    count = 0
    for raw, resource, scope in format_.decode(body):
        if raw is None:
            yield None
            continue
        count += 1
        try:
            if count > SPANS_MAX:
                raise Refused(f"is not among the first {SPANS_MAX} of its request")
            yield span_of(raw, resource, scope, now_ns)
        except Refused as refused:
            faults[str(refused)] += 1
            yield None


def _unpacked(request: Request) -> bytes:
    """Return the body, which may have BODY_MAX_BYTES when it is unpacked. Raises Malformed."""
    coding = request.fields.get("content-encoding", "identity").strip().lower()
    if coding in ("identity", ""):
        return request.body
    if coding not in PACKED:
        raise Malformed(f"Content-Encoding must be gzip or deflate, not {coding[:40]!r}")
    unpacker = zlib.decompressobj(PACKED[coding])
    try:
        body = unpacker.decompress(request.body, BODY_MAX_BYTES + 1)
    except zlib.error as error:
        raise Malformed(f"no {coding}: {error}") from error
    if len(body) > BODY_MAX_BYTES:
        raise Malformed(f"it is over {BODY_MAX_BYTES} bytes when it is unpacked")
    if not unpacker.eof or unpacker.unused_data:
        raise Malformed(f"the {coding} does not end where the body does")
    return body


def _format_of(request: Request) -> ModuleType | None:
    content_type = request.fields.get("content-type", "").partition(";")[0].strip().lower()
    return _FORMATS.get(content_type)


def _sentence(faults: Counter[str]) -> str:
    return "; ".join(f"refused: {count} that {fault}" for fault, count in faults.items())


def _refuse(request: Request, status: int, sentence: str) -> None:
    format_ = _format_of(request) or otlp_json
    lines = f"Content-Type: {format_.CONTENT_TYPE}\r\n"
    if status == 503:
        lines += f"Retry-After: {RETRY_AFTER_S}\r\n"
    if status == 405:
        lines += "Allow: POST\r\n"
    request.reply(status, lines, format_.error(_CODES.get(status, INVALID_ARGUMENT), sentence))
