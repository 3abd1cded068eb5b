"""The lowest rung: a handler that does nothing."""

from typing import Any

ANSWER = {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": "{}"}


def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    return ANSWER
