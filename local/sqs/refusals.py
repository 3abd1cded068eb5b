"""The refusals of SQS in its words: the errors that an SDK raises."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from local.aws_models import parameters
from redis_sqs import QueueFull, QueueUnavailable
from redis_sqs.limits import IllegalBody

PREFIX = "AWS.SimpleQueueService."


class Refused(Exception):
    """An error as SQS answers it; `code` is what SDKs show."""

    def __init__(self, code: str, message: str, *, kind: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.kind = kind or code.removeprefix(PREFIX)  # what the JSON protocol calls it
        self.status = status

    def body(self) -> bytes:
        return orjson.dumps({"__type": f"com.amazonaws.sqs#{self.kind}", "message": str(self)})

    def header(self) -> str:
        return f"x-amzn-query-error: {self.code};{self.fault()}\r\n"

    def entry(self, id_: str) -> dict[str, Any]:
        """Return the error as that of one entry of a batch."""
        body = {"Code": self.code, "Message": str(self)}
        return {"Id": id_, "SenderFault": self.fault() == "Sender", **body}

    def fault(self) -> str:
        """Return who is to blame, as SQS calls it."""
        return "Sender" if self.status < 500 else "Receiver"


def parsed(body: bytes, action: str, shape: parameters.Shape) -> dict[str, Any]:
    """Return the parameters of a call of `action`, or raise Refused."""
    try:
        request: dict[str, Any] = parameters.check(orjson.loads(body or b"{}"), shape)
    except (orjson.JSONDecodeError, parameters.WrongType) as error:
        raise Refused("SerializationException", str(error)) from error
    except parameters.MissingParameter as error:
        raise Refused("MissingParameter", str(error)) from error
    except parameters.UnknownParameter as error:
        raise Refused("InvalidParameterValue", f"{action}: {error}") from error
    return request


@contextmanager
def worded() -> Iterator[None]:
    """Raise what goes wrong with a queue or with what was asked as Refused."""
    try:
        yield
    except QueueFull as error:
        raise Refused("OverLimit", str(error), status=403) from error
    except QueueUnavailable as error:
        raise Refused("ServiceUnavailable", str(error), status=503) from error
    except IllegalBody as error:
        raise Refused("InvalidMessageContents", str(error)) from error
    except ValueError as error:
        raise Refused("InvalidParameterValue", str(error)) from error


def no_such_queue() -> Refused:
    sentence = "The specified queue does not exist."
    return Refused(f"{PREFIX}NonExistentQueue", sentence, kind="QueueDoesNotExist")


def queue_exists(attribute: str) -> Refused:
    sentence = "A queue already exists with the same name and a different value for attribute"
    return Refused("QueueAlreadyExists", f"{sentence} {attribute}", kind="QueueNameExists")


def invalid_handle(handle: str, reason: str) -> Refused:
    sentence = f"Value {handle} for parameter ReceiptHandle is invalid. Reason: {reason}"
    return Refused("InvalidParameterValue", sentence)
