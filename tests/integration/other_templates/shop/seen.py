"""Handlers that note what they were told in a table."""

import base64
import gzip
import json
import os
import urllib.request
import uuid

import boto3

notes = boto3.resource("dynamodb").Table(os.environ["SEEN"])


def _note(about, event):
    notes.put_item(Item={"id": str(uuid.uuid4()), "about": about, "event": json.dumps(event)})


def note(event, _context):
    if isinstance(event, list):  # of a pipe
        return event
    if "awslogs" in event:
        lines = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
        _note("log", [each["message"] for each in lines["logEvents"]])
        return None
    record = (event.get("Records") or [{}])[0]
    source = record.get("eventSource") or record.get("EventSource")
    source = source or event.get("triggerSource")
    _note(source or ("event of lambda" if event.get("source") == "lambda" else "event"), event)
    return event


def note_batch(event, _context):
    records = event["Records"]
    texts = [
        base64.b64decode(each["kinesis"]["data"]).decode() for each in records if "kinesis" in each
    ]
    texts += [each["dynamodb"]["Keys"]["id"]["S"] for each in records if "dynamodb" in each]
    if "bad" in texts and "dynamodb" in records[0]:
        raise ValueError("bad")
    _note(records[0]["eventSource"] + " batch", texts)
    failed = [each["kinesis"]["sequenceNumber"] for each in records if "kinesis" in each]
    items = notes.scan()["Items"]
    if "late" in texts and not any(note["about"] == "late once" for note in items):
        _note("late once", [])
        return {"batchItemFailures": [{"itemIdentifier": failed[texts.index("late")]}]}
    return {"batchItemFailures": []}


def later(event, _context):
    if event["n"] == 1:
        raise ValueError("one is too few")
    return event


def install(event, _context):
    properties = event["ResourceProperties"]
    about = f"{event['RequestType']} {event['ResourceType']} {properties['Count']!r}"
    notes.put_item(Item={"id": str(uuid.uuid4()), "about": about, "pool": properties["Pool"]})
    answer = {"Status": "SUCCESS", "PhysicalResourceId": "it", "Data": {"Place": "here"}}
    request = urllib.request.Request(
        event["ResponseURL"], json.dumps(answer).encode(), {"Content-Type": ""}, method="PUT"
    )
    urllib.request.urlopen(request, timeout=10).close()
