"""The gateway's process: its three listening sockets, its clock work, its beginning and end."""

import asyncio
import errno
import gc
import logging
import resource
import signal
import time
from collections.abc import Awaitable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from local.console.parts import Parts
from local.console.queue_work import add_queue_work
from local.gateway.api import ApiGateway
from local.gateway.parts import ProcessParts
from local.http.limits import Limits
from local.http.server import Server
from local.lambda_service.asynchronous import Background
from local.lambda_service.buffered_log import BufferedLog
from local.lambda_service.dispatch import UNRESERVED_MIN, Account, Pool
from local.lambda_service.emf import EmbeddedMetrics
from local.lambda_service.environments import EnvironmentConnection
from local.lambda_service.event_store import Store
from local.lambda_service.hosts import Hosts
from local.lambda_service.invoke_api import InvokeApi
from local.lambda_service.metrics import Metrics
from local.lambda_service.output import FunctionOutput
from local.machine import requests_waiting
from local.runtime.frames import parse_address
from local.server.addresses import Addresses
from local.server.aws import AwsApis
from local.server.console_side import ConsoleSide
from local.server.tracing import PORT, Tracing
from local.sqs.api import SqsApi
from local.template import Api, Template, TemplateError
from redis_sqs.carrier import Carrier

log = logging.getLogger(__name__)

BACKLOG = 4096  # the kernel's somaxconn: a stall of a second at 1,000 connections a second fits
CONNECTIONS_MAX = 10_000
# A message of 1 MiB is longer in JSON.
CONSOLE_LIMITS = Limits(connections_max=100, body_max_bytes=2 * 1024 * 1024)
INVOKE_CONNECTIONS_MAX = 1_000  # as many as the account runs at a time
FILES_RESERVED = 512  # for environments, refused clients, logs and libraries
POOL_SWEEP_S = 0.1  # how late the deadline of an event may be noticed
SLOW_SWEEPS = 5  # connections and logs are looked at every fifth time
DRAIN_S = 10.0  # what is in hand may take at the end
QUEUE_DEADLINE_MS = 5000  # below the 10 s that clients wait
GC_THRESHOLD = 50_000  # allocations between two collections: a request leaves no cycles


class PortTaken(Exception):
    """A port on which somebody else listens where the gateway should."""


class Gateway:
    """The servers of the process and what they share."""

    def __init__(  # noqa: PLR0913  # the options of the command line
        self,
        template: Template,
        state: Path,
        addresses: Addresses,
        *,
        queue_deadline_s: float,
        concurrency: int,
        retry_s: int,
        limits: Limits,
        carrier: Carrier | None,
        python: str,
        console_views: str = "",
    ) -> None:
        functions = template.functions
        metrics = Metrics()
        self._addresses = addresses
        self._runtime = parse_address(addresses.runtime)
        self._pressure = requests_waiting.path_of(state)
        self._meters = {name: metrics.function(name) for name in functions}
        pool = partial(
            Pool, queue_deadline_s=queue_deadline_s, account=_account(template, concurrency)
        )
        self._pools = {name: pool(functions[name], meter) for name, meter in self._meters.items()}
        self._tracing = Tracing()
        metrics.registry.register(self._tracing)
        recorder = self._tracing.recorder
        self._output = FunctionOutput(
            state / "logs" / "functions", functions, EmbeddedMetrics(metrics.registry)
        )
        self._access_log = BufferedLog(state / "logs" / "access.log")
        _check_ports(template, addresses)
        shared = ProcessParts(self._pools, metrics, self._access_log, self._output, recorder)
        ports = zip(template.apis, addresses.ports, strict=True)
        self._apis = [_gateway_of(api)(api, shared, port=port) for api, port in ports]
        metrics.watch(self._pools, template.hosted, self._in_flight)
        self._hosts = Hosts(template, state, addresses.runtime, python)
        self._background = (
            Background(self._pools, self._hosts, Store(carrier), retry_s, recorder)
            if carrier
            else None
        )
        invoke_api = InvokeApi(self._pools, self._hosts, self._background, recorder)
        self._sqs = SqsApi(template, carrier) if carrier and template.queues else None
        aws = AwsApis(invoke_api, self._sqs)
        parts = Parts(
            template=template,
            state=state,
            pools=self._pools,
            metrics=metrics,
            output=self._output,
            apis=self._apis,
            aws=aws,
            has_queues=self._sqs is not None,
        )
        self._console = ConsoleSide(parts, self._tracing.store, console_views, addresses)
        if self._sqs and carrier:
            add_queue_work(self._console.page, template, carrier, self._sqs.actions)
        self._servers = self._new_servers(aws, limits)
        self._warnings = template.warnings

    def _in_flight(self) -> int:
        return sum(each.in_flight for each in self._apis)

    def _new_servers(self, aws: AwsApis, limits: Limits) -> tuple[Server, ...]:
        """Return the servers in the order of their ports; that of traces is the last."""
        of_each = replace(limits, connections_max=_connections_max() // len(self._apis))
        servers = [Server(api, of_each) for api in self._apis]
        for api, server in zip(self._apis, servers, strict=True):
            if not isinstance(api, ApiGateway):
                api.connections = server.connections
        return (
            *servers,
            Server(self._console.page, CONSOLE_LIMITS),
            Server(aws, Limits(connections_max=INVOKE_CONNECTIONS_MAX)),
            self._tracing.server,
        )

    async def run(self) -> None:
        """Listen, serve until a signal, drain. Raises PortTaken."""
        for warning in self._warnings:
            log.warning("%s", warning)
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        listeners, runtime = await self._listen(loop)
        gc.collect()
        gc.freeze()  # what stands now is never garbage
        gc.set_threshold(GC_THRESHOLD)
        apis = ", ".join(map(str, self._addresses.ports))
        log.info(
            "listening on %s: API %s, console %d, Invoke API %d",
            self._addresses.host,
            apis,
            self._addresses.console_port,
            self._addresses.invoke_port,
        )
        background = [loop.create_task(self._console.sampler.run())]
        background.append(loop.create_task(self._hosts.try_out()))
        if self._background:
            background.append(loop.create_task(self._background.run()))
        await self._tick_until(stop)
        for task in background:
            task.cancel()
        for listener in listeners:
            listener.close()
        self._console.end()
        await self._drain()
        runtime.close()
        self._hosts.stop()
        if self._sqs:
            self._sqs.stop()
        self._tracing.stop()
        log.info("stopped")

    async def _listen(
        self, loop: asyncio.AbstractEventLoop
    ) -> tuple[list[asyncio.AbstractServer], asyncio.AbstractServer]:
        host, ports = self._addresses.host, self._addresses.all_ports
        # The ports first: whoever finds one taken must not touch the other's runtime socket.
        listeners = [
            await _bound(
                loop.create_server(server.connection, host, port, backlog=BACKLOG), f"{host}:{port}"
            )
            for server, port in zip(self._servers[:-1], ports, strict=True)
        ]
        otlp_port = self._addresses.otlp_port
        otlp = self._tracing.listen(host, otlp_port)
        listeners.append(await _bound(otlp, f"{host}:{otlp_port or PORT}"))
        runtime = self._runtime
        if isinstance(runtime, str):
            Path(runtime).parent.mkdir(parents=True, exist_ok=True)
            listening = loop.create_unix_server(self._environment, runtime, backlog=BACKLOG)
        else:
            listening = loop.create_server(self._environment, *runtime, backlog=BACKLOG)
        server = await _bound(listening, str(runtime))
        if isinstance(runtime, str):
            Path(runtime).chmod(0o600)  # whoever may connect may answer for a function
        return listeners, server

    def _environment(self) -> EnvironmentConnection:
        return EnvironmentConnection(self._pools, self._meters, self._output)

    async def _tick_until(self, stop: asyncio.Event) -> None:
        ticks = 0
        while not stop.is_set():
            self._tick(ticks)
            ticks += 1
            await asyncio.sleep(POOL_SWEEP_S)  # a stop is noticed as late as a deadline

    def _tick(self, ticks: int) -> None:
        now_s = time.monotonic()
        for pool in self._pools.values():
            pool.sweep(now_s)
        if any(pool.waiting for pool in self._pools.values()):
            requests_waiting.say(self._pressure)
        if ticks % SLOW_SWEEPS == 0:
            for server in self._servers:
                server.connections.sweep(now_s)
            self._access_log.flush()
            self._output.flush()

    async def _drain(self) -> None:
        """Answer the requests in hand within DRAIN_S, then cut every connection."""
        for server in self._servers:
            server.connections.drain()
        ends_s = time.monotonic() + DRAIN_S
        while any(server.connections for server in self._servers) and time.monotonic() < ends_s:
            self._tick(0)
            await asyncio.sleep(POOL_SWEEP_S)
        for server in self._servers:
            server.connections.abort()
        self._tick(0)


def _gateway_of(api: Api) -> Any:
    """Return the class that serves an API; that of WebSockets is imported where there are some."""
    if api.kind != "WEBSOCKET":
        return ApiGateway
    from local.websockets.api import WebSocketGateway  # noqa: PLC0415 - 40 ms

    return WebSocketGateway


def _check_ports(template: Template, addresses: Addresses) -> None:
    """Raise TemplateError where there is not one port for each API."""
    if len(template.apis) != len(addresses.ports):
        names = ", ".join(api.name for api in template.apis)
        sentence = (
            f"there are {len(addresses.ports)} ports for the APIs {names};"
            " give --api-port for each API behind the first"
        )
        raise TemplateError(template.path, "", "", sentence)


def _account(template: Template, concurrency: int) -> Account:
    """Return the account's concurrency. Raises TemplateError as AWS refuses to deploy."""
    account = Account(template.functions.values(), concurrency)
    for name, function in template.functions.items():
        if function.reserved_concurrency and account.unreserved < UNRESERVED_MIN:
            sentence = (
                f"all reservations leave {account.unreserved} of the account's {concurrency} free,"
                f" AWS wants {UNRESERVED_MIN}; lower it, or raise --account-concurrency"
            )
            raise TemplateError(template.path, name, "ReservedConcurrentExecutions", sentence)
    return account


async def _bound(
    listening: Awaitable[asyncio.AbstractServer], address: str
) -> asyncio.AbstractServer:
    try:
        return await listening
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"{address} is taken; stop what listens there or choose another"
            ) from error
        raise PortTaken(f"cannot listen on {address}: {error.strerror}; choose another") from error


def _connections_max() -> int:
    """Raise the limit of open files as far as it goes; return the connections that fit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = CONNECTIONS_MAX + FILES_RESERVED
    allowed = files if hard == resource.RLIM_INFINITY else min(hard, files)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(allowed - FILES_RESERVED, 1)
