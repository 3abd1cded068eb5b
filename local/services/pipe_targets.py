"""The targets of pipes: what takes the entries of a batch."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from local.services.delivery import Delivery
from local.services.making import client

Target = Callable[[list[Any]], None]
Properties = Mapping[str, Any]


class Failed(Exception):
    """A batch that did not reach its target; the message has the reason."""


def target_of(properties: Properties, pipe: str, delivery: Delivery, endpoint: str) -> Target:
    """Return what takes the entries of each batch of a pipe; it raises Failed."""
    arn = str(properties["Target"])
    parameters = properties.get("TargetParameters") or {}
    service, name = arn.split(":")[2], arn.rpartition(":")[2]
    if service == "lambda":
        return _function(arn.split(":")[6], parameters, delivery)
    if service == "sqs":
        return _queue(name, parameters.get("SqsQueueParameters") or {}, delivery)
    if service == "sns":
        return _topic(arn, endpoint)
    if service == "states":
        return _machine(arn, endpoint)
    if service == "kinesis":
        return _stream(name.rpartition("/")[2], parameters, endpoint)
    return _bus(arn, pipe, parameters.get("EventBridgeEventBusParameters") or {}, endpoint)


def _function(name: str, parameters: Properties, delivery: Delivery) -> Target:
    kind = (parameters.get("LambdaFunctionParameters") or {}).get("InvocationType")

    def take(entries: list[Any]) -> None:
        if kind == "FIRE_AND_FORGET":
            delivery.tell(name, entries)
            return
        answer, is_error = delivery.invoke(name, entries)
        if is_error:
            raise Failed(f"the target fails: {answer}")

    return take


def _queue(name: str, parameters: Properties, delivery: Delivery) -> Target:
    names = ("MessageGroupId", "MessageDeduplicationId")
    more = {each: parameters[each] for each in names if each in parameters}

    def take(entries: list[Any]) -> None:
        for each in entries:
            delivery.send_text(name, _text(each), **more)

    return take


def _topic(arn: str, endpoint: str) -> Target:
    api = client("sns", endpoint)

    def take(entries: list[Any]) -> None:
        for each in entries:
            api.publish(TopicArn=arn, Message=_text(each))

    return take


def _machine(arn: str, endpoint: str) -> Target:
    api = client("stepfunctions", endpoint)

    def take(entries: list[Any]) -> None:
        api.start_execution(stateMachineArn=arn, input=json.dumps(entries))

    return take


def _stream(name: str, parameters: Properties, endpoint: str) -> Target:
    api = client("kinesis", endpoint)
    key = (parameters.get("KinesisStreamParameters") or {}).get("PartitionKey") or "pipe"

    def take(entries: list[Any]) -> None:
        for each in entries:
            api.put_record(StreamName=name, Data=_text(each).encode(), PartitionKey=str(key))

    return take


def _bus(arn: str, pipe: str, parameters: Properties, endpoint: str) -> Target:
    api = client("events", endpoint)

    def take(entries: list[Any]) -> None:
        for each in entries:
            detail = each if isinstance(each, dict) else {"value": each}
            event = {
                "EventBusName": arn,
                "Source": str(parameters.get("Source") or f"Pipe {pipe}"),
                "DetailType": str(parameters.get("DetailType") or f"Event of {pipe}"),
                "Detail": json.dumps(detail),
            }
            answer = api.put_events(Entries=[event])
            if answer.get("FailedEntryCount"):
                raise Failed(f"the bus refuses an event: {answer['Entries']}")

    return take


def _text(entry: Any) -> str:
    return entry if isinstance(entry, str) else json.dumps(entry)
