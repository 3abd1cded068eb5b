"""The round trips of a payment: two answers of Redis and one of MongoDB are waited for."""

import math
import threading
from urllib.parse import urlsplit

import pytest
from redis import Redis

from tests.conftest import wait_until
from tests.integration.payments.conftest import VISA
from tests.integration.relay import Relay, received


class Toll(Relay):
    """A relay to `port` that lets `left` more answers through, and keeps the others."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.requests = self.answers = 0
        self.left = math.inf
        self._lock = threading.Lock()

    def forward(self, client, server):
        while data := received(client):
            with self._lock:  # a driver looks after its server by itself
                self.requests += b"hello" not in data
            server.sendall(data)

    def back(self, server, client):
        while data := received(server):
            is_look = b"isWritablePrimary" in data
            with self._lock:
                passes = is_look or self.left > 0
                self.answers += not is_look
                self.left -= not is_look
            if passes:
                client.sendall(data)


def _statuses(valkey: str) -> list[str]:
    """Return the statuses of the claims in the replay cache."""
    with Redis.from_url(valkey, decode_responses=True) as client:
        return [str(client.hget(each, "status")) for each in client.keys("idempotency:*")]


@pytest.fixture
def redis(valkey):
    with Toll(urlsplit(valkey).port or 0) as toll:
        yield toll


@pytest.fixture
def mongo(documents_port):
    with Toll(documents_port) as toll:
        yield toll


def test_a_payment_is_accepted_with_two_answers_of_redis_and_one_of_mongodb(
    payments, asking, valkey, redis, mongo, capfd
):
    ask = asking(
        payments(
            "app",
            REDIS_URL=f"redis://127.0.0.1:{redis.port}/0",
            MONGO_URL=f"mongodb://127.0.0.1:{mongo.port}/?directConnection=true",
        )
    )
    for number in range(2):
        assert ask("POST", key=f"warm-{number}", body=VISA).status == 201
    wait_until(lambda: _statuses(valkey) == ["COMPLETED"] * 2 and redis.answers == redis.requests)
    before = redis.requests, mongo.requests
    redis.left, mongo.left = 2, 1

    accepted = ask("POST", key="k", body=VISA)

    assert accepted.status == 201
    assert "WARNING" not in capfd.readouterr().err
    # The kept answer and the line of the request log are posted: nobody waits for them.
    wait_until(lambda: redis.requests - before[0] == 4)
    assert mongo.requests - before[1] == 1
