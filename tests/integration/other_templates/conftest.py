"""Systems of templates that know nothing of this project, started through the command line."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.machine import status
from tests.conftest import free_port

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
PORTS = (
    "GATEWAY",
    "CONSOLE",
    "INVOKE",
    "SERVICES",
    "VALKEY",
    "OTLP",
    "SMTP",
    "MAILBOX",
    *(f"WORKER_{index}" for index in range(5)),
)


COMMAND_MAX_S = 110.0  # 10 s where the machine is idle; below what a test may last
NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True)
class CopiedProject:
    """A copy of one of the folders here, and the environment that its commands are run with."""

    folder: Path
    ports: dict[str, int]

    @property
    def state(self) -> Path:
        return self.folder / ".local"

    def run(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m local COMMAND --template ITS`, in a folder that is not its own."""
        variables = {f"{name}_PORT": str(port) for name, port in self.ports.items()}
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in {"REDIS_URL", "MONGO_URL", "PYTHONPATH"}
        }
        template = ("--template", str(self.folder / "template.yaml"))
        return subprocess.run(
            [sys.executable, "-m", "local", command, *template, *options],
            env={**inherited, **variables, "PYTHONPATH": str(PROJECT)},
            cwd=self.folder.parent,
            capture_output=True,
            text=True,
            timeout=COMMAND_MAX_S,
            check=False,
        )

    def console(self, path: str) -> str:
        """Return the address of a view of the console."""
        return f"http://127.0.0.1:{self.ports['CONSOLE']}{path}"

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = NO_HEADERS
    ) -> tuple[int, Any]:
        """Return status and JSON (or text) of one answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports['GATEWAY']}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, _content(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _content(error.read())

    def processes(self) -> set[str]:
        """Return the names of what `up` started, the workers' without their number."""
        last = status.read(self.state)
        assert last is not None
        return {each.name.split("-")[0] for each in last.processes}

    def sqs(self) -> Any:
        """Return a client of boto3 for the queues."""
        return boto3.client(
            "sqs",
            region_name="eu-west-1",
            endpoint_url=f"http://127.0.0.1:{self.ports['INVOKE']}",
            aws_access_key_id="any",
            aws_secret_access_key="thing",
        )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], CopiedProject]]:
    """A copy of one of the folders here; what runs of it is stopped at the end."""
    copies: list[CopiedProject] = []

    def copy(name: str) -> CopiedProject:
        folder = tmp_path_factory.mktemp(name) / name
        shutil.copytree(HERE / name, folder)
        copies.append(CopiedProject(folder, {port: free_port() for port in PORTS}))
        return copies[-1]

    yield copy
    for each in copies:
        each.run("down")


def _content(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()
