"""Subscription filters: the lines of functions' logs to the function or stream that wants them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
"""

import base64
import gzip
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.services.delivery import Delivery, Undelivered
from local.services.making import client
from local.template.intrinsics import ACCOUNT_ID
from local.template.log_patterns import compile_pattern
from local.template.model import LogSubscription

log = logging.getLogger(__name__)

LOOKS_S = 1.0  # the gateway writes lines once a second
READ_MAX_BYTES = 1024 * 1024  # of one look; what is longer comes with the next

Taker = Callable[[bytes], None]


class Tail:
    """The lines of one log file that have come since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = path.stat().st_size if path.is_file() else 0

    def lines(self) -> list[str]:
        """Return the whole lines that are new, parts of very long ones; of a new file all."""
        try:
            size = self._path.stat().st_size
            if size < self._at:
                self._at = 0
            with self._path.open("rb") as file:
                file.seek(self._at)
                data = file.read(READ_MAX_BYTES)
        except FileNotFoundError:
            return []
        end = data.rfind(b"\n") + 1
        if not end and len(data) == READ_MAX_BYTES:
            end = len(data)  # a part of a line that no look has whole
        self._at += end
        return data[:end].decode(errors="replace").splitlines()


def follow(subscription: LogSubscription, path: Path, take: Taker, stop: threading.Event) -> None:
    """Give what comes to a function's log to `take` until `stop`."""
    tail, matches = Tail(path), compile_pattern(subscription.pattern)
    while not stop.wait(LOOKS_S):
        lines = [line for line in tail.lines() if matches(line)]
        if not lines:
            continue
        try:
            take(_packed(subscription, lines))
        except (Undelivered, BotoCoreError, ClientError) as error:
            log.warning("%s takes no lines: %s", subscription.destination, error)


def taker_of(subscription: LogSubscription, delivery: Delivery, endpoint: str) -> Taker:
    """Return what takes the lines: a function, or a stream of Kinesis or Firehose."""
    arn = subscription.destination
    name = arn.rpartition("/")[2]
    if arn.startswith("arn:aws:lambda:"):
        function = arn.split(":")[6]
        return lambda data: delivery.tell(
            function, {"awslogs": {"data": base64.b64encode(data).decode()}}
        )
    if arn.startswith("arn:aws:firehose:"):
        firehose = client("firehose", endpoint)
        return lambda data: firehose.put_record(DeliveryStreamName=name, Record={"Data": data})
    kinesis = client("kinesis", endpoint)
    return lambda data: kinesis.put_record(StreamName=name, Data=data, PartitionKey="logs")


def _packed(subscription: LogSubscription, lines: list[str]) -> bytes:
    now_ms = int(time.time() * 1000)
    events: list[dict[str, Any]] = [
        {"id": uuid.uuid4().hex, "timestamp": now_ms, "message": line} for line in lines
    ]
    message = {
        "messageType": "DATA_MESSAGE",
        "owner": ACCOUNT_ID,
        "logGroup": subscription.group,
        "logStream": f"{time.strftime('%Y/%m/%d')}/[$LATEST]local",
        "subscriptionFilters": [subscription.name],
        "logEvents": events,
    }
    return gzip.compress(json.dumps(message).encode())
