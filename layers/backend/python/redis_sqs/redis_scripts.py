"""A Redis client whose waits are bounded, and Lua scripts that cost one round trip or none."""

import functools
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from redis_sqs.breaker import Breaker

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 0.5  # one loopback or one zone away; later is a failure, not a delay
ANSWER_TIMEOUT_S = 1.0  # the slowest script takes milliseconds, a slow fsync holds it up longer
OPEN_S = 2.0  # how long a server that gave no answer in time is left alone, half of it at least
DRIVER = redis.DriverInfo()  # redis-py would look its version up for every connection: 0.7 ms
CONNECTIONS_MAX = 4  # an execution environment does one thing at a time


def client(
    url: str,
    *,
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
    connections_max: int | None = CONNECTIONS_MAX,
) -> redis.Redis:
    """Return a client that connects at its first command, so it may be made before a fork.

    A connection that the server closed is opened once more and the command repeated. A command that
    got no answer in time is not repeated.
    """
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=min(CONNECT_TIMEOUT_S, answer_timeout_s),
        socket_timeout=answer_timeout_s,
        max_connections=connections_max,
        driver_info=DRIVER,
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )


class LeftAlone(redis.TimeoutError):
    """The server gave no answer just now, and is not asked again until a probe is due."""


def _breaker(name: str) -> Breaker:
    """Return the breaker of one server: one time-out opens it.

    One is enough, because a server that is there answers within a millisecond, and each further
    wait is a client's.
    """
    return Breaker(name, LeftAlone, calls_min=1, open_first_s=OPEN_S, open_longest_s=OPEN_S)


_BREAKERS: dict[str, Breaker] = {}  # by URL

# Told of each script: its name, the server, when it began (epoch, ns), the class of an error or "".
Observer = Callable[[str, tuple[str, int], int, str], None]
_observer: Observer | None = None


def observe(observer: Observer | None) -> None:
    """Have `observer` told of each script that this process runs from now on, or nobody."""
    global _observer  # noqa: PLW0603  # asked for by every script, so it has to be cheap
    _observer = observer


class Script:
    """A Lua script, sent by its digest; its text travels only where the server has not seen it.

    `shared` is what other scripts have too; it stands behind the first line, which has the flags.
    """

    def __init__(self, path: Path, shared: str = "") -> None:
        self.name = path.stem
        flags, _, rest = path.read_text(encoding="utf-8").partition("\n")
        self.text = f"{flags}\n{shared}{rest}"
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class ScriptServer:
    """A server as scripts see it: one kept connection a thread, made at the first use.

    A command then costs 25 us of CPU where `redis.Redis.execute_command`, which takes a connection
    from its pool and tells its observers, costs 55. Every script may run twice, so a connection
    that turns out to be closed is opened once more and the script repeated. A server that does not
    answer in time is left alone by the whole process for a while: every call then fails at once.
    What is optional and waits less has a breaker of its own: it says nothing of the server.
    """

    def __init__(
        self, url: str, *, answer_timeout_s: float = ANSWER_TIMEOUT_S, is_optional: bool = False
    ) -> None:
        self._client = client(url, answer_timeout_s=answer_timeout_s)
        if is_optional:
            self._breaker = _breaker("optional part of Redis")
        else:
            self._breaker = _BREAKERS.setdefault(url, _breaker("Redis server"))
        options = self._client.connection_pool.connection_kwargs
        self._address = (str(options.get("host") or options.get("path")), options.get("port") or 0)
        self._mine = threading.local()

    def run(self, script: Script, keys: Sequence[str], arguments: Sequence[str | int] = ()) -> Any:
        """Run the script in one round trip and return its answer."""
        if _observer is None:
            return self._run(script, keys, arguments)
        started_ns, error = time.time_ns(), ""
        try:
            return self._run(script, keys, arguments)
        except redis.RedisError as failure:
            error = type(failure).__name__
            raise
        finally:
            _observer(script.name, self._address, started_ns, error)

    def _run(self, script: Script, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        try:
            return self.call("EVALSHA", script.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return self.call("EVAL", script.text, len(keys), *keys, *arguments)

    def call(self, *command: str | int) -> Any:
        """Have the server do one command, which may run twice, and return its answer."""
        for last in (False, True):
            try:
                connection = self._connection()
                connection.send_command(*command)
                answer = connection.read_response()
            except LeftAlone:
                raise
            except redis.TimeoutError:
                self._leave_alone()
                raise
            except redis.ConnectionError:
                if last:
                    raise
            else:
                if self._breaker.is_open:
                    self._breaker.learn(succeeded=1, failed=0, now_s=time.monotonic())
                return answer
        raise AssertionError("the second round returns or raises")

    def post(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str | int] = ()
    ) -> None:
        """Have the script run without waiting for it: for what may be lost and is only a cost then.

        The answer is read before the connection's next command. What fails is logged. At first the
        text goes along: nobody would be there to send it to a server without it.
        """
        connection = self._connection()
        if script.digest in self._mine.posted:
            connection.send_command("EVALSHA", script.digest, len(keys), *keys, *arguments)
        else:
            connection.send_command("EVAL", script.text, len(keys), *keys, *arguments)
            self._mine.posted.add(script.digest)
        self._mine.owed = script

    def _connection(self) -> Any:
        """Return this thread's connection with nothing left to read on it; raises LeftAlone."""
        self._breaker.admit(1, now_s=time.monotonic())
        mine = self._mine
        if not hasattr(mine, "connection"):
            # Not the pool's own: it would count the connections of threads that have ended.
            pool = self._client.connection_pool
            mine.connection = pool.connection_class(**pool.connection_kwargs)
            mine.closer = _Closer(mine.connection)
            mine.owed, mine.posted = None, set()
        owed, mine.owed = mine.owed, None
        if owed is not None:
            self._take_posted(owed)
            self._breaker.admit(1, now_s=time.monotonic())
        return mine.connection

    def _leave_alone(self) -> None:
        self._breaker.learn(succeeded=0, failed=1, now_s=time.monotonic())

    def _take_posted(self, script: Script) -> None:
        try:
            if not self._mine.connection.read_response():
                logger.warning("a posted script changed nothing", extra={"script": script.name})
        except redis.RedisError as error:
            if isinstance(error, redis.TimeoutError):
                self._leave_alone()
            if isinstance(error, NoScriptError):  # the server has started anew
                self._mine.posted.discard(script.digest)
            logger.warning("a posted script failed", extra={"script": script.name}, exc_info=True)


@functools.cache
def server_at(url: str) -> ScriptServer:
    """Return the one server of this process at `url`.

    Whoever shares it has a connection a thread. With servers of their own it would be one for each
    queue and thread, so that a process of many threads would open more and more of them.
    """
    return ScriptServer(url)


class _Closer:
    """The end of a connection with its thread: it is in a cycle and would wait for the gc."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __del__(self) -> None:
        self._connection.disconnect()
