"""Tasks of Celery, one of which fails at first; each writes a line of what it did."""

import os
from pathlib import Path

from celery import Celery, Task

ENDPOINT, QUEUE = os.environ["ENDPOINT"], os.environ["QUEUE"]
LINES = Path(os.environ["LINES_FILE"])

app = Celery("tasks", broker=f"sqs://any:thing@{ENDPOINT.removeprefix('http://')}")
app.conf.update(
    task_default_queue=QUEUE,
    worker_enable_remote_control=False,
    broker_transport_options={
        "region": "eu-west-1",
        "is_secure": False,
        "polling_interval": 0.2,
        "wait_time_seconds": 1,
        "predefined_queues": {
            QUEUE: {
                "url": f"{ENDPOINT}/000000000000/{QUEUE}",
                "access_key_id": "any",
                "secret_access_key": "thing",
            }
        },
    },
)


@app.task(bind=True, max_retries=2)
def write(task: Task, text: str) -> None:
    attempt = task.request.retries
    with LINES.open("a") as lines:
        lines.write(f"{text} {attempt}\n")
    if text == "again" and not attempt:
        raise task.retry(countdown=0)
