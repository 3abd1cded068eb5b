"""A handler that calls a service for its caller, and one that shows its surroundings."""

import os
import sys

import boto3


def do(event, _context):
    if "say" in event:
        sys.stdout.write(f"{event['say']}\n")
        return None
    if "show" in event:
        return {name: os.environ.get(name) for name in event["show"]}
    client = boto3.client(event["service"])
    answer = getattr(client, event["action"])(**event["arguments"])
    if isinstance(answer, str):
        return answer
    answer.pop("ResponseMetadata", None)
    return {name: value for name, value in answer.items() if isinstance(value, str | list)}
