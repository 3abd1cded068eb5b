"""The settings by which two starts of a system differ, named as their options and variables are."""

import argparse
from collections.abc import Mapping

from local.machine.extension import Extension
from local.machine.ports import Ports

WORKERS = 5
FIRST_METRICS_PORT = 9100
SERVERS = ("gateway", "console", "invoke")
STORES = (
    "documents",
    "documents_metrics",
    "valkey",
    "services",
    "otlp",
)  # or the next port that is free
DEFAULTS = Ports()


class NoPort(ValueError):
    """A variable's value is no port; the message says which."""


def flag(name: str) -> str:
    """Return the option of a port."""
    return "--port" if name == "gateway" else f"--{name.replace('_', '-')}-port"


def default_ports(extension: Extension) -> dict[str, int]:
    """Return the usual port of each server, by its name; workers are worker_0 and so on."""
    ports = {name: getattr(DEFAULTS, name) for name in (*SERVERS, *STORES)}
    ports |= {name: default for name, (default, _) in extension.ports.items()}
    return ports | {f"worker_{index}": FIRST_METRICS_PORT + index for index in range(WORKERS)}


def requested_ports(
    options: argparse.Namespace, environ: Mapping[str, str], extension: Extension
) -> dict[str, int]:
    """Return the ports that an option or a variable names. Raises NoPort."""
    ports = {}
    for name in default_ports(extension):
        variable = f"{name.upper()}_PORT"
        option = getattr(options, f"{name}_port", None)
        if option:
            ports[name] = option
        elif variable in environ:
            ports[name] = _port(variable, environ[variable])
    return ports


def settings(ports: Mapping[str, int], *, python: str = "", reload: bool) -> dict[str, str]:
    """Return what was requested, by option or variable."""
    named = {_name_of(name): str(port) for name, port in ports.items()}
    switches = {"--python": python, "--reload": "yes" if reload else ""}
    return named | {name: value for name, value in switches.items() if value}


def _name_of(port: str) -> str:
    return f"{port.upper()}_PORT" if port.startswith("worker_") else flag(port)


def _port(variable: str, value: str) -> int:
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise NoPort(f"{variable}={value!r} is no port; give a number from 1 to 65535")
    return int(value)
