"""The requests of tenants, on their way into the log that GET /v1/requests shows.

Each process posts what it answered to Redis and waits for nothing; a recorder takes it from there.
A tenant's requests beyond a burst and a rate are left out, and counted in the next that is logged.
"""

import functools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import redis
from chalice.app import Request, Response
from msgspec import Struct

from backend.clock import now_ms
from backend.problem_answers import request_id_of
from backend.settings import settings
from backend.telemetry import logger
from redis_sqs.redis_scripts import Script, ScriptServer, server_at

SCRIPT = Script(Path(__file__).with_name("request_log.lua"))
END_SCRIPT = Script(Path(__file__).with_name("request_log_end.lua"))
WAITING, TAKEN, REFUSED = (f"requests:{{log}}:{name}" for name in ("waiting", "taken", "refused"))
# Of one tenant in one process, of those that succeeded and of those that did not; posting each of
# a thousand a second would be more than a hundredth of their cost.
PER_S, BURST = 5, 100
WAITING_MAX = 100_000  # some 20 MB; two minutes of 800 logged requests a second
ANSWER_TIMEOUT_S = 0.25  # rarely waited for at all, and once in two seconds at most
PATH_MAX = 256  # characters
SLICE = 5_000  # requests of one read
COUNTS_MAX = 10_000  # of one process, some 1 MB


class Logged(Struct, frozen=True, array_like=True):
    """One request as it is logged: no body, no query, no header."""

    at_ms: int
    tenant: str
    client_id: str
    method: str
    route: str
    path: str
    status: int
    duration_ms: int  # in the function
    request_id: str
    code: str  # of the problem, where it is one
    unlogged: int  # left out since the one before


class _Count:
    """The requests of one tenant that may be logged now, and those left out since the last one."""

    __slots__ = ("left", "unlogged", "updated_s")

    def __init__(self, now_s: float) -> None:
        self.left, self.updated_s = float(BURST), now_s
        self.unlogged = 0


_counts: dict[tuple[str, bool], _Count] = {}


def note(request: Request, response: Response, *, started_s: float) -> None:
    """Log a request that was answered; `started_s` is by time.monotonic()."""
    context = request.context
    tenant = context["authorizer"].get("tenant")
    ended_s = time.monotonic()
    if not tenant or (count := _count(tenant, response.status_code < 400, ended_s)) is None:
        return
    path = request.to_original_event().get("path", "")
    logged = Logged(
        now_ms(),
        tenant,
        context["authorizer"].get("principalId", ""),
        request.method,
        context["resourcePath"],
        path[:PATH_MAX],
        response.status_code,
        int((ended_s - started_s) * 1000),
        request_id_of(request),
        _code(response) if response.status_code >= 400 else "",
        count.unlogged,
    )
    try:
        _server().post(
            SCRIPT, [WAITING, REFUSED], [msgspec.json.encode(logged).decode(), WAITING_MAX]
        )
    except redis.RedisError:
        count.unlogged += 1
        return
    count.unlogged = 0


def take(*, waiting_max: int) -> Iterator[list[Logged]]:
    """Yield what waits in slices, unless more than `waiting_max` does.

    Several may take at once, and one may die before the end: each then gets the same slices.
    """
    server = _patient_server()
    if not server.call("EXISTS", TAKEN):
        if not 0 < server.call("LLEN", WAITING) <= waiting_max:
            return
        try:
            server.call("RENAMENX", WAITING, TAKEN)
        except redis.ResponseError:  # there is no such key: another took it just now
            return
    first = ""
    for start in range(0, WAITING_MAX, SLICE):
        texts = server.call("LRANGE", TAKEN, start, start + SLICE - 1)
        first = first or next(iter(texts), "")
        yield [each for text in texts if (each := _read(text))]
        if len(texts) < SLICE:
            break
    server.run(END_SCRIPT, [TAKEN], [first])


def refused() -> int:
    """Return how many had no room since the last call."""
    return int(_patient_server().call("GETDEL", REFUSED) or 0)


@functools.cache
def _server() -> ScriptServer:
    return ScriptServer(settings.redis_url, answer_timeout_s=ANSWER_TIMEOUT_S, is_optional=True)


@functools.cache
def _patient_server() -> ScriptServer:
    """Return the server as the recorder sees it, which nobody waits for."""
    return server_at(settings.redis_url)


def _read(text: str) -> Logged | None:
    try:
        return msgspec.json.decode(text, type=Logged)
    except msgspec.DecodeError:  # of a version that wrote something else
        logger.warning("a request that waits to be logged cannot be read", exc_info=True)
        return None


def _count(tenant: str, succeeded: bool, now_s: float) -> _Count | None:
    """Return the count of requests like this one, or None where it is over the limit."""
    count = _counts.get((tenant, succeeded))
    if count is None:
        if len(_counts) >= COUNTS_MAX:
            logger.warning("numbers of requests not logged are forgotten")
            _counts.clear()
        count = _counts[tenant, succeeded] = _Count(now_s)
    count.left = min(count.left + (now_s - count.updated_s) * PER_S, BURST)
    count.updated_s = now_s
    if count.left < 1:
        count.unlogged += 1
        return None
    count.left -= 1
    return count


def _code(response: Response) -> str:
    try:
        problem: Any = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, TypeError):
        return ""
    return str(problem.get("code", "")) if isinstance(problem, dict) else ""
