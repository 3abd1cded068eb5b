"""`load`: a template's records built from its document, and checked against one another."""

import dataclasses
from collections.abc import Mapping as ReadOnlyDict
from pathlib import Path
from typing import Any

from local.template import document as documents
from local.template import nested
from local.template.api_builder import EVENT_KINDS, ApiBuilders
from local.template.called_services import called_services
from local.template.foreach import LANGUAGE_EXTENSIONS
from local.template.functions import read_function
from local.template.intrinsics import Resolver
from local.template.layers import read_layers
from local.template.log_subscriptions import read_log_subscriptions
from local.template.model import (
    Function,
    Mapping,
    Queue,
    Schedule,
    StreamMapping,
    Template,
    TemplateError,
)
from local.template.queues import read_mapping, read_queue, refused_mapping, refused_redrive
from local.template.reader import Properties, Refusals
from local.template.resources import (
    FUNCTION,
    GLOBALS,
    GLOBALS_OF_OTHERS,
    MAPPING,
    QUEUE,
    Resources,
)
from local.template.schedule import read_schedule, take_schedules
from local.template.service_kinds import STREAM, TABLE
from local.template.stack import StackBuilder
from local.template.stand_ins import parameters_elsewhere
from local.template.streams import read_stream
from local.template.unique_names import repeated_name

SERVERLESS = "AWS::Serverless-2016-10-31"


def load(
    path: str | Path,
    parameters: dict[str, str] | None = None,
    *,
    allow_unsupported: bool = False,
    values: ReadOnlyDict[str, str] | None = None,
) -> Template:
    """Read the SAM template at `path`; `parameters` replace the defaults of its Parameters.

    `values` is what services have said of the resources that they made, by placeholder.

    Raises TemplateError for what is wrong, and for what is not emulated here unless
    `allow_unsupported` turns that into `Template.warnings`.
    """
    file = Path(path).resolve()
    document, lines = documents.read(file)
    document = nested.with_nested_stacks(file, document)
    refusals = Refusals(file, allow_unsupported)
    parameter_values = parameters or {}
    try:
        resources = Resources(
            document, Resolver(file, document, parameter_values, values), refusals
        )
        template = _Builder(document, resources).build()
    except TemplateError as error:
        if error.file == file:
            error.line = error.line or lines.of(error.resource, error.property)
        raise
    for name in resources.resolver.missing:
        sentence = f"has no value; pass --parameter {name}=..."
        refusals.warnings.insert(0, TemplateError(file, "Parameters", name, sentence))
    references = () if values is None else resources.resolver.placeholders
    for name, value in parameters_elsewhere(references, template.made).items():
        sentence = f"{name} is no parameter of this template; unless the SSM here has it, it is"
        refusals.warnings.append(TemplateError(file, "SSM", "", f"{sentence} {value!r}"))
    for line, key in lines.doubled.items():
        sentence = f"the key {key!r} stands twice; the last one counts"
        refusals.warnings.append(TemplateError(file, "", "", sentence, line))
    for warning in refusals.warnings:
        warning.line = warning.line or lines.of(warning.resource, warning.property)
    return dataclasses.replace(
        template,
        warnings=_once_each(refusals.warnings),
        parameters=parameter_values,
        placeholders=frozenset(resources.resolver.placeholders),
        allow_unsupported=allow_unsupported,
    )


def _once_each(warnings: list[TemplateError]) -> tuple[str, ...]:
    """Return the warnings as sentences; what stands once in the Globals is said once."""
    places = {(each.line, each.property, each.sentence): str(each) for each in reversed(warnings)}
    return tuple(reversed(places.values()))


class _Builder:
    def __init__(self, document: dict[str, Any], resources: Resources) -> None:
        self._document = document
        self._resources = resources
        self._refusals = resources.refusals
        self._functions: dict[str, Function] = {}
        self._mappings: list[Mapping] = []
        self._schedules: list[Schedule] = []
        self._streams: list[StreamMapping] = []
        self._stack = StackBuilder(resources)

    def build(self) -> Template:
        self._check_head()
        resources = self._resources
        apis = ApiBuilders(resources)
        layers = read_layers(resources)
        for name in resources.of_type(FUNCTION):
            with self._refusals.leaving_out():
                block = resources.properties(name)
                events = block.block("Events")
                url = block.block("FunctionUrlConfig") if "FunctionUrlConfig" in block else None
                self._functions[name] = read_function(resources, name, block, layers)
                for event in events.names():
                    with self._refusals.leaving_out():
                        self._event(events, event, name, apis)
                if url:
                    apis.add_url(url, name)
        for route, integration in self._stack.routes:
            with self._refusals.leaving_out():
                apis.add("Api", route, "", integration)
        for name in resources.of_type(MAPPING):
            with self._refusals.leaving_out():
                self._mapping_resource(name)
        queues = {name: self._queue(name) for name in resources.of_type(QUEUE)}
        self._check(queues)
        ours = self._ours()
        provides = frozenset(map(str, ours.sequence("Provides")))
        self._stack.warn_of_retries()
        schedules = (*self._schedules, *take_schedules(self._stack.made, resources))
        self._stack.add_stand_ins()
        self._stack.warn_of_ignored()
        template = Template(
            path=self._refusals.file,
            apis=apis.build(),
            functions=self._functions,
            queues=queues,
            mappings=tuple(self._mappings),
            schedules=schedules,
            streams=tuple(self._streams),
            log_subscriptions=tuple(read_log_subscriptions(resources, self._functions)),
            made=self._stack.made,
            provides=provides,
            calls=called_services(() if resources.says_what_it_takes else resources.every()),
            ready_path=ours.text("Ready", "") or None,
        )
        ours.finish()
        return template

    def _check(self, queues: dict[str, Queue]) -> None:
        """Refuse what AWS refuses of the parts together."""
        resources = self._resources
        refused = refused_mapping(self._mappings, self._functions, queues)
        if refused:
            raise resources.error(refused[0], "Events", refused[1])
        if unwanted := refused_redrive(queues, resources.by_arn(QUEUE)):
            sentence = "the dead-letter queue's RedriveAllowPolicy does not take it"
            raise resources.error(unwanted, "RedrivePolicy", sentence)
        if blame := repeated_name(self._functions, queues, self._stack.made):
            raise resources.error(*blame)

    def _ours(self) -> Properties:
        """Return what the template's own Metadata says of this machine."""
        metadata = self._document.get("Metadata") or {}
        return Properties(self._refusals, "Metadata", metadata.get("Spillway") or {}, "Spillway")

    def _check_head(self) -> None:
        transforms = self._document.get("Transform", [])
        for transform in transforms if isinstance(transforms, list) else [transforms]:
            if transform not in (SERVERLESS, LANGUAGE_EXTENSIONS):
                self._refusals.refuse("Transform", "", f"{transform} is not emulated; remove it")
        sections = (*GLOBALS, *GLOBALS_OF_OTHERS)
        for section, shared in (self._document.get("Globals") or {}).items():
            if not isinstance(shared or {}, dict):
                sentence = "has to be a block of names and values"
                raise self._resources.error("Globals", str(section), sentence)
            if section not in sections:
                sentence = f"there are no such Globals; SAM has {', '.join(sections)}"
                raise self._resources.error("Globals", str(section), sentence)

    def _event(self, events: Properties, name: str, function: str, apis: ApiBuilders) -> None:
        event = events.block(name)
        kind = event.text("Type")
        properties = event.block("Properties")
        event.finish()
        if kind in EVENT_KINDS:
            apis.add(kind, properties, function)
        elif kind == "SQS":
            self._mapping(properties, "Queue", function)
        elif kind in ("DynamoDB", "Kinesis"):
            self._stream(properties, properties.text("Stream"), function)
        elif self._stack.takes(kind, properties):
            self._stack.add(kind, properties, function, name)
            while self._stack.between:
                self._mapping(self._stack.between.pop(), "Queue", function)
        elif kind in ("Schedule", "ScheduleV2"):
            if schedule := read_schedule(properties, function, kind, name):
                self._schedules.append(schedule)
        else:
            advice = f"the command `invoke {function} --event FILE` gives the function one"
            events.refuse(name, f"events of type {kind} are not emulated; remove it, {advice}")

    def _mapping_resource(self, name: str) -> None:
        block = self._resources.properties(name)
        reference = block.text("FunctionName")
        functions = {**self._resources.by_name(FUNCTION), **self._resources.by_arn(FUNCTION)}
        function = functions.get(reference)
        if function is None:
            raise block.error(
                "FunctionName", f"{reference} is no function of this template; add it"
            )
        source = block.text("EventSourceArn")
        if source in self._stream_arns():
            self._stream(block, source, function)
        else:
            self._mapping(block.beside({"EventSourceArn": source}), "EventSourceArn", function)

    def _stream(self, block: Properties, source: str, function: str) -> None:
        if source not in self._stream_arns():
            sentence = f"{source} is no stream of this template; add a table or stream with one"
            raise block.not_emulated("Stream", sentence)
        if mapping := read_stream(block, source=source, function=function):
            self._streams.append(mapping)

    def _stream_arns(self) -> set[str]:
        attributes = {TABLE: "StreamArn", "AWS::DynamoDB::GlobalTable": "StreamArn", STREAM: "Arn"}
        return {
            self._resources.resolver.resolve({"Fn::GetAtt": [name, attribute]}, (name, attribute))
            for kind, attribute in attributes.items()
            for name in self._resources.of_type(kind)
        }

    def _mapping(self, block: Properties, source: str, function: str) -> None:
        arn = block.text(source)
        queue = self._resources.by_arn(QUEUE).get(arn) or self._stand_in(
            arn, block, source, function
        )
        is_fifo = self._resources.resolver.name_of(queue).endswith(".fifo")
        is_on = block.flag("Enabled", True)
        mapping = read_mapping(block, queue=queue, is_fifo=is_fifo, function=function)
        if is_on:
            self._mappings.append(mapping)

    def _stand_in(self, arn: str, block: Properties, source: str, function: str) -> str:
        """Add a queue that the template only names by its ARN: another stack has it on AWS."""
        name = arn.rpartition(":")[2]
        if not arn.startswith("arn:aws:sqs:"):
            sentence = f"{arn} is no queue of this template; use !GetAtt QUEUE.Arn"
            raise block.not_emulated(source, sentence)
        logical_id = self._resources.by_name(QUEUE).get(name)
        if logical_id is None:
            logical_id = f"StandIn{''.join(filter(str.isalnum, name))}"
            self._resources.declare(
                logical_id,
                QUEUE,
                {
                    "QueueName": name,
                    "FifoQueue": name.endswith(".fifo"),
                    "VisibilityTimeout": 6 * self._functions[function].timeout_s,  # AWS's advice
                },
            )
            sentence = f"{name} is no queue of this template; an empty one stands for it here"
            self._refusals.warnings.append(block.error(source, sentence))
        return logical_id

    def _queue(self, name: str) -> Queue:
        queues = self._resources.by_arn(QUEUE)

        def name_of(arn: str) -> str | None:
            queue = queues.get(arn)
            return None if queue is None else self._resources.resolver.name_of(queue)

        block = self._resources.properties(name)
        return read_queue(block, self._resources.physical_name(block, "QueueName"), name_of)
