"""The beginning of the services: the stack is made, its values written, the streams read."""

import dataclasses
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.services import log_lines, pipes
from local.services.checkpoints import Checkpoints
from local.services.custom_resources import CustomResources
from local.services.delivery import Delivery, Undelivered
from local.services.finishing import finish
from local.services.making import NotMade, Stack, client
from local.services.references import value_of
from local.services.stack import outputs_of, placeholders_of, resources_of
from local.services.streams import Invoke, Stream
from local.template import Template, service_values
from local.template.model import StreamMapping
from local.template.patterns import PatternError
from local.template.service_kinds import PIPE, filled
from local.template.service_values import Values
from local.template.stack_checks import idle_end
from local.template.stand_ins import parameters_elsewhere

log = logging.getLogger(__name__)

LISTENS_WITHIN_S = 30.0
LOOKS_S = 0.05
_OWNER = re.compile(r"\{\{made:([A-Za-z0-9]+)")  # of a placeholder


def set_up(
    template: Template,
    state: Path,
    endpoint: str,
    delivery: Delivery,
    remember: Callable[[], None] = lambda: None,
) -> None:
    """Make the resources of `template` behind `endpoint`; only then others read the values.

    `remember` is called once all is made.
    """
    custom = CustomResources(template, state / "data" / "custom-resources.json", endpoint, delivery)
    try:
        values, failures = _set_up(template, state, endpoint, delivery, custom.values())
        remember()
    except Exception as error:  # edge: the thread ends here; `up` reads why there is nothing
        log.exception("the resources of %s", template.path)
        values, failures = {}, {"Resources": f"{type(error).__name__}: {error}"}
    for name, reason in failures.items():
        log.warning("%s is not made: %s", name, reason)
    service_values.write(state, values, failures, is_done=not custom.are_there)
    if custom.are_there:
        failures |= _call_functions(custom, values)
        remember()
        answers = custom.values()
        new = [each for each in template.placeholders if values.get(each) != answers.get(each)]
        late = {match[1] for each in new if each in answers and (match := _OWNER.match(each))}
        service_values.write(state, values, failures, late)


def _call_functions(custom: CustomResources, values: Values) -> Values:
    """Call the functions of custom resources, which run once the values stand."""
    try:
        failures = custom.call(lambda properties, own: _with_values(properties, {**values, **own}))
    except (BotoCoreError, ClientError) as error:
        return {"Resources": f"no function of a custom resource can answer: {error}"}
    for name, reason in failures.items():
        log.warning("%s is not made: %s", name, reason)
    return failures


def _set_up(
    template: Template, state: Path, endpoint: str, delivery: Delivery, before: Values
) -> tuple[Values, Values]:
    """Return the values by placeholder, and the reasons for what was not made or is not read.

    `before` is what the functions of custom resources have said when they were called.
    """
    made = _with_values(dict(template.made), before)
    values, failures = _made(dataclasses.replace(template, made=made), endpoint)
    values |= {each: before[each] for each in template.placeholders if each in before}
    failures = {**finish(template, endpoint), **failures}
    for reference in template.placeholders:
        if reference.startswith("{{resolve:") and (value := value_of(reference, endpoint)):
            values[reference] = value
    checkpoints = Checkpoints(state / "data" / "stream-checkpoints.json")
    stop = threading.Event()  # nobody sets it: the process ends with its threads
    for mapping in template.streams:
        try:
            function = template.functions[mapping.function].name
            invoke = partial(delivery.invoke, function)
            stream = _stream(mapping, invoke, endpoint, delivery, checkpoints)
        except (BotoCoreError, ClientError, KeyError) as error:
            failures[mapping.function] = f"its stream {mapping.stream} cannot be read: {error}"
        else:
            threading.Thread(target=stream.run, args=(stop,), daemon=True).start()
    for subscription in template.log_subscriptions:
        take = log_lines.taker_of(subscription, delivery, endpoint)
        path = state / "logs" / "functions" / f"{subscription.function}.log"
        arguments = (subscription, path, take, stop)
        threading.Thread(target=log_lines.follow, args=arguments, daemon=True).start()
    stream_of = partial(_stream, endpoint=endpoint, delivery=delivery, checkpoints=checkpoints)
    run = partial(
        pipes.run_pipe, delivery=delivery, endpoint=endpoint, stream_of=stream_of, stop=stop
    )
    return values, failures | _run_pipes(template, values, run)


def _run_pipes(
    template: Template, values: dict[str, str], run: Callable[[str, Any], None]
) -> dict[str, str]:
    """Run each pipe; return the reasons for those through which nothing goes."""
    failures = {}
    for name, resource in template.made.items():
        if resource["Type"] != PIPE or idle_end(PIPE, resource["Properties"]):
            continue  # `up` names those that are idle
        properties = _with_values(resource["Properties"], values)
        if end := idle_end(PIPE, properties):
            failures[name] = f"its {end} {properties[end]!r} is nothing here"
            continue
        try:
            run(name, properties)
        except (BotoCoreError, ClientError, KeyError, PatternError) as error:
            failures[name] = f"its source or target cannot be reached: {error}"
    return failures


def _with_values(value: Any, values: Values) -> Any:
    """Return properties with what the services have said in the place of placeholders."""
    if isinstance(value, dict):
        return {key: _with_values(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_values(each, values) for each in value]
    return filled(value, values.get) if isinstance(value, str) else value


def _made(template: Template, endpoint: str) -> tuple[Values, Values]:
    """Return the values by placeholder, and the reasons for what was not made."""
    try:
        _await(endpoint)
        _put_parameters(parameters_elsewhere(template.placeholders, template.made), endpoint)
        stack = Stack(endpoint)
        resources = resources_of(template, endpoint)
        matches = filter(None, map(_OWNER.match, template.placeholders))
        owners = {match[1] for match in matches}
        outputs = stack.make(resources, outputs_of(template), owners - resources.keys())
    except NotMade as error:
        return {}, {"Resources": str(error)}
    names = placeholders_of(template)
    return {names[key]: value for key, value in outputs.items()}, stack.failures


def _put_parameters(values: Mapping[str, str], endpoint: str) -> None:
    """Put parameters into SSM that are not there. Raises NotMade."""
    api = client("ssm", endpoint)
    for name, value in values.items():
        try:
            api.put_parameter(Name=name, Value=value, Type="String", Overwrite=False)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterAlreadyExists":
                raise NotMade(f"{name} in SSM: {error}") from error


def _await(endpoint: str) -> None:
    api = client("sts", endpoint)
    ends_s = time.monotonic() + LISTENS_WITHIN_S
    while True:
        try:
            api.get_caller_identity()
        except ClientError:
            return  # it answers, if not that
        except BotoCoreError as error:
            if time.monotonic() > ends_s:
                raise NotMade(f"{endpoint} does not answer: {error}") from error
            time.sleep(LOOKS_S)
        else:
            return


def _stream(
    mapping: StreamMapping,
    invoke: Invoke,
    endpoint: str,
    delivery: Delivery,
    checkpoints: Checkpoints,
) -> Stream:
    arn = mapping.stream
    if mapping.is_of_table:
        table = arn.partition("/")[2].partition("/")[0]
        arn = client("dynamodb", endpoint).describe_table(TableName=table)["Table"][
            "LatestStreamArn"
        ]
    api = client("dynamodbstreams" if mapping.is_of_table else "kinesis", endpoint)
    return Stream(
        mapping,
        api,
        arn,
        invoke,
        checkpoints,
        _failing(mapping.on_failure, endpoint, delivery),
    )


def _failing(arn: str, endpoint: str, delivery: Delivery) -> Callable[[dict[str, Any]], None]:
    """Return what takes the record of a batch that was given up: to a queue, a topic, or nobody."""

    def fail(record: dict[str, Any]) -> None:
        text = json.dumps(record)
        try:
            if arn.startswith("arn:aws:sqs:"):
                delivery.send_text(arn.rpartition(":")[2], text)
            elif arn:
                client("sns", endpoint).publish(TopicArn=arn, Message=text)
        except (Undelivered, BotoCoreError, ClientError) as error:
            log.warning("%s does not take a record: %s", arn, error)

    return fail
