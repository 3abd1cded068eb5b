"""The topics and event buses that are told of asynchronous events, by calls of their services."""

import json
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from urllib.parse import urlencode
from urllib.request import Request

from local.runtime.aws_calls import endpoint_of
from local.runtime.environment import function_arn
from local.template import Function
from local.template.intrinsics import REGION

ANSWERS_S = 10.0
_RESULT = "Lambda Function Invocation Result"
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # services are on loopback


def publication(topic: str, message: str, attributes: Mapping[str, str | int]) -> Request:
    """Return the call that publishes to a topic. Raises OSError where no service is."""
    form = {"Action": "Publish", "TopicArn": topic, "Message": message, **_numbered(attributes)}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return _signed("sns", "SNS", urlencode(form, errors="replace"), headers)


def event(bus: str, function: Function, record: str, *, has_failed: bool) -> Request:
    """Return the call that puts a record on a bus. Raises OSError where no service is."""
    arn = f"{function_arn(function.name)}:$LATEST"
    entry = {
        "Source": "lambda",
        "DetailType": f"{_RESULT} - {'Failure' if has_failed else 'Success'}",
        "Resources": [bus, arn],
        "Detail": record,
        "EventBusName": bus,
    }
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSEvents.PutEvents"}
    return _signed("events", "EventBridge", json.dumps({"Entries": [entry]}), headers)


def send(request: Request) -> None:
    """Make a call. Raises OSError where it fails."""
    try:
        with _opener.open(request, timeout=ANSWERS_S) as answer:
            answer.read()
    except HTTPException as error:
        raise OSError(f"its answer breaks off: {error!r}") from error


def _numbered(attributes: Mapping[str, str | int]) -> dict[str, str]:
    """Return the attributes of a message in the words of SNS's form."""
    form = {}
    for number, (name, value) in enumerate(attributes.items(), start=1):
        entry = f"MessageAttributes.entry.{number}"
        form[f"{entry}.Name"] = name
        form[f"{entry}.Value.DataType"] = "Number" if isinstance(value, int) else "String"
        form[f"{entry}.Value.StringValue"] = str(value)
    return form


def _signed(service: str, service_id: str, body: str, headers: dict[str, str]) -> Request:
    endpoint = endpoint_of(service_id)
    if not endpoint:
        raise OSError(f"{service} is not on this machine")
    scope = f"local/20300101/{REGION}/{service}/aws4_request"
    signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    return Request(
        f"{endpoint.rstrip('/')}/", body.encode(), {**headers, "Authorization": signature}
    )
