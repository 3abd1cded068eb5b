"""The part of Lambda's runtime client for `logging`: each line names its event."""

import json
import logging
import time
import traceback
from collections.abc import Mapping
from typing import Any, TextIO

from local.template.model import Logging

# The text format of awslambdaric 4.
FORMAT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"  # of a process whose time zone is UTC
# Of a record what the JSON format names in its own way or not at all; the rest is the caller's.
_OWN = {*vars(logging.makeLogRecord({})), "aws_request_id", "asctime", "message"}

request_id = ""  # of the event in hand


class JsonLines(logging.Formatter):
    """The JSON format of awslambdaric 4: what stands for nothing is left out."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        is_object = isinstance(record.msg, dict) and not record.args
        extra = {name: value for name, value in vars(record).items() if name not in _OWN}
        line = extra | {
            "timestamp": time.strftime(f"{TIME_FORMAT}Z", time.gmtime(record.created)),
            "level": logging.getLevelName(min(record.levelno, logging.CRITICAL) // 10 * 10),
            "message": record.msg if is_object else record.getMessage(),
            "logger": record.name,
            **_of_exception(record),
            "requestId": request_id or None,
        }
        members = {name: value for name, value in line.items() if value is not None}
        return json.dumps(members, ensure_ascii=False, default=str)


def set_up(output: TextIO, settings: Logging) -> None:
    """Let the root logger, which starts at WARNING where no level is set, write to `output`."""
    handler = logging.StreamHandler(output)
    text = logging.Formatter(FORMAT, TIME_FORMAT)
    handler.setFormatter(JsonLines() if settings.is_json else text)
    handler.addFilter(_name_request)
    root = logging.getLogger()
    root.addHandler(handler)
    if settings.level:
        root.setLevel("DEBUG" if settings.level == "TRACE" else settings.level)


def of_error(error: Mapping[str, Any], *, is_json: bool) -> str:
    """Return Lambda's words for an error object in the function's log."""
    if is_json:
        stamp = time.strftime(f"{TIME_FORMAT}Z", time.gmtime())
        line = {"timestamp": stamp, "level": "ERROR", **error}
        return json.dumps(line, ensure_ascii=False) + "\n"
    head = f"[ERROR] {error['errorType']}: {error['errorMessage']}\n"
    trace = "".join(error.get("stackTrace", ()))
    return f"{head}Traceback (most recent call last):\n{trace.rstrip()}\n" if trace else head


def _of_exception(record: logging.LogRecord) -> dict[str, object]:
    if not record.exc_info or record.exc_info[0] is None:
        return {}
    kind, error, trace = record.exc_info
    return {
        "stackTrace": traceback.format_tb(trace),
        "errorType": kind.__name__,
        "errorMessage": str(error),
        "location": f"{record.pathname}:{record.funcName}:{record.lineno}",
    }


def _name_request(record: logging.LogRecord) -> bool:
    record.aws_request_id = request_id
    return True
