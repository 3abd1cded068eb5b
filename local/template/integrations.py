"""Integrations of routes that are not the proxy of a function.

They are with a service of AWS, HTTP, a fixed answer, or a function with a mapped event and answer.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-integration.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services-reference.html
"""

import re
from typing import Any

from local.template.api_records import Integration, IntegrationResponse
from local.template.reader import Properties

# The services that take actions as JSON, each with the prefix of its X-Amz-Target.
JSON_SERVICES = {
    "dynamodb": "DynamoDB_20120810",
    "events": "AWSEvents",
    "firehose": "Firehose_20150804",
    "kinesis": "Kinesis_20131202",
    "secretsmanager": "secretsmanager",
    "sqs": "AmazonSQS",
    "ssm": "AmazonSSM",
    "states": "AWSStepFunctions",
}
SERVICES = (*JSON_SERVICES, "s3", "sns")
SUBTYPES = {
    "EventBridge-PutEvents": ("events", "PutEvents"),
    "Kinesis-PutRecord": ("kinesis", "PutRecord"),
    "SQS-DeleteMessage": ("sqs", "DeleteMessage"),
    "SQS-PurgeQueue": ("sqs", "PurgeQueue"),
    "SQS-ReceiveMessage": ("sqs", "ReceiveMessage"),
    "SQS-SendMessage": ("sqs", "SendMessage"),
    "StepFunctions-StartExecution": ("states", "StartExecution"),
    "StepFunctions-StartSyncExecution": ("states", "StartSyncExecution"),
    "StepFunctions-StopExecution": ("states", "StopExecution"),
}
KINDS = ("aws", "http", "http_proxy", "mock")
_OF_SERVICE = re.compile(
    r"arn:aws[\w-]*:apigateway:[\w-]+:(?:[\w.-]+\.)?(?P<service>[\w-]+):(?P<form>action|path)/(?P<rest>.+)"
)


def read_integration(block: Properties, *, calls_function: bool) -> Integration:
    """Return the integration of a block. Raises TemplateError for one that is not emulated.

    An integration that `calls_function` has no service.
    """
    if "integrationSubtype" in block:
        return _subtype(block)
    kind = block.text("type").lower()
    if kind not in KINDS:
        sentence = f"integrations of type {kind} are not emulated; use aws_proxy of a function"
        raise block.not_emulated("type", sentence)
    uri = "" if kind == "mock" else block.text("uri")
    is_service = kind == "aws" and not calls_function
    service, action = _service(block, uri) if is_service else ("", "")
    return Integration(
        kind=kind,
        uri=uri,
        service=service,
        action=action,
        method=block.text("httpMethod", block.text("integrationHttpMethod", "POST")),
        parameters=_texts(block.take("requestParameters", {})),
        templates=_texts(block.take("requestTemplates", {})),
        passthrough=block.text("passthroughBehavior", "when_no_match").lower(),
        responses=_responses(block),
    )


def start_execution(state_machine: str, *, is_unescaped: bool) -> Integration:
    """Return SAM's integration of a route that starts a state machine with the request's body."""
    escaped = "$util.escapeJavaScript($input.json('$'))"
    escaped += """.replaceAll("\\\\'","'")""" if is_unescaped else ""
    template = f'''{{"input": "{escaped}", "stateMachineArn": "{state_machine}"}}'''
    return Integration(
        kind="aws",
        service="states",
        action="StartExecution",
        templates={"application/json": template},
        passthrough="never",
        responses=tuple(
            IntegrationResponse(pattern=str(status), status=status, parameters={}, templates={})
            for status in (200, 400)
        ),
    )


def _subtype(block: Properties) -> Integration:
    subtype = block.text("integrationSubtype")
    if subtype not in SUBTYPES:
        sentence = f"integrations with {subtype} are not emulated; use a function in between"
        raise block.not_emulated("integrationSubtype", sentence)
    service, action = SUBTYPES[subtype]
    parameters = block.take("requestParameters", {})
    return Integration(
        kind="subtype", service=service, action=action, parameters=_texts(parameters)
    )


def _service(block: Properties, uri: str) -> tuple[str, str]:
    """Return the service and its action, or its path, which begins with a slash."""
    match = _OF_SERVICE.fullmatch(uri)
    if match is None:
        raise block.not_emulated("uri", f"{uri} names neither a function nor a service of AWS")
    service, form, rest = match["service"], match["form"], match["rest"]
    is_emulated = service in SERVICES and (form == "action" or service in ("sqs", "s3"))
    if not is_emulated:
        sentence = f"integrations with {service} by {form} are not emulated; use a function"
        raise block.not_emulated("uri", f"{sentence} in between")
    return service, rest if form == "action" else f"/{rest}"


def _responses(block: Properties) -> tuple[IntegrationResponse, ...]:
    """Return the responses by their patterns, the default one last."""
    entries = block.block("responses")
    responses = []
    for pattern in entries.names():
        entry = entries.block(pattern)
        try:
            re.compile(pattern)
        except re.error as error:
            sentence = f"is no regular expression ({error}); correct it"
            raise entries.error(pattern, sentence) from error
        response = IntegrationResponse(
            pattern="" if pattern == "default" else pattern,
            status=entry.integer("statusCode", 200, lowest=100, highest=599),
            parameters=_texts(entry.take("responseParameters", {})),
            templates=_texts(entry.take("responseTemplates", {})),
        )
        responses.append(response)
    return tuple(sorted(responses, key=lambda each: not each.pattern))


def _texts(values: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in (values or {}).items()}
