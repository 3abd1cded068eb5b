"""The options of a run: the environment's variables, overridden by flags."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLError
from urllib.parse import urlsplit

from loadtest.faults import grammar
from loadtest.faults.grammar import Fault, FaultError
from loadtest.generator import tls
from loadtest.generator.driver import MAX_IN_FLIGHT, Address
from loadtest.generator.profile import Profile, ProfileError, named, steady

SLO_P99_MS = 150  # the predecessor's 48 refusals, the only answers it gave, had a p99 of 153 ms
REPORTS = Path(__file__).parent / "reports"

# Variable, default, what it means: `--help` and the locustfile's own flags are made of this table.
VARIABLES = {
    "PROFILE": ("1k", "1k or smoke"),
    "RATE": ("", "arrivals a second, steady; takes the place of PROFILE"),
    "DURATION": ("60", "seconds at RATE"),
    "TARGET": ("http://127.0.0.1:5002", "the system's address"),
    "CA_FILE": ("", "PEM file of the authorities to trust for https; empty for the machine's"),
    "CONNECTIONS": ("reuse", "reuse, or per-arrival: a new connection each, as Artillery opens"),
    "SLO_P99_MS": (str(SLO_P99_MS), "the p99 in the peak up to which the run passes"),
    "MAX_IN_FLIGHT": (str(MAX_IN_FLIGHT), "arrivals beyond it are skipped, which fails the run"),
    "CLIENT": ("", "client id and secret for the access token; empty for load's own, or demo's"),
    "CONSOLE": ("http://127.0.0.1:5080", "queues and processes; empty where there is none"),
    "PROVIDER": ("http://127.0.0.1:5090", "the provider's journal; empty where there is none"),
    "MAILBOX": ("http://127.0.0.1:8025", "the mailbox; empty where there is none"),
    "FAULTS": (
        "",
        "such as `kill worker at 100s; pause valkey for 5s at 130s`; only for a system here",
    ),
    "AWS_LIMITS": ("10,100,1000", "concurrency of each function at which throttles are estimated"),
    "AWS_PROVISIONED": ("25", "environments of each function that the estimate keeps warm"),
    "REPORTS": (str(REPORTS), "the folder that gets a report per run"),
}


# The clients of embedded stores. Load runs have a tenant of their own, where the stores know it;
# the others show whose payment an unknown charge is.
LOAD_CLIENT = ("load", "load-secret")
DEMO_CLIENT = ("demo", "demo-secret")
OTHER_CLIENT = ("other", "other-secret")


class UsageError(ValueError):
    """A setting that cannot be used; the text names it and says what would be accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    profile: Profile
    target: str
    address: Address
    ca_file: str
    keep_alive: bool
    slo_p99_ms: float
    max_in_flight: int
    clients: tuple[tuple[str, str], ...]  # id and secret; the first that is known is used
    console: str
    provider: str
    mailbox: str
    faults: tuple[Fault, ...]
    aws_limits: tuple[int, ...]
    aws_provisioned: int
    reports: Path


def read(environment: Mapping[str, str]) -> Options:
    """Return the options that the variables stand for; UsageError names the one that is wrong."""
    value = {name: environment.get(name) or default for name, (default, _) in VARIABLES.items()}
    value |= {
        name: "" for name in ("CONSOLE", "PROVIDER", "MAILBOX") if environment.get(name) == ""
    }
    if value["CONNECTIONS"] not in ("reuse", "per-arrival"):
        raise UsageError(
            f"CONNECTIONS is {value['CONNECTIONS']!r}; it must be reuse or per-arrival"
        )
    target = value["TARGET"].rstrip("/")
    profile = _profile(value)
    return Options(
        profile=profile,
        target=target,
        address=_address(target, value["CA_FILE"]),
        ca_file=value["CA_FILE"],
        keep_alive=value["CONNECTIONS"] == "reuse",
        slo_p99_ms=number(value, "SLO_P99_MS"),
        max_in_flight=number(value, "MAX_IN_FLIGHT"),
        clients=_clients(value["CLIENT"]),
        console=value["CONSOLE"].rstrip("/"),
        provider=value["PROVIDER"].rstrip("/"),
        mailbox=value["MAILBOX"].rstrip("/"),
        faults=_faults(value["FAULTS"], profile),
        aws_limits=_limits(value["AWS_LIMITS"]),
        aws_provisioned=number(value, "AWS_PROVISIONED"),
        reports=Path(value["REPORTS"]),
    )


def number(value: Mapping[str, str], name: str) -> int:
    """Return a variable as a whole number above 0; UsageError names it where it is none."""
    if not value[name].isascii() or not value[name].isdigit() or int(value[name]) == 0:
        raise UsageError(f"{name} is {value[name]!r}; it must be a whole number above 0")
    return int(value[name])


def parse(
    arguments: list[str], table: Mapping[str, tuple[str, str]], **texts: str
) -> dict[str, str]:
    """Return the variables that the flags of a command set; `table` has defaults and meanings."""
    parser = argparse.ArgumentParser(**texts)  # type: ignore[arg-type]
    for name, (default, meaning) in table.items():
        flag = f"--{name.lower().replace('_', '-')}"
        parser.add_argument(flag, help=f"{meaning} [{name}={default}]", metavar=name)
    values = vars(parser.parse_args(arguments))
    return {name.upper(): value for name, value in values.items() if value is not None}


def _clients(text: str) -> tuple[tuple[str, str], ...]:
    if not text:
        return LOAD_CLIENT, DEMO_CLIENT
    client_id, colon, client_secret = text.partition(":")
    if not colon:
        raise UsageError("CLIENT must be an id and a secret with a colon between")
    return ((client_id, client_secret),)


def _profile(value: Mapping[str, str]) -> Profile:
    try:
        if value["RATE"]:
            return steady(number(value, "RATE"), number(value, "DURATION"))
        return named(value["PROFILE"])
    except ProfileError as error:
        raise UsageError(str(error)) from error


def _faults(text: str, profile: Profile) -> tuple[Fault, ...]:
    try:
        return grammar.parse(text, profile.duration_s)
    except FaultError as error:
        raise UsageError(f"FAULTS: {error}") from error


def _limits(text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and int(word) for word in words):
        raise UsageError(f"AWS_LIMITS is {text!r}; it must be whole numbers above 0, with commas")
    return tuple(sorted({int(word) for word in words}))


def _address(target: str, ca_file: str) -> Address:
    wrong = UsageError(
        f"TARGET is {target!r}; it must be http://HOST:PORT or https://HOST:PORT, with the stage's "
        "path behind it where there is one"
    )
    try:
        parts = urlsplit(target)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise wrong
    if parts.scheme == "http":
        return Address(parts.hostname, port or 80)
    try:
        return Address(parts.hostname, port or 443, tls.context_for(ca_file))
    except (OSError, SSLError) as error:
        raise UsageError(f"CA_FILE is {ca_file!r}; it must be a file of PEM: {error}") from error
