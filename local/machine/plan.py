"""The system to start, made of options and environment, or their refusal in one sentence."""

import argparse
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryFile

from local.daemon import arguments
from local.daemon.arguments import PROGRAM
from local.machine import other_services, readiness
from local.machine.extension import Extension
from local.machine.inherited import check_local, check_store
from local.machine.ports import Ports
from local.machine.processes import System
from local.machine.queue_carrier import carrier_of, redis_url_of
from local.machine.requested import (
    SERVERS,
    STORES,
    WORKERS,
    NoPort,
    default_ports,
    flag,
    requested_ports,
    settings,
)
from local.machine.stores import NoFreePort, Valkey, is_taken, port_or_next
from local.machine.wiring import INVOKE_URL, SQS_URL, redis_url_file, variables
from local.runtime import debugger, import_failures, interpreter
from local.runtime.frames import AddressError, parse_address
from local.runtime.interpreter import Interpreter
from local.template import NotEmulated, Template, TemplateError, samconfig, service_values
from local.template.options import chosen
from local.template.service_kinds import PENDING
from local.traces.export import collector_url

NEXT_FREE = "; the next free one where it is taken"
SENTENCES = {
    "gateway": "port of the API",
    "console": "port of the console and the gateway's metrics",
    "invoke": "port of the Lambda Invoke API",
    "documents": f"port of the document store{NEXT_FREE}",
    "documents_metrics": f"port of the document store's metrics{NEXT_FREE}",
    "valkey": f"port of Valkey{NEXT_FREE}",
    "services": f"port of AWS's other services{NEXT_FREE}",
    "otlp": f"port that takes OpenTelemetry's spans{NEXT_FREE}",
    "debug": f"port where a debugger attaches to the function of --debug{NEXT_FREE}",
}


class BadInput(Exception):
    """A system that cannot be started as the user wants it; the message says what to do."""


def add_options(parser: argparse.ArgumentParser, extension: Extension) -> None:
    """Give a command the options of a system."""
    _add_ports(parser, extension)
    parser.add_argument(
        "--workers",
        type=arguments.number(1, WORKERS),
        metavar="NUMBER",
        help="worker processes, each with an environment for every queue and schedule"
        f" (default: {WORKERS})",
    )
    parser.add_argument(
        "--services",
        nargs="?",
        const=other_services.ON,
        metavar="URL",
        help="start AWS's other services also where the template has none of their resources;"
        " with a URL take those that run there, with `off` none",
    )
    parser.add_argument(
        "--aws",
        dest="on_aws",
        action="append",
        default=[],
        metavar="SERVICE",
        help="let functions call this service on AWS, with your credentials; may be given again",
    )


def _add_ports(parser: argparse.ArgumentParser, extension: Extension) -> None:
    """Add an option for each port; those of a backend are shown where it is."""
    sentences = {**SENTENCES, **{name: what for name, (_, what) in extension.ports.items()}}
    defaults = default_ports(extension)
    is_at_home = extension.is_at_home(arguments.default_template().parent)
    for name, what in sentences.items():
        is_shown = is_at_home or name in SENTENCES
        parser.add_argument(
            flag(name),
            dest=f"{name}_port",
            type=arguments.port,
            metavar="PORT",
            help=f"{what} (or {name.upper()}_PORT; default: {defaults[name]})"
            if is_shown
            else argparse.SUPPRESS,
        )


def add_python(parser: argparse.ArgumentParser) -> None:
    """Give a command the option of the Python that functions run on."""
    parser.add_argument(
        "--python",
        metavar="PATH",
        help="Python that functions run on, with its packages"
        " (default: the active virtual environment's, else the one that runs this)",
    )


def add_config_env(parser: argparse.ArgumentParser) -> None:
    """Give a command the option of the environment in `samconfig.toml`."""
    parser.add_argument(
        "--config-env",
        default="default",
        metavar="NAME",
        help="environment of samconfig.toml whose parameter_overrides are taken; --parameter goes"
        " before them (default: %(default)s)",
    )


def python_of(options: argparse.Namespace) -> Interpreter:
    """Return the Python that functions run on; raises BadInput."""
    try:
        return interpreter.chosen(options.python, os.environ)
    except interpreter.NotUsable as error:
        raise BadInput(str(error)) from error


def read(options: argparse.Namespace) -> Template:
    """Return the template that the options name; raises BadInput."""
    try:
        values = samconfig.overrides(options.template, options.config_env)
        options.parameters = [*(values | dict(options.parameters)).items()]
        return chosen(options, PENDING)
    except NotEmulated as error:
        if options.allow_unsupported:
            raise BadInput(str(error)) from error
        hint = f"--allow-unsupported leaves it out, `{PROGRAM} explain` lists all such"
        raise BadInput(f"{error} ({hint})") from error
    except TemplateError as error:
        raise BadInput(str(error)) from error


def make(
    options: argparse.Namespace,
    template: Template,
    environ: Mapping[str, str],
    extension: Extension,
    python: Interpreter,
) -> tuple[System, dict[str, str]]:
    """Return the system and the environment of its processes; raises BadInput.

    What can be refused without a directory is refused before one is made.
    """
    try:
        collector_url(environ)  # raises where it cannot be used
        if template.debugged and not debugger.is_installed():
            raise BadInput("--debug needs debugpy; `pip install 'spillway[debug]'`")
        system = _system(options, template, environ, extension, python)
        readiness.check(template)
        _check_ports(system)
        _check_inherited(environ, template, options.state, system.ports)
        _make_directory(options.state)
        service_values.path_of(options.state).unlink(missing_ok=True)  # of the services before
        import_failures.forget_all(options.state)
        environment = variables(
            environ,
            template,
            state=options.state,
            ports=system.ports,
            redis_url=_valkey(options.state, system.ports).url,
            services=system.services,
            extension=extension.settings(options.state, system.ports),
        )
        carrier_of(environment)
        extension.check(template, environment)
    except AddressError as error:
        raise BadInput(f"{error} by --state, for example /tmp/mine") from error
    except (NoFreePort, TemplateError, OSError, ValueError) as error:
        raise BadInput(str(error)) from error
    return system, environment


def _system(
    options: argparse.Namespace,
    template: Template,
    environ: Mapping[str, str],
    extension: Extension,
    python: Interpreter,
) -> System:
    """Return the system that is requested. Raises AddressError, NoFreePort and NoPort."""
    state: Path = options.state
    longest = max(map(len, template.functions), default=0)
    parse_address(f"unix:{state}/run/worker-0-00-{'x' * longest}.sock")
    requested = requested_ports(options, environ, extension)
    numbers = {**default_ports(extension), **requested}
    workers = options.workers or WORKERS
    is_at_home = extension.is_at_home(template.path.parent)
    fixed = extension.ports if is_at_home else ()
    ports = _ports(
        numbers, {*requested, *fixed}, extension, workers=workers, apis=len(template.apis)
    )
    is_reloading = is_set(environ, "RELOAD")
    return System(
        template=template,
        state=state,
        ports=ports,
        valkey=None if _redis_of_shell(environ, state) else _valkey(state, ports),
        embedded_documents="MONGO_URL" not in environ,
        python=python,
        settings=settings(numbers, options, python=python.path, reload=is_reloading),
        services=other_services.chosen(template, options.services, tuple(options.on_aws)),
        simulators=tuple(extension.processes(template, state, ports)),
        console_views=extension.console_views(template),
    )


def _valkey(state: Path, ports: Ports) -> Valkey:
    return Valkey(
        directory=state / "data", port=ports.valkey, socket_path=state / "run" / "valkey.sock"
    )


def differing(
    options: argparse.Namespace,
    environ: Mapping[str, str],
    extension: Extension,
    python: Interpreter,
    running: Mapping[str, str],
) -> list[str]:
    """Return the settings of what runs that are now requested otherwise, as `--port 5002`."""
    try:
        ports = requested_ports(options, environ, extension)
    except NoPort as error:
        raise BadInput(str(error)) from error
    requested = settings(
        ports,
        options,
        python=python.path if options.python else "",
        reload=is_set(environ, "RELOAD"),
    )
    return [
        f"{name} {running[name]}" if name in running else f"no {name}"
        for name, value in requested.items()
        if running.get(name) != value
    ]


def is_set(environ: Mapping[str, str], name: str) -> bool:
    """Return whether a variable switches something on."""
    return environ.get(name, "") not in ("", "0")


def _check_ports(system: System) -> None:
    """Refuse ports that are taken, all at once: another checkout's system takes most of them."""
    port_settings = [
        (*each, process) for process in system.processes() for each in process.port_settings
    ]
    conflicts = [
        (port, setting, process) for port, setting, process in port_settings if is_taken(port)
    ]
    if len(conflicts) == 1:
        port, setting, process = conflicts[0]
        raise BadInput(
            f"port {port} of {process.name} is taken;"
            f" stop what listens there or choose another with {setting}"
        )
    if conflicts:
        ports = ", ".join(f"{port} ({setting})" for port, setting, _ in conflicts)
        raise BadInput(
            f"the ports {ports} are taken, perhaps by the system of another folder;"
            " stop what listens there or choose others by what stands in brackets"
        )
    settings_of: dict[int, str] = {}
    for port, setting, _ in port_settings:
        if port in settings_of:
            raise BadInput(f"{settings_of[port]} and {setting} are both {port}; choose two ports")
        settings_of[port] = setting


def _check_inherited(
    environ: Mapping[str, str], template: Template, state: Path, ports: Ports
) -> None:
    """Refuse addresses in the shell where nothing answers; each process would wait for them."""
    if name := _redis_of_shell(environ, state):
        check_store(name, redis_url_of(environ))
    if "MONGO_URL" in environ and "MONGO_URL" in template.provides:
        check_store("MONGO_URL", environ["MONGO_URL"])
    others = sorted(template.provides & {"PROVIDER_URL", "SMTP_URL"})
    check_local((*others, INVOKE_URL, SQS_URL), environ, {*ports.all()})


def _redis_of_shell(environ: Mapping[str, str], state: Path) -> str:
    """Return the variable that names a Redis which is not ours to start, or nothing."""
    if "REDIS_URL" in environ:
        return "REDIS_URL"
    own = str(redis_url_file(state))
    return "REDIS_URL_FILE" if environ.get("REDIS_URL_FILE", own) != own else ""


def _make_directory(state: Path) -> None:
    try:
        state.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=state):
            pass
    except OSError as error:
        does = "written to" if state.is_dir() else "made"
        sentence = f"{state} cannot be {does} ({error.strerror})"
        raise BadInput(f"{sentence}; choose another directory with --state") from error


def _ports(
    numbers: Mapping[str, int],
    requested: Collection[str],
    extension: Extension,
    *,
    workers: int,
    apis: int,
) -> Ports:
    """Return the ports; where nobody types an address, the next free one for one that is taken."""
    names_of_workers = [f"worker_{index}" for index in range(workers)]
    others = (*names_of_workers, *extension.ports)
    movable = [*STORES, *(name for name in others if name not in requested)]
    named = {number for name, number in numbers.items() if name not in movable}
    moved: dict[str, int] = {}
    for name in movable:
        moved[name] = port_or_next(numbers[name], named.union(moved.values()))
    numbers = {**numbers, **moved}
    further: list[int] = []
    for _ in range(1, apis):
        used_ports = named.union(moved.values(), further)
        further.append(port_or_next(max(numbers["gateway"], *further, 0) + 1, used_ports))
    return Ports(
        apis=tuple(further),
        **{name: numbers[name] for name in (*SERVERS, *STORES)},
        workers=tuple(numbers[name] for name in names_of_workers),
        others={name: numbers[name] for name in extension.ports},
    )
