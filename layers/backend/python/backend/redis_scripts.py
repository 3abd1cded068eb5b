"""A Redis client whose waits are bounded, and Lua scripts that cost one round trip."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

CONNECT_TIMEOUT_S = 0.5  # one loopback or one zone away; later is a failure, not a delay
ANSWER_TIMEOUT_S = 1.0  # the slowest script takes milliseconds, a slow fsync holds it up longer
CONNECTIONS_MAX = 4  # an execution environment does one thing at a time


def client(url: str, *, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> redis.Redis:
    """Return a client that connects at its first command, so it may be made before a fork.

    A connection that the server closed is opened once more and the command repeated: every script
    here may run twice. A command that got no answer in time is not repeated.
    """
    return redis.Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=answer_timeout_s,
        max_connections=CONNECTIONS_MAX,
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )


class Script:
    """A Lua script, sent by its digest; its text travels only where the server has not seen it."""

    def __init__(self, path: Path) -> None:
        self._text = path.read_text(encoding="utf-8")
        self._digest = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def run(
        self, server: redis.Redis, keys: Sequence[str], arguments: Sequence[str | int] = ()
    ) -> Any:
        """Run the script in one round trip and return its answer."""
        try:
            return server.evalsha(self._digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return server.eval(self._text, len(keys), *keys, *arguments)
