"""The addresses of the gateway's process."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The addresses at which the gateway listens."""

    host: str
    ports: tuple[int, ...]  # of the APIs
    console_port: int
    invoke_port: int
    otlp_port: int | None  # the usual one, or the next that is free
    runtime: str  # unix:/path or tcp:host:port, where environments dial in

    @property
    def all_ports(self) -> tuple[int, ...]:
        return (*self.ports, self.console_port, self.invoke_port)
