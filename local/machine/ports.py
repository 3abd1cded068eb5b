"""The ports of one system on loopback."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The port of each server; `others` are those of an extension, by name."""

    gateway: int = 5002
    apis: tuple[int, ...] = ()  # of the second API and those behind it; free ones after the first's
    console: int = 5080
    invoke: int = 3001  # the Lambda Invoke API
    workers: tuple[int, ...] = tuple(range(9100, 9105))  # their metrics
    documents: int = 27017  # or the next free one
    documents_metrics: int = 9105  # or the next free one
    valkey: int = 6379  # or the next free one
    services: int = 4566  # AWS's other services; or the next free one
    otlp: int = 4318  # where OpenTelemetry's exporters send spans; or the next free one
    others: Mapping[str, int] = field(default_factory=dict)

    def all(self) -> Iterator[int]:
        """Yield every port."""
        yield from (self.gateway, self.console, self.invoke, self.documents, self.valkey)
        yield from (self.documents_metrics, self.services, self.otlp)
        yield from self.apis
        yield from self.workers
        yield from self.others.values()
