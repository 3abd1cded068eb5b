"""What a template says once it is read: frozen records, and the error that refuses one.

Every path is absolute; every name is resolved. How YAML becomes these records is in `build`.
"""

from collections.abc import Mapping as ReadOnlyDict
from dataclasses import dataclass
from pathlib import Path


class TemplateError(Exception):
    """The template cannot be run here; says where and what to do."""

    def __init__(self, file: Path, resource: str, property: str, sentence: str) -> None:
        self.file = file
        self.resource = resource
        self.property = property
        self.sentence = sentence
        place = ": ".join(part for part in (str(file), resource, property) if part)
        super().__init__(f"{place}: {sentence}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A Lambda function. `name` is its FunctionName, or the logical id where none is given."""

    logical_id: str
    name: str
    handler: str  # dotted module and attribute, for example payments.app.worker
    code_uri: Path
    layers: tuple[Path, ...]  # content roots: what Lambda unpacks to /opt, so with python/ inside
    timeout_s: int
    memory_mb: int
    environment: ReadOnlyDict[str, str]  # without the variables whose value only AWS knows
    reserved_concurrency: int | None
    environments: int  # processes on this machine, from Metadata.Spillway.Environments
    every_s: int | None = None  # of its schedules here; AWS has none shorter than a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one resource; `function` and `authorizer` are names in the same template."""

    method: str
    path: str
    function: str  # logical id
    authorizer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorizer:
    """A Lambda authorizer of kind TOKEN."""

    name: str
    function: str  # logical id
    kind: str
    header: str
    validation: str | None  # a regular expression the token must match
    ttl_s: int  # 0 switches the cache off


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayResponse:
    """How the gateway words one kind of its own errors; texts may have `$context.` variables."""

    kind: str
    status: int | None  # None keeps the status of the kind
    headers: ReadOnlyDict[str, str]
    body_template: str | None  # None keeps AWS's own body


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """A token bucket for one method of one resource; `*` stands for any."""

    path: str
    method: str
    rate_per_s: float
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The one REST API of the template."""

    stage: str
    routes: tuple[Route, ...]
    authorizers: ReadOnlyDict[str, Authorizer]
    gateway_responses: ReadOnlyDict[str, GatewayResponse]
    throttles: tuple[Throttle, ...]
    binary_types: tuple[str, ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """An event source mapping: which function the messages of which queue are given to."""

    queue: str  # logical id
    function: str  # logical id
    batch_size: int
    window_s: int
    report_failures: bool
    maximum_concurrency: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How often a function is invoked by the clock, and the event it is given."""

    function: str  # logical id
    every_s: int
    event: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A whole template; `functions` and `queues` are keyed by logical id."""

    path: Path
    api: Api
    functions: ReadOnlyDict[str, Function]
    queues: ReadOnlyDict[str, Queue]
    mappings: tuple[Mapping, ...]
    schedules: tuple[Schedule, ...] = ()
    warnings: tuple[str, ...] = ()  # what was left out, a sentence each

    @property
    def hosted(self) -> list[str]:
        """Functions that the gateway invokes, by logical id."""
        authorizers = [authorizer.function for authorizer in self.api.authorizers.values()]
        return sorted({*(route.function for route in self.api.routes), *authorizers})
