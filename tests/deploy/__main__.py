"""`python -m tests.deploy`: build, deploy, ask, update, ask again, delete, and leave nothing."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.deploy import gaps, servers
from tests.deploy.commands import run
from tests.deploy.servers import ROOT, Cloud, ServerFailed, Stores
from tests.deploy.stack import CommandFailed, Stack, parameters
from tests.e2e.conftest import Client
from tests.e2e.targets import MINISTACK

NO_CLIENTS = "[]"
IN_SECRET = {
    "MONGO_URL": "MongoUrl",
    "TOKEN_PRIVATE_KEY": "TokenPrivateKey",
    "OAUTH_CLIENTS": "OauthClients",
}
KEPT = {"lambda: BackendLayer", "lambda: DependenciesLayer"}
BUCKET = "reportsbucket"  # in the name of the one with files, which the template retains
SUITE_TIMEOUT_S = 600  # a hundred tests at 4 requests a second, the emulator's slowest


def main() -> int:
    arguments = _arguments()
    if not (arguments.tools / "sam").exists():
        sys.stderr.write(f"deploy drill: no sam in {arguments.tools}; run `make deploy-drill`\n")
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    started_s = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="spillway-drill-") as name:
            failures = _drill(Path(name), arguments.tools.absolute(), arguments.results)
    except (ServerFailed, CommandFailed, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"deploy drill: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("deploy drill: interrupted; everything it started has ended\n")
        return 130
    for failure in failures:
        sys.stderr.write(f"deploy drill: {failure}\n")
    _say(f"deploy drill: {'failed' if failures else 'passed'} in {_since(started_s)}")
    return 1 if failures else 0


def _drill(folder: Path, tools: Path, results: Path | None) -> list[str]:
    with servers.stores(folder) as stores, servers.cloud(folder, tools) as cloud:
        stack = Stack(cloud=cloud, folder=folder)
        settings = parameters(stores, folder)
        stack.make_bucket()
        with _step("what is refused"):
            failures = _gaps(stack)
        for line in _build(stack):
            _say(f"  {line}")
        with _step("queue contract"):
            failures += _queue_contract(cloud)
        with _step("sam deploy"):
            target = stack.deploy(settings)
        with _step("end-to-end suite"):
            failures += _suite(target, stores, results)
        _build(stack)
        with _step("sam deploy, changed"):
            failures += _update(stack, settings, target)
        with _step("sam delete"):
            stack.delete()
        return failures + _left(stack)


def _gaps(stack: Stack) -> list[str]:
    return [
        f"{gap.kind} with {gap.property_} works now; take it out of the gaps"
        for gap in gaps.GAPS
        if stack.takes(gap.template())
    ]


def _build(stack: Stack) -> list[str]:
    """Build; return a line for each package and for each resource that is left out."""
    with _step("sam build"):
        sizes = stack.build()
    packages = [f"{size / 2**20:6.1f} MiB  {name}" for name, size in sizes.items()]
    return packages + gaps.leave_out(stack.template)


def _queue_contract(cloud: Cloud) -> list[str]:
    ours = {**os.environ, **cloud.credentials, "QUEUE_CLOCK": str(cloud.queue_clock)}
    return _pytest("the queue contract", ours, "tests/contract/queues")


def _suite(target: str, stores: Stores, results: Path | None) -> list[str]:
    variables = {"TARGET": target, "TARGET_KIND": MINISTACK, "TARGET_MAILBOX": stores.mailbox}
    report = [f"--junitxml={results}"] if results else []
    return _pytest("the end-to-end suite", {**os.environ, **variables}, "tests/e2e", *report)


def _pytest(name: str, environment: Mapping[str, str], *arguments: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = run(command, environment, ROOT, timeout_s=SUITE_TIMEOUT_S, shown=True)
    return [f"{name} failed"] if done.status else []


def _update(stack: Stack, parameters: Mapping[str, str], before: str) -> list[str]:
    """Give the parameters as a secret; the API stays where it is and its functions know them."""
    changed = {**parameters, "OauthClients": NO_CLIENTS}
    secret = {key: changed.pop(parameter) for key, parameter in IN_SECRET.items()}
    with stack.secret(secret) as name:
        target = stack.deploy({**changed, "SecretName": name})
    anybody = Client(target)
    form = b"grant_type=client_credentials&client_id=demo&client_secret=demo-secret"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    ready = anybody.call("GET", "/health/ready").status
    token = anybody.call("POST", "/oauth2/token", form, headers).status
    failures = [] if target == before else [f"the update moved the API from {before} to {target}"]
    if (ready, token) != (200, 401):
        failures.append(f"after the update readiness is {ready}, a removed client gets {token}")
    return failures


def _left(stack: Stack) -> list[str]:
    left = [each for each in stack.leftovers() if BUCKET not in each.lower()]
    for name in KEPT & set(left):
        _say(f"  {name} stays: SAM keeps a layer's versions, so that a stack may go back to them")
    return [f"left in the account: {each}" for each in left if each not in KEPT] + [
        f"{each} is deleted now; take it out of what stays" for each in KEPT - set(left)
    ]


@contextmanager
def _step(name: str) -> Iterator[None]:
    began_s = time.monotonic()
    yield
    _say(f"{name:<20}{_since(began_s)}")


def _since(began_s: float) -> str:
    return f"{time.monotonic() - began_s:.1f} s"


def _say(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.deploy", description=__doc__)
    parser.add_argument("--tools", type=Path, required=True, help="folder of sam and ministack")
    parser.add_argument("--results", type=Path, help="where the suite's results go, as JUnit's XML")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
