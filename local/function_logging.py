"""What Lambda's runtime client does for `logging`: each line names the event it belongs to."""

import logging
from typing import TextIO

# The text format of awslambdaric 4.
FORMAT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"  # of a process whose time zone is UTC

request_id = ""  # of the event in hand


def set_up(output: TextIO) -> None:
    """Let the root logger, which starts at WARNING, write to the function's output."""
    handler = logging.StreamHandler(output)
    handler.setFormatter(logging.Formatter(FORMAT, TIME_FORMAT))
    handler.addFilter(_name_request)
    logging.getLogger().addHandler(handler)


def _name_request(record: logging.LogRecord) -> bool:
    record.aws_request_id = request_id
    return True
