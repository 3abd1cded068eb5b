"""A handler that needs a place in a store which all functions share, as most do."""

import fcntl
import random
import time
from pathlib import Path

PLACES = 3
WORK_S = 0.015


def handler(event, context):
    """Wait for a place and have it for some milliseconds, whatever the processors do."""
    with Path(__file__).with_name(f"place-{random.randrange(PLACES)}").open("w") as place:
        fcntl.flock(place, fcntl.LOCK_EX)
        time.sleep(WORK_S)
    return {"statusCode": 200, "body": "done"}
