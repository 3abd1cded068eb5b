"""The records of a template that was read, and the error that refuses one.

Every path is absolute; every name is resolved. Records of the API are in `api_records`; how YAML
becomes them is in `build`.
"""

import math
from collections.abc import Mapping as ReadOnlyDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.template.api_records import Api, Authorizer
from local.template.cron import Cron


class TemplateError(Exception):
    """The template cannot be run here; says where and what to do."""

    def __init__(
        self, file: Path, resource: str, property: str, sentence: str, line: int = 0
    ) -> None:
        super().__init__(sentence)
        self.file = file
        self.resource = resource
        self.property = property
        self.sentence = sentence
        self.line = line  # 0 where it is not known

    def __str__(self) -> str:
        file = f"{self.file}:{self.line}" if self.line else str(self.file)
        return ": ".join(
            part for part in (file, self.resource, self.property, self.sentence) if part
        )


class NotEmulated(TemplateError):
    """AWS would run it, this machine cannot; the user may have it left out with a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The destination of a record: a queue by its name, a function by its logical id, or an ARN."""

    kind: str  # SQS, Lambda, SNS or EventBridge
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asynchronous:
    """The treatment of a function's asynchronous events; the defaults are Lambda's."""

    retries_max: int = 2  # after the handler failed
    age_max_s: int = 21_600  # an older event is given up
    on_success: Target | None = None
    on_failure: Target | None = None
    dead_letter: Target | None = None  # gets the bare event


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """The form and level of a function's log."""

    is_json: bool = False
    level: str = ""  # below which `logging` drops a line; none where it is text
    says_all: bool = True  # of Lambda's own lines, else only those about failures
    group: str = ""  # where the template names one


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerBuild:
    """A layer that the Makefile in its folder builds, by its target build-LOGICALID."""

    logical_id: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A Lambda function. `name` is its FunctionName, or the logical id where none is given."""

    logical_id: str
    name: str
    handler: str  # dotted module and attribute, for example payments.app.worker
    code_uri: Path
    layers: tuple[Path, ...]  # folders of modules, in the order in which they are searched
    timeout_s: int
    memory_mb: int
    environment: ReadOnlyDict[str, str]  # without the variables whose value only AWS knows
    reserved_concurrency: int | None
    environments: int  # processes on this machine, from Metadata.Spillway.Environments
    storage_mb: int = 512  # of its temporary directory
    runtime: str = ""  # as declared; what runs is the Python that everything here has
    every_s: int | None = None  # of its schedules here; AWS has none shorter than a minute
    priority: int | None = None  # 1 is the most important: others make room for it first
    asynchronous: Asynchronous = Asynchronous()
    logging: Logging = Logging()
    requirements: tuple[str, ...] = ()  # lines for pip, in the place of layers of others
    layer_builds: tuple[LayerBuild, ...] = ()
    is_built_by_make: bool = False  # its Makefile has a target build-LOGICALID
    is_debugged: bool = False  # a person steps through it: nothing is timed
    runtime_client: str = ""  # awslambdaric or bootstrap, where the handler is not run by ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """An SQS queue."""

    logical_id: str
    name: str
    visibility_timeout_s: int
    delay_s: int
    retention_s: int
    max_receive_count: int | None
    dead_letter: str | None  # the name of the dead-letter queue
    message_bytes_max: int = 1_048_576
    wait_s: int = 0  # of a receive by the SQS API that names none
    deduplicates_content: bool = False  # FIFO: the body's digest is its deduplication id
    deduplicates_by_group: bool = False  # FIFO: the same id in another group is another message
    throughput_limit: str = "perQueue"  # FIFO; of AWS, without an effect here
    is_encrypted_by_sqs: bool = True  # of AWS, without an effect here
    others: ReadOnlyDict[str, str] = field(default_factory=dict)  # SQS attributes without an effect
    tags: ReadOnlyDict[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] | None = None  # ARNs whose dead letters it takes; None is any

    @property
    def is_fifo(self) -> bool:
        return self.name.endswith(".fifo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """An event source mapping: which function the messages of which queue are given to."""

    queue: str  # logical id
    function: str  # logical id
    batch_size: int
    window_s: int
    report_failures: bool
    maximum_concurrency: int | None
    filters: tuple[str, ...] = ()  # patterns, JSON; a message that matches none is deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMapping:
    """An event source mapping from the stream of a table or a Kinesis stream to a function."""

    stream: str  # its ARN; a placeholder until the service has said it
    function: str  # logical id
    batch_size: int
    window_s: int
    starts: str  # TRIM_HORIZON, LATEST or AT_TIMESTAMP
    starts_at_s: float = 0.0  # for AT_TIMESTAMP, since the epoch
    retries_max: int = -1  # -1 for as long as the record lives
    age_max_s: int = -1
    bisects: bool = False  # a failed batch of more than one is halved
    report_failures: bool = False
    filters: tuple[str, ...] = ()
    on_failure: str = ""  # ARN of a queue or topic

    @property
    def is_of_table(self) -> bool:
        return ":kinesis:" not in self.stream


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSubscription:
    """What gets the lines of a function's log: a subscription filter."""

    name: str
    group: str  # of the log
    function: str  # logical id
    destination: str  # ARN of a function, or of a stream of Kinesis or Firehose
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The times at which the clock invokes a function or sends to a queue, and what it gives."""

    function: str  # logical id, empty for a queue
    every_s: int | None = None
    cron: Cron | None = None
    event: object = None  # None is the event that EventBridge makes; of a queue its text
    arn: str = ""  # of the rule or schedule
    queue: str = ""  # logical id
    group: str = ""  # of its messages, where the queue is FIFO
    starts_s: float = 0  # epoch; no run is before
    ends_s: float = math.inf  # epoch; no run is after


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A whole template; `functions` and `queues` are keyed by logical id."""

    path: Path
    apis: tuple[Api, ...]  # at least one; the first has the main address
    functions: ReadOnlyDict[str, Function]
    queues: ReadOnlyDict[str, Queue]
    mappings: tuple[Mapping, ...]
    schedules: tuple[Schedule, ...] = ()
    streams: tuple[StreamMapping, ...] = ()
    log_subscriptions: tuple[LogSubscription, ...] = ()
    # What other services make: type and properties by logical id, as CloudFormation says them.
    made: ReadOnlyDict[str, ReadOnlyDict[str, Any]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()  # what was left out, a sentence each
    calls: frozenset[str] = frozenset()  # services that functions may call, by their policies
    placeholders: frozenset[str] = frozenset()  # for what only services know
    parameters: ReadOnlyDict[str, str] = field(default_factory=dict)  # as given, without defaults
    allow_unsupported: bool = False
    provides: frozenset[str] = frozenset()  # settings whose value is this machine's, by name
    debugged: str = ""  # the function that a debugger may attach to, by logical id
    ready_path: str | None = None  # a GET route that answers 200 once all is ready

    @property
    def options(self) -> tuple[str, ...]:
        """The command line options with which another process reads the same template."""
        parameters = (f"--parameter={name}={value}" for name, value in self.parameters.items())
        allowing = ("--allow-unsupported",) if self.allow_unsupported else ()
        debugging = ("--debug", self.debugged) if self.debugged else ()
        return ("--template", str(self.path), *parameters, *allowing, *debugging)

    @property
    def api(self) -> Api:
        """The API at the main address."""
        return self.apis[0]

    @property
    def on_demand(self) -> list[str]:
        """Functions that nobody keeps environments for before an event comes, by logical id.

        A template that says what it takes from this machine has none: nothing is tried for it.
        """
        others = {*self.hosted, *(mapping.function for mapping in self.mappings)}
        others |= {schedule.function for schedule in self.schedules}
        return [] if self.provides else sorted(self.functions.keys() - others)

    @property
    def hosted(self) -> list[str]:
        """Functions that the gateway invokes, by logical id, with the one that is debugged."""
        authorizers = [
            authorizer.function
            for api in self.apis
            for authorizer in api.authorizers.values()
            if isinstance(authorizer, Authorizer)
        ]
        routes = [route for api in self.apis for route in api.routes if route.function]
        debugged = [self.debugged] if self.debugged else []
        return sorted({*(route.function for route in routes), *authorizers, *debugged})
