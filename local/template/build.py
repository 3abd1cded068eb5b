"""The records of `model` built from a document: functions, queues, mappings, and the API."""

import dataclasses
import re
from pathlib import Path
from typing import Any

from local.template import document as documents
from local.template import support
from local.template.api import empty_api, read_api, read_routes
from local.template.intrinsics import UNKNOWN, Resolver, is_function, layer_arn
from local.template.model import (
    Api,
    Function,
    Mapping,
    Queue,
    Route,
    Schedule,
    Template,
    TemplateError,
)
from local.template.reader import Properties, Refusals
from local.template.schedule import read_schedule

SERVERLESS = "AWS::Serverless-2016-10-31"
FUNCTION = "AWS::Serverless::Function"
LAYER = "AWS::Serverless::LayerVersion"
API = "AWS::Serverless::Api"
QUEUE = "AWS::SQS::Queue"
MAPPING = "AWS::Lambda::EventSourceMapping"
EMULATED = (FUNCTION, LAYER, API, QUEUE, MAPPING)

# Globals that SAM would merge into resources which are refused or without effect anyway.
GLOBALS = {"Function": FUNCTION, "Api": API, "LayerVersion": LAYER}

ENVIRONMENTS_MAX = 64  # processes a function may ask for on one machine
_HANDLER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_QUEUE_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}(\.fifo)?")


def load(
    path: str | Path, parameters: dict[str, str] | None = None, *, allow_unsupported: bool = False
) -> Template:
    """Read the SAM template at `path`; `parameters` replace the defaults of its Parameters.

    Raises TemplateError for what is wrong, and for what is not emulated here unless
    `allow_unsupported` turns that into `Template.warnings`.
    """
    file = Path(path).resolve()
    document = documents.read(file)
    refusals = Refusals(file, allow_unsupported)
    return _Builder(document, Resolver(file, document, parameters or {}), refusals).build()


class _Builder:
    def __init__(self, document: dict[str, Any], resolver: Resolver, refusals: Refusals) -> None:
        self._document = document
        self._resolver = resolver
        self._refusals = refusals
        self._root = refusals.file.parent
        self._resources = self._active_resources()
        self._function_ids = self._by_arn(FUNCTION)
        self._queue_ids = self._by_arn(QUEUE)
        self._layers: dict[str, Path] = {}
        self._schedules: list[Schedule] = []

    def build(self) -> Template:
        self._check_head()
        api, default_authorizer = self._api()
        self._layers = {layer_arn(name): self._layer(name) for name in self._of_type(LAYER)}
        functions, routes, mappings = {}, [], []
        for name in self._of_type(FUNCTION):
            block = self._properties(name)
            events = block.block("Events")
            functions[name] = self._function(name, block)
            for event in events.names():
                routes_of, mappings_of = self._event(events, event, name, api, default_authorizer)
                routes += routes_of
                mappings += mappings_of
        for name in self._of_type(MAPPING):
            mappings.append(self._mapping_resource(name))
        self._check_routes(routes)
        return Template(
            path=self._refusals.file,
            api=dataclasses.replace(api, routes=tuple(routes)),
            functions=functions,
            queues={name: self._queue(name) for name in self._of_type(QUEUE)},
            mappings=tuple(mappings),
            schedules=tuple(self._schedules),
            warnings=tuple(self._refusals.warnings),
        )

    def _error(self, resource: str, property: str, sentence: str) -> TemplateError:
        return TemplateError(self._refusals.file, resource, property, sentence)

    def _active_resources(self) -> dict[str, dict[str, Any]]:
        active = {}
        for name, resource in self._document["Resources"].items():
            if not isinstance(name, str) or not name.isalnum():
                raise self._error(str(name), "", "a logical id has letters and digits; rename it")
            if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
                raise self._error(str(name), "Type", "is missing; a resource needs a type")
            condition = resource.get("Condition")
            if condition is not None and not self._resolver.holds(condition, (name, "Condition")):
                continue
            kind = resource["Type"]
            if kind in EMULATED:
                active[name] = resource
            elif support.why_without_effect(kind) is None:
                sentence = f"{kind} is not emulated on this machine; remove it or put it under"
                self._refusals.refuse(name, "Type", f"{sentence} a Condition")
        return active

    def _by_arn(self, kind: str) -> dict[str, str]:
        return {
            self._resolver.resolve({"Fn::GetAtt": [name, "Arn"]}, (name, "Arn")): name
            for name in self._of_type(kind)
        }

    def _of_type(self, kind: str) -> list[str]:
        return [name for name, resource in self._resources.items() if resource["Type"] == kind]

    def _check_head(self) -> None:
        transforms = self._document.get("Transform", [])
        for transform in transforms if isinstance(transforms, list) else [transforms]:
            if transform != SERVERLESS:
                self._refusals.refuse("Transform", "", f"{transform} is not emulated; remove it")
        for section in self._document.get("Globals") or {}:
            if section not in GLOBALS:
                sentence = f"Globals for {section} are not emulated; remove them"
                self._refusals.refuse("Globals", section, sentence)

    def _properties(self, name: str) -> Properties:
        resource = self._resources[name]
        shared: dict[str, Any] = {}
        for section, kind in GLOBALS.items():
            if resource["Type"] == kind:
                shared = (self._document.get("Globals") or {}).get(section) or {}
        merged = _merge(shared, resource.get("Properties") or {})
        return Properties(self._refusals, name, self._resolver.resolve(merged, (name, "")))

    def _api(self) -> tuple[Api, str | None]:
        names = self._of_type(API)
        if not names:
            return empty_api("local"), None
        if len(names) > 1:
            raise self._error(names[1], "Type", "one API a template is emulated; remove the others")
        return read_api(self._properties(names[0]), self._function_ids)

    def _layer(self, name: str) -> Path:
        block = self._properties(name)
        path = self._directory(block, "ContentUri")
        block.finish(support.LAYER_PROPERTIES_WITHOUT_EFFECT)
        return path

    def _directory(self, block: Properties, name: str) -> Path:
        path = (self._root / block.text(name)).resolve()
        if not path.is_dir():
            raise block.error(name, f"no directory {path}; paths start at the template")
        return path

    def _function(self, name: str, block: Properties) -> Function:
        handler = block.text("Handler")
        if not _HANDLER.fullmatch(handler):
            raise block.error("Handler", f"{handler!r} is no module.function; correct it")
        runtime = block.text("Runtime")
        if not runtime.startswith("python3."):
            raise block.error("Runtime", f"{runtime} is not emulated; only python3.x runs here")
        if block.text("PackageType", "Zip") != "Zip":
            raise block.error("PackageType", "images are not emulated; use Zip")
        environments, every_s = self._here(name)
        function = Function(
            logical_id=name,
            name=block.text("FunctionName", name),
            handler=handler,
            code_uri=self._directory(block, "CodeUri"),
            layers=self._layers_of(block),
            timeout_s=block.integer("Timeout", 3, lowest=1, highest=900),
            memory_mb=block.integer("MemorySize", 128, lowest=128, highest=10240),
            environment=self._environment(name, block),
            reserved_concurrency=block.optional_integer(
                "ReservedConcurrentExecutions", lowest=0, highest=1_000_000
            ),
            environments=environments,
            every_s=every_s,
        )
        block.finish(support.FUNCTION_PROPERTIES_WITHOUT_EFFECT)
        return function

    def _here(self, name: str) -> tuple[int, int | None]:
        """Read what Metadata.Spillway says of this machine: environments, and how often to run."""
        metadata = self._resources[name].get("Metadata") or {}
        ours = Properties(self._refusals, name, metadata.get("Spillway") or {}, "Metadata.Spillway")
        environments = ours.integer("Environments", 1, lowest=1, highest=ENVIRONMENTS_MAX)
        every_s = ours.optional_integer("EverySeconds", lowest=1, highest=86_400)
        ours.finish({})
        return environments, every_s

    def _layers_of(self, block: Properties) -> tuple[Path, ...]:
        paths = []
        for layer in block.sequence("Layers"):
            if layer in self._layers:
                paths.append(self._layers[layer])
            else:
                sentence = f"{layer} is no layer of this template; add an {LAYER}"
                block.refuse("Layers", sentence)
        return tuple(paths)

    def _environment(self, name: str, block: Properties) -> dict[str, str]:
        environment = block.block("Environment")
        variables = environment.take("Variables", {})
        environment.finish({})
        known = {}
        for variable, value in variables.items():
            if value is UNKNOWN:
                # The functions' settings have a default that suits one machine.
                where = f"{self._refusals.file}: {name}: Environment.Variables.{variable}"
                self._refusals.warnings.append(f"{where}: known on AWS only, left out")
                continue
            if isinstance(value, dict | list) or value is None:
                raise block.error(f"Environment.Variables.{variable}", "has to be text")
            known[variable] = _text(value)
        return known

    def _event(
        self, events: Properties, name: str, function: str, api: Api, default: str | None
    ) -> tuple[list[Route], list[Mapping]]:
        event = events.block(name)
        kind = event.text("Type")
        properties = event.block("Properties")
        event.finish({})
        if kind == "Api":
            self._check_rest_api(properties)
            return read_routes(properties, function, api, default), []
        if kind == "SQS":
            return [], [self._mapping(properties, "Queue", function)]
        if kind in ("Schedule", "ScheduleV2"):
            self._schedules.append(read_schedule(properties, function, kind))
            return [], []
        events.refuse(name, f"events of type {kind} are not emulated; remove it")
        return [], []

    def _check_rest_api(self, properties: Properties) -> None:
        names = self._of_type(API)
        given = properties.text("RestApiId", "")
        if names and given != names[0]:
            # SAM would give such an event an API of its own beside the declared one.
            raise properties.error("RestApiId", f"has to be !Ref {names[0]}; add it")

    def _check_routes(self, routes: list[Route]) -> None:
        seen: dict[tuple[str, str], str] = {}
        for route in routes:
            shape = re.sub(r"\{[^}+]+\}", "{}", re.sub(r"\{[^}]+\+\}", "{+}", route.path))
            key = (route.method, shape.rstrip("/"))
            if key in seen:
                sentence = f"{route.method} {route.path} is a route of {seen[key]} already"
                raise self._error(route.function, "Events", f"{sentence}; remove one")
            seen[key] = route.function

    def _mapping_resource(self, name: str) -> Mapping:
        block = self._properties(name)
        given = block.text("FunctionName")
        names = {self._resolver.name_of(one): one for one in self._of_type(FUNCTION)}
        function = self._function_ids.get(given) or names.get(given)
        if function is None:
            raise block.error("FunctionName", f"{given} is no function of this template; add it")
        return self._mapping(block, "EventSourceArn", function)

    def _mapping(self, block: Properties, source: str, function: str) -> Mapping:
        arn = block.text(source)
        if arn not in self._queue_ids:
            raise block.error(source, f"{arn} is no queue of this template; use !GetAtt QUEUE.Arn")
        if block.take("Enabled", True) is not True:
            block.refuse("Enabled", "a mapping that is switched off is not emulated; remove it")
        types = block.sequence("FunctionResponseTypes")
        if set(types) - {"ReportBatchItemFailures"}:
            raise block.error("FunctionResponseTypes", "knows ReportBatchItemFailures only")
        window_s = block.integer("MaximumBatchingWindowInSeconds", 0, lowest=0, highest=300)
        batch_size = block.integer("BatchSize", 10, lowest=1, highest=10_000)
        if batch_size > 10 and not window_s:
            raise block.error("MaximumBatchingWindowInSeconds", "is needed above a batch of 10")
        scaling = block.block("ScalingConfig")
        concurrency = scaling.optional_integer("MaximumConcurrency", lowest=2, highest=1000)
        scaling.finish({})
        block.finish(support.MAPPING_PROPERTIES_WITHOUT_EFFECT)
        return Mapping(
            queue=self._queue_ids[arn],
            function=function,
            batch_size=batch_size,
            window_s=window_s,
            report_failures=bool(types),
            maximum_concurrency=concurrency,
        )

    def _queue(self, name: str) -> Queue:
        block = self._properties(name)
        queue_name = block.text("QueueName", name)
        if not _QUEUE_NAME.fullmatch(queue_name):
            raise block.error("QueueName", f"{queue_name!r} has to be 1 to 80 of A-Z a-z 0-9 - _")
        if queue_name.endswith(".fifo") or block.take("FifoQueue", False) is True:
            raise block.error("FifoQueue", "FIFO queues are not emulated; use a standard queue")
        redrive = block.block("RedrivePolicy")
        dead_letter, max_receive_count = None, None
        if "deadLetterTargetArn" in redrive:
            arn = redrive.text("deadLetterTargetArn")
            if arn not in self._queue_ids:
                raise redrive.error("deadLetterTargetArn", f"{arn} is no queue of this template")
            dead_letter = self._resolver.name_of(self._queue_ids[arn])
            max_receive_count = redrive.integer("maxReceiveCount", 10, lowest=1, highest=1000)
        redrive.finish({})
        queue = Queue(
            logical_id=name,
            name=queue_name,
            visibility_timeout_s=block.integer("VisibilityTimeout", 30, lowest=0, highest=43_200),
            delay_s=block.integer("DelaySeconds", 0, lowest=0, highest=900),
            retention_s=block.integer(
                "MessageRetentionPeriod", 345_600, lowest=60, highest=1_209_600
            ),
            max_receive_count=max_receive_count,
            dead_letter=dead_letter,
        )
        block.finish(support.QUEUE_PROPERTIES_WITHOUT_EFFECT)
        return queue


def _merge(shared: Any, own: Any) -> Any:
    """SAM's rule for Globals: dictionaries merge, lists add up, anything else is replaced.

    Nothing is resolved yet: a function such as `!Ref` is a value, though written as a dictionary.
    """
    if is_function(shared) or is_function(own):
        return own
    if isinstance(shared, dict) and isinstance(own, dict):
        return {**shared, **{k: _merge(shared[k], v) if k in shared else v for k, v in own.items()}}
    if isinstance(shared, list) and isinstance(own, list):
        return shared + own
    return own


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
