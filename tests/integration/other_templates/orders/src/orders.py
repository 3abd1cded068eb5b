import json
import os
from pathlib import Path


def keep(event, context):
    failed = []
    for record in event["Records"]:
        order = json.loads(record["body"])
        if order.get("broken"):
            failed.append({"itemIdentifier": record["messageId"]})
            continue
        with Path(os.environ["FOLDER"], order["id"]).open("a") as file:
            file.write(f"{order['step']}\n")
    return {"batchItemFailures": failed}


def show(event, context):
    path = Path(os.environ["FOLDER"], event["pathParameters"]["id"])
    if not path.is_file():
        return {"statusCode": 404, "body": json.dumps({"message": "No such order"})}
    return {
        "statusCode": 200,
        "body": json.dumps({"steps": path.read_text().split(), "stage": os.environ["STAGE"]}),
    }
