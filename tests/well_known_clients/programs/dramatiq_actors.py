"""Actors of Dramatiq on SQS, one of which fails at first; each writes a line of what it did."""

import os
from pathlib import Path

import dramatiq
from dramatiq_sqs import SQSBroker

LINES = Path(os.environ["LINES_FILE"])

broker = SQSBroker(
    namespace="actors",
    tags={},
    endpoint_url=os.environ["ENDPOINT"],
    middleware=[dramatiq.middleware.Retries(min_backoff=1, max_backoff=1)],
)
dramatiq.set_broker(broker)


@dramatiq.actor(max_retries=2)
def write(text: str) -> None:
    before = LINES.read_text() if LINES.exists() else ""
    with LINES.open("a") as lines:
        lines.write(f"{text}\n")
    if text == "again" and text not in before:
        raise RuntimeError("the first attempt fails")
