"""The system to start, made of options and environment, or their refusal in one sentence."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from local.daemon import arguments
from local.machine import other_services
from local.machine.extension import Extension
from local.machine.ports import Ports
from local.machine.processes import System
from local.machine.queue_carrier import carrier_of
from local.machine.stores import NoFreePort, Valkey, is_taken, port_or_next
from local.machine.wiring import variables
from local.runtime import import_failures
from local.runtime.frames import AddressError, parse_address
from local.template import NotEmulated, Template, TemplateError, service_values
from local.template.options import chosen
from local.template.service_kinds import PENDING

WORKERS = 5
FIRST_METRICS_PORT = 9100
DEFAULTS = Ports()
NEXT_FREE = "; the next free one where it is taken"
SETTABLE = {
    "gateway": "port of the API",
    "console": "port of the console and the gateway's metrics",
    "invoke": "port of the Lambda Invoke API",
    "documents": f"port of the document store{NEXT_FREE}",
    "valkey": f"port of Valkey{NEXT_FREE}",
    "services": f"port of AWS's other services{NEXT_FREE}",
}


class BadInput(Exception):
    """What the user gave cannot be started; the message says what to do."""


def add_options(parser: argparse.ArgumentParser, extension: Extension) -> None:
    """Give a command an option for each port."""
    known = {name: (getattr(DEFAULTS, name), what) for name, what in SETTABLE.items()}
    for name, (default, what) in {**known, **extension.ports}.items():
        flag = "--port" if name == "gateway" else f"--{name}-port"
        parser.add_argument(
            flag,
            dest=f"{name}_port",
            type=arguments.port,
            metavar="PORT",
            help=f"{what} (or {name.upper()}_PORT; default: {default})",
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


def read(options: argparse.Namespace) -> Template:
    """Return the template that the options name; raises BadInput."""
    try:
        return chosen(options, PENDING)
    except NotEmulated as error:
        if options.allow_unsupported:
            raise BadInput(str(error)) from error
        hint = "--allow-unsupported leaves it out, `python -m local explain` lists all such"
        raise BadInput(f"{error} ({hint})") from error
    except TemplateError as error:
        raise BadInput(str(error)) from error


def make(
    options: argparse.Namespace,
    template: Template,
    environ: Mapping[str, str],
    extension: Extension,
) -> tuple[System, dict[str, str]]:
    """Return the system and the environment of its processes; raises BadInput."""
    _make_directory(options.state)
    try:
        longest = max(map(len, template.functions), default=0)
        parse_address(f"unix:{options.state}/run/worker-0-00-{'x' * longest}.sock")
        ports = _ports(options, environ, extension)
        services = other_services.chosen(template, options.services, tuple(options.on_aws))
    except other_services.UnknownService as error:
        raise BadInput(str(error)) from error
    except AddressError as error:
        raise BadInput(f"{error} by --state, for example /tmp/mine") from error
    except NoFreePort as error:
        raise BadInput(str(error)) from error
    socket_path = options.state / "run" / "valkey.sock"
    valkey = Valkey(directory=options.state / "data", port=ports.valkey, socket_path=socket_path)
    system = System(
        template=template,
        state=options.state,
        ports=ports,
        valkey=None if "REDIS_URL" in environ else valkey,
        embedded_documents="MONGO_URL" not in environ,
        services=services,
        simulators=tuple(extension.processes(template, options.state, ports)),
    )
    _check_ports(system)
    service_values.path_of(options.state).unlink(missing_ok=True)  # of the services before
    import_failures.forget_all(options.state)
    try:
        environment = variables(
            environ,
            template,
            state=options.state,
            ports=ports,
            redis_url=valkey.url,
            services=services,
            extension=extension.settings(options.state, ports),
        )
        carrier_of(environment)
        extension.check(template, environment)
    except (TemplateError, OSError, ValueError) as error:
        raise BadInput(str(error)) from error
    return system, environment


def _check_ports(system: System) -> None:
    for process in system.processes():
        for port, setting in process.port_settings:
            if is_taken(port):
                raise BadInput(
                    f"port {port} of {process.name} is taken;"
                    f" stop what listens there or choose another with {setting}"
                )


def _make_directory(state: Path) -> None:
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sentence = f"{state} cannot be made ({error.strerror})"
        raise BadInput(f"{sentence}; choose another directory with --state") from error


def _ports(options: argparse.Namespace, environ: Mapping[str, str], extension: Extension) -> Ports:
    defaults = {name: getattr(DEFAULTS, name) for name in SETTABLE}
    defaults |= {name: default for name, (default, _) in extension.ports.items()}
    numbers = {}
    for name, default in defaults.items():
        option = getattr(options, f"{name}_port")
        numbers[name] = option or _port(environ, f"{name.upper()}_PORT", default)
    # The usual port of a store is often another project's; nobody types these addresses.
    for name in ("documents", "valkey", "services"):
        numbers[name] = port_or_next(numbers[name])
    workers = [
        _port(environ, f"WORKER_{index}_PORT", FIRST_METRICS_PORT + index)
        for index in range(WORKERS)
    ]
    others = {name: numbers.pop(name) for name in extension.ports}
    return Ports(**numbers, workers=tuple(workers), others=others)


def _port(environ: Mapping[str, str], setting: str, default: int) -> int:
    value = environ.get(setting, str(default))
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise BadInput(f"{setting}={value!r} is no port; give a number from 1 to 65535")
    return int(value)
