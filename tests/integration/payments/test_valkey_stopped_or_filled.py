"""A Valkey that a test stops or one tenant fills: payments of others are accepted as ever."""

import json
import os
import signal
import time

import pytest
import redis

from redis_sqs.redis_queue import RedisQueue
from tests.conftest import own_valkey, wait_until
from tests.integration.function_process import receive_all
from tests.integration.payments.conftest import SCOPES, VISA

PAYMENT = "/v1/payments/{payment_id}"
ACCEPTED_WITHIN_S = 1.5
TEXT = "\U0001f600" * 500  # as large as a value of metadata may be: 2 KB
METADATA = {f"k{number}": TEXT for number in range(50)}
LARGE = json.dumps(VISA | {"metadata": METADATA}, ensure_ascii=False)
SMALL_SERVER = ("--maxmemory", "5mb")


@pytest.fixture
def server(tmp_path):
    """A Valkey of this test alone; gives its URL and its process id."""
    with own_valkey(tmp_path) as url_and_pid:
        yield url_and_pid


@pytest.fixture
def small_server(tmp_path):
    """A Valkey that 50 large answers would fill; gives its URL."""
    with own_valkey(tmp_path, *SMALL_SERVER) as (url, _):
        yield url


def test_payments_are_accepted_in_time_while_valkey_is_stopped_and_settled_after_it(
    payments, asking, server
):
    url, pid = server
    handlers = {name: payments(name, REDIS_URL=url) for name in ("app", "relay", "worker")}
    ask = asking(handlers["app"])
    assert ask("POST", key="warm", body=VISA).status == 201
    os.kill(pid, signal.SIGSTOP)

    times_s, ids = [], []
    for number in range(10):
        began_s = time.monotonic()
        answer = ask("POST", key=f"k{number}", body=VISA)
        times_s.append(time.monotonic() - began_s)
        ids.append(answer.body["id"])
        assert answer.status == 201

    assert max(times_s) < ACCEPTED_WITHIN_S
    assert sum(times_s) < 2 * ACCEPTED_WITHIN_S
    os.kill(pid, signal.SIGCONT)
    queue = RedisQueue("payments", redis_url=url)

    def are_settled():
        handlers["relay"].invoke({})
        handlers["worker"].consume(receive_all(queue))
        return {ask("GET", PAYMENT, payment_id=each).body["status"] for each in ids}

    wait_until(lambda: are_settled() == {"succeeded"}, timeout_s=20)


def test_large_answers_of_one_tenant_leave_room_for_the_messages_of_another(payments, small_server):
    app = payments("app", REDIS_URL=small_server)

    def post(tenant, key, body):
        return app.request(
            "POST",
            "/v1/payments",
            body=body,
            headers={"Idempotency-Key": key},
            tenant=tenant,
            scope=SCOPES,
        )

    sizes = [len(post("loud", f"k{number}", LARGE).text.encode()) for number in range(60)]
    with redis.Redis.from_url(small_server) as client:
        memory = client.info("memory")
    answer = post("quiet", "k", VISA)

    assert sum(sizes) > memory["maxmemory"]
    assert memory["used_memory"] < memory["maxmemory"] / 2
    assert answer.status == 201
    bodies = [each.body for each in receive_all(RedisQueue("payments", redis_url=small_server))]
    assert any(answer.body["id"] in each for each in bodies)
    again = post("loud", "k0", LARGE)
    assert (again.status, len(again.text.encode())) == (201, sizes[0])
    assert again.headers["idempotent-replayed"] == "true"
