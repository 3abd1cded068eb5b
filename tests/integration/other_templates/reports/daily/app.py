import importlib.util

from names import TITLE
from rules import RULES


def handler(event, context):
    found = importlib.util.find_spec("greeting") is not None
    ours = [
        each for each in ("backend", "queue_workers", "loadtest") if importlib.util.find_spec(each)
    ]
    return {"statusCode": 200, "body": f"{TITLE} {RULES} packages={found} strangers={ours}"}
