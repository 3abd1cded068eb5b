"""A template with a queue and a function, and worker processes on them."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis_sqs.redis_queue import RedisQueue
from tests.conftest import free_port

PROJECT = Path(__file__).parents[3]


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


FIFO_TEMPLATE = (
    TEMPLATE.replace("QueueName: orders\n", "QueueName: orders.fifo\n      FifoQueue: true\n")
    .replace("{QueueName: orders-dlq}", "{QueueName: orders-dlq.fifo, FifoQueue: true}")
    .replace("RedrivePolicy:", "ContentBasedDeduplication: true\n      RedrivePolicy:")
)


# The first body of a batch says what the handler does with it.
HANDLER = """
import json, os, time

METRIC = {"Name": "Orders", "Unit": "Count"}
COUNTED = {"CloudWatchMetrics": [{"Namespace": "Shop", "Dimensions": [[]], "Metrics": [METRIC]}]}

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
            case "tell":
                ids = [each["messageId"] for each in records]
                failed = [{"itemIdentifier": each} for each in ids]
                reasons = {each: "NotFound: no such order" for each in ids}
                return {"batchItemFailures": failed, "failureReasons": reasons}
            case "mumble":
                failed = [{"itemIdentifier": each["messageId"]} for each in records]
                return {"batchItemFailures": failed, "failureReasons": {"another": "x"}}
            case "nan":
                return {"batchItemFailures": [], "seen": float("nan")}
    time.sleep(order.get("take_s", 0))
    print("handled", len(records))
    print(json.dumps({"_aws": COUNTED, "Orders": len(records)}))
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

    def printed(self) -> str:
        """Return the function's own log."""
        log = self.folder / "logs" / "functions" / "OrdersWorker.log"
        return log.read_text() if log.exists() else ""

    def events(self) -> list[list[dict[str, Any]]]:
        """Return the records of each event that the handler got, in order."""
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
        return depth.total == 0

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(timeout=10)


def metric(port: int, name: str) -> float | None:
    """Return a value of the worker's page; None while it has no such line or no page yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
            line = re.search(rf"^{re.escape(name)} (\S+)$", page.read().decode(), re.MULTILINE)
    except urllib.error.URLError:
        return None
    return float(line[1]) if line else None


def count_of(record: dict[str, Any]) -> int:
    return int(record["attributes"]["ApproximateReceiveCount"])
