"""The queue of orders, and what Redis holds of it, read and written past the queue."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis_sqs.kinds import keys as names
from redis_sqs.kinds import kind_of
from redis_sqs.redis_queue import RedisQueue
from redis_sqs.redis_scripts import observe

Server = Any  # redis-py types its answers as bytes or text, whatever decode_responses says


class Keys:
    """The names of what Redis holds of one queue."""

    def __init__(self, queue: str) -> None:
        self.visible_at, self.entries, self.progress, self.delayed, self.wake = names(
            queue, kind_of(queue).keys[:5]
        )


KEYS = Keys("orders")
DEAD = Keys("orders-dlq")

# id -> (receive count, seconds from now until it is visible); negative: visible since then
State = dict[str, tuple[int, int]]


def orders(url: str, *, depth_max: int = 1000) -> RedisQueue:
    return RedisQueue(
        "orders",
        max_receive_count=2,
        dead_letter="orders-dlq",
        depth_max=depth_max,
        redis_url=url,
    )


def put(server: Server, keys: Keys, state: State) -> None:
    now_ms = milliseconds(server)
    for id_, (count, visible_in_s) in state.items():
        server.zadd(keys.visible_at, {id_: now_ms + visible_in_s * 1000})
        server.hset(keys.entries, id_, f"\nbody of {id_}")
        server.hset(keys.progress, id_, f"{count}|{now_ms - 9000}|0|")


def state_of(server: Server, keys: Keys) -> State:
    """Read the queue, checking that its three structures hold the same messages."""
    now_ms = milliseconds(server)
    visible_at = dict(server.zrange(keys.visible_at, 0, -1, withscores=True))
    progress = server.hgetall(keys.progress)
    assert set(visible_at) == set(progress) == set(server.hkeys(keys.entries))
    return {
        id_: (int(progress[id_].split("|")[0]), math.ceil((at - now_ms) / 1000))
        for id_, at in visible_at.items()
    }


# Moves every time that Redis holds of a queue into the past, at once.
PASS_TIME = """
local base, ms = ARGV[1], tonumber(ARGV[2])
for _, name in ipairs({ 'visible_at', 'delayed', 'retrying', 'groups' }) do
  for _, member in ipairs(redis.call('ZRANGE', base .. name, 0, -1)) do
    redis.call('ZINCRBY', base .. name, -ms, member)
  end
end
local states = redis.call('HGETALL', base .. 'progress')
for i = 1, #states, 2 do
  local count, sent, rest = string.match(states[i + 1], '^(%d+)|(%d+)|(.*)$')
  local earlier = string.format('%s|%.0f|%s', count, sent - ms, rest)
  redis.call('HSET', base .. 'progress', states[i], earlier)
end
for _, key in ipairs(redis.call('KEYS', base .. 'sent:*')) do
  redis.call('PEXPIRE', key, math.max(0, redis.call('PTTL', key) - ms))
end
"""


def pass_time(server: Server, queue: str, seconds: int) -> None:
    """Let time pass for a queue; the clock is left alone."""
    server.eval(PASS_TIME, 0, f"queue:{queue}:", seconds * 1000)


def milliseconds(server: Server) -> int:
    seconds, micros = server.time()
    return int(seconds * 1000 + micros // 1000)


@contextmanager
def scripts_of_this_process() -> Iterator[list[str]]:
    """Yield the names of the scripts that run here meanwhile, whoever else asks the server."""
    names: list[str] = []
    observe(lambda name, *_: names.append(name))
    try:
        yield names
    finally:
        observe(None)
