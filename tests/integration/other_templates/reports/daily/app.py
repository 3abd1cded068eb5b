import importlib.util
import json
import os

from names import TITLE
from rules import RULES


def handler(event, context):
    has_packages = importlib.util.find_spec("greeting") is not None
    ours = [
        each for each in ("backend", "queue_workers", "loadtest") if importlib.util.find_spec(each)
    ]
    redis = os.environ["REDIS_URL"]
    body = {"title": TITLE, "rules": RULES, "packages": has_packages, "ours": ours, "redis": redis}
    return {"statusCode": 200, "body": json.dumps(body)}
