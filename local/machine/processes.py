"""The table of the processes that `up` starts: command, address, and how to see it is ready."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from local.daemon.wording import counted
from local.machine.other_services import OtherServices
from local.machine.ports import Ports
from local.machine.stores import Valkey, listens
from local.machine.wiring import documents_socket
from local.runtime import interpreter
from local.runtime.interpreter import Interpreter
from local.template import Template, service_values


class Stage(IntEnum):
    """The order in which processes start; they stop in the reverse one.

    Workers stop first, so that nothing new is taken from the queues; then the gateway answers what
    it has accepted, for which it needs the hosts; what they all write to stops last.
    """

    STORE = 0
    OUTSIDE = 1
    HOST = 2
    GATEWAY = 3
    WORKER = 4


# How long a stage may drain before it is killed; together below the 10 s that `down` may take.
GRACE_S = {
    Stage.WORKER: 4.5,
    Stage.GATEWAY: 2.0,
    Stage.HOST: 1.0,
    Stage.OUTSIDE: 0.5,
    Stage.STORE: 1.5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One line of the table."""

    name: str
    stage: Stage
    command: tuple[str, ...]
    address: str
    answers: Callable[[], bool] = lambda: True
    port_settings: tuple[
        tuple[int, str], ...
    ] = ()  # ports that must be free, with the setting to change


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """The template, ports and stores that decide which processes there are."""

    template: Template
    state: Path
    ports: Ports
    valkey: Valkey | None  # None: REDIS_URL names one that is not ours
    embedded_documents: bool  # False: MONGO_URL names a server that is not ours
    python: Interpreter  # that functions run on
    settings: Mapping[str, str]  # what it is started with, by option or variable
    services: OtherServices = field(default_factory=OtherServices)
    simulators: tuple[Process, ...] = ()  # the outside world of an extension
    console_views: str = ""  # the module with those of an extension

    def processes(self) -> list[Process]:
        """Return the table, in the order in which the processes are started."""
        serving = (*self._hosts(), self._gateway(), *self._workers())
        return [*self._stores(), *self.simulators, *serving]

    @property
    def _of_template(self) -> tuple[object, ...]:
        """Return the options of each process that reads the template."""
        return (*self.template.options, "--state", self.state)

    def _wants(self, variable: str) -> bool:
        return variable in self.template.provides

    def _stores(self) -> Iterator[Process]:
        if self.valkey:
            yield Process(
                name="valkey",
                stage=Stage.STORE,
                command=tuple(self.valkey.command),
                address=f"redis://127.0.0.1:{self.ports.valkey}",
                answers=self.valkey.answers,
            )
        if self.embedded_documents and self._wants("MONGO_URL"):
            data = self.state / "data" / "documents.sqlite"
            port, metrics = self.ports.documents, self.ports.documents_metrics
            yield Process(
                name="documents",
                stage=Stage.STORE,
                command=python(
                    *("local.documents", "--port", port, "--data", data),
                    *("--socket", documents_socket(self.state)),
                    *("--metrics-port", metrics),
                ),
                address=f"mongodb://127.0.0.1:{port} http://127.0.0.1:{metrics}/metrics",
                answers=lambda: listens(port),
            )
        if self.services.are_needed:
            yield self._services()

    def _services(self) -> Process:
        """Return AWS's other services; they are ready once the template's resources are made."""
        port, made = self.ports.services, service_values.path_of(self.state)
        url = self.services.elsewhere
        elsewhere: tuple[str, ...] = ("--endpoint", url) if url else ()
        has_mailbox = any(each.name == "mailbox" for each in self.simulators)
        smtp = ("--mailbox", f"127.0.0.1:{self.ports.others['smtp']}") if has_mailbox else ()
        return Process(
            name="services",
            stage=Stage.STORE,
            command=python(
                "local.services",
                *self._of_template,
                *("--port", port, "--gateway", f"http://127.0.0.1:{self.ports.invoke}"),
                *(*elsewhere, *smtp),
            ),
            address=self.services.url(port),
            answers=made.is_file,
        )

    def _hosts(self) -> Iterator[Process]:
        for function in self.template.hosted:
            connect = f"unix:{self.state / 'run' / 'gateway.sock'}"
            is_debugged = function == self.template.debugged
            environments = self.template.functions[function].environments
            yield Process(
                name=function,
                stage=Stage.HOST,
                command=tuple(
                    interpreter.command(
                        self.python.path,
                        "local.runtime.host",
                        *(*self._of_template, "--function", function, "--connect", connect),
                        *(("--debug-port", self.ports.debug) if is_debugged else ()),
                    )
                ),
                address=f"debugpy://127.0.0.1:{self.ports.debug}"
                if is_debugged
                else counted(environments, "environment"),
            )

    def _gateway(self) -> Process:
        ports = self.ports
        views = ("--console-views", self.console_views) if self.console_views else ()
        return Process(
            name="gateway",
            stage=Stage.GATEWAY,
            command=python(
                "local.server",
                *(*self._of_template, "--port", ports.gateway, "--console-port", ports.console),
                *("--invoke-port", ports.invoke, "--otlp-port", ports.otlp),
                *("--python", self.python.path, *views),
                *(part for port in ports.apis for part in ("--api-port", port)),
            ),
            address=" ".join(
                (
                    *(f"http://127.0.0.1:{port}" for port in (ports.gateway, *ports.apis)),
                    f"http://127.0.0.1:{ports.console} http://127.0.0.1:{ports.invoke}",
                    f"http://127.0.0.1:{ports.otlp}/v1/traces",
                )
            ),
            answers=lambda: all(
                map(listens, (ports.gateway, *ports.apis, ports.console, ports.invoke))
            ),
            port_settings=(
                (ports.gateway, "--port"),
                (ports.console, "--console-port"),
                (ports.invoke, "--invoke-port"),
            ),
        )

    def _workers(self) -> Iterator[Process]:
        ports = self.ports.workers
        # One worker runs a schedule; without one nothing would, where there is no queue.
        count = len(ports) if self.template.mappings else bool(self.template.schedules)
        for index, port in enumerate(ports[:count]):
            yield Process(
                name=f"worker-{index}",
                stage=Stage.WORKER,
                command=python(
                    "queue_workers",
                    *(*self._of_template, "--python", self.python.path),
                    *("--index", index, "--metrics-port", port),
                ),
                address=f"http://127.0.0.1:{port}/metrics",
                answers=_listening(port),
                port_settings=((port, f"WORKER_{index}_PORT"),),
            )


def python(module: str, *arguments: object) -> tuple[str, ...]:
    """Return the command of one of our own modules."""
    return tuple(interpreter.command(interpreter.OWN.path, module, *arguments))


def _listening(port: int) -> Callable[[], bool]:
    return lambda: listens(port)
