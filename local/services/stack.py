"""The CloudFormation stack of what other services make, with stand-ins for functions and queues.

A stand-in is what a service delivers to; `delivery` hands that on to the real one.
"""

import re
from collections.abc import Iterable
from typing import Any

from local.services import topic_mails
from local.template import Function, Queue, Template
from local.template.intrinsics import ACCOUNT_ID, REGION
from local.template.service_kinds import (
    ACTIVITY,
    BUCKET,
    CUSTOM,
    PIPE,
    PLACEHOLDER,
    RULE,
    SCHEDULE,
    SUBSCRIPTION,
    TOPIC,
)
from local.template.stack_checks import mail_subscriptions

Resource = dict[str, Any]

FORWARDED_TO = "MINISTACK_LAMBDA_PROXY_URL"  # who runs a function, in the words of the emulator
# What these tell a function is asynchronous, as on AWS: the function's own retries follow.
ASYNCHRONOUS = (BUCKET, TOPIC, SUBSCRIPTION, RULE, SCHEDULE)
# Made after all others, which they may name by ARN.
LATER = (BUCKET, SUBSCRIPTION, RULE, SCHEDULE)
EVENT_PREFIX = "event--"
QUEUE_PREFIX = "queue--"
MAIL_PREFIX = "mail--"
_FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:"
_QUEUE_ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:"
_ANYBODY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}],
}


def resources_of(template: Template, endpoint: str) -> dict[str, Resource]:
    """Return the resources of the stack by logical id; `endpoint` is where it will be made."""
    first: dict[str, Resource] = {}
    for function in template.functions.values():
        first[f"FunctionOf{function.logical_id}"] = _function(
            function.name, f"invoke:{function.name}"
        )
    made = {name: _made(resource) for name, resource in template.made.items() if _is_made(resource)}
    for name, resource in made.items():
        first |= _mails(name, resource)
    for function in _mentioned(template.functions.values(), made.values()):
        stand_in = _function(EVENT_PREFIX + function.name, f"event:{function.name}")
        first[f"EventOf{function.logical_id}"] = stand_in
    for queue in template.queues.values():
        if _mentions(made.values(), re.escape(queue.name)):
            first |= _queue(queue, endpoint)
    first |= {name: each for name, each in made.items() if each["Type"] not in LATER}
    later = {name: each for name, each in made.items() if each["Type"] in LATER}
    for resource in later.values():
        resource["DependsOn"] = list(first)
    return first | later


def outputs_of(template: Template) -> dict[str, Resource]:
    """Return an output for each thing that the template wants to know of its stack."""
    texts = sorted(text for text in template.placeholders if text.startswith("{{made:"))
    return {
        f"Value{number}": {"Value": _with_references(text)} for number, text in enumerate(texts)
    }


def placeholders_of(template: Template) -> dict[str, str]:
    """Return which placeholder each output stands for."""
    texts = sorted(text for text in template.placeholders if text.startswith("{{made:"))
    return {f"Value{number}": text for number, text in enumerate(texts)}


def _is_made(resource: Any) -> bool:
    """Tell whether the stack makes a resource; other modules make those of these types."""
    return resource["Type"] not in (PIPE, ACTIVITY, CUSTOM)


def _made(resource: Any) -> Resource:
    properties = _with_references(resource["Properties"])
    if resource["Type"] in ASYNCHRONOUS:
        properties = _renamed(properties)
    return {"Type": resource["Type"], "Properties": properties}


def _with_references(value: Any) -> Any:
    """Return `value` with references in the place of placeholders."""
    if isinstance(value, dict):
        return {key: _with_references(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_references(each) for each in value]
    if not isinstance(value, str) or "{{made:" not in value:
        return value
    literal = value.replace("${", "${!")
    return {"Fn::Sub": PLACEHOLDER.sub(lambda match: f"${{{match[0][7:-2]}}}", literal)}


def _renamed(value: Any) -> Any:
    """Return `value` with the ARNs of the asynchronous stand-ins for those of functions."""
    if isinstance(value, dict):
        return {key: _renamed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each) for each in value]
    if isinstance(value, str) and value.startswith(_FUNCTION_ARN):
        return _FUNCTION_ARN + EVENT_PREFIX + value.removeprefix(_FUNCTION_ARN)
    return value


def _mails(name: str, resource: Resource) -> dict[str, Resource]:
    """Return a stand-in for each subscription by mail, and have the topic tell that."""
    stand_ins = {}
    for number, each in enumerate(mail_subscriptions(resource["Type"], resource["Properties"])):
        stand_in = f"{MAIL_PREFIX}{name}{number}"[-64:]
        stand_ins[f"MailOf{name}{number}"] = _function(stand_in, topic_mails.place_of(each))
        each |= {"Protocol": "lambda", "Endpoint": _FUNCTION_ARN + stand_in}
    return stand_ins


def _mentioned(functions: Iterable[Function], resources: Iterable[Resource]) -> list[Function]:
    every = list(resources)
    return [each for each in functions if _mentions(every, re.escape(EVENT_PREFIX + each.name))]


def _mentions(resources: Iterable[Resource], name: str) -> bool:
    """Tell whether a text of the resources has `name` as a whole part of an ARN or address."""
    return bool(re.search(rf"[:/]{name}(?![\w-])", repr(list(resources))))


def _function(name: str, forwarded_to: str) -> Resource:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": name,
            "Runtime": "python3.13",
            "Handler": "index.handler",
            "Timeout": 900,
            "Role": f"arn:aws:iam::{ACCOUNT_ID}:role/local",
            "Code": {"ZipFile": "# runs elsewhere on this machine"},
            "Environment": {"Variables": {FORWARDED_TO: forwarded_to}},
        },
    }


def _queue(queue: Queue, endpoint: str) -> dict[str, Resource]:
    """Return a queue of the same name, and what takes its messages to the real one."""
    name = queue.logical_id
    fifo = {"FifoQueue": True, "ContentBasedDeduplication": True} if queue.is_fifo else {}
    forwarder = f"{QUEUE_PREFIX}{name}"[:64]
    return {
        f"QueueOf{name}": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"QueueName": queue.name, "VisibilityTimeout": 5, **fifo},
        },
        f"PolicyOf{name}": {
            "Type": "AWS::SQS::QueuePolicy",
            "DependsOn": [f"QueueOf{name}"],
            "Properties": {
                "Queues": [f"{endpoint}/{ACCOUNT_ID}/{queue.name}"],
                "PolicyDocument": _ANYBODY,
            },
        },
        f"ForwarderOf{name}": _function(forwarder, f"queue:{queue.name}"),
        f"MappingOf{name}": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "DependsOn": [f"QueueOf{name}", f"ForwarderOf{name}"],
            "Properties": {
                "FunctionName": forwarder,
                "EventSourceArn": _QUEUE_ARN + queue.name,
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
            },
        },
    }
