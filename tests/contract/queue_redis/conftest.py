"""A connection past the queue, and the queue of orders."""

from collections.abc import Iterator

import pytest
import redis

from redis_sqs.redis_queue import RedisQueue
from tests.contract.queue_redis.orders import Server, orders


@pytest.fixture
def server(valkey: str) -> Iterator[Server]:
    with redis.Redis.from_url(valkey, decode_responses=True) as client:
        yield client
        client.config_set("maxmemory", 0)


@pytest.fixture
def queue(valkey: str) -> RedisQueue:
    return orders(valkey)
