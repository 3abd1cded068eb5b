"""Systems of templates that know nothing of this project, started through the command line."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local import status
from local.template import load
from tests.conftest import free_port

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
PORTS = ("GATEWAY", "CONSOLE", "INVOKE", "VALKEY", *(f"WORKER_{index}" for index in range(5)))


@dataclass(frozen=True)
class Elsewhere:
    """A copy of one of the folders here, and the environment that its commands are run with."""

    folder: Path
    ports: dict[str, int]

    @property
    def state(self) -> Path:
        return self.folder / ".local"

    def run(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """`python -m local COMMAND --template ITS`, in a folder that is not its own."""
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
            timeout=90,
            check=False,
        )

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON (or text) of one answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports['GATEWAY']}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, _content(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _content(error.read())

    def processes(self) -> set[str]:
        """Names of what `up` started, the workers' without their number."""
        last = status.read(self.state)
        assert last is not None
        return {each.name.split("-")[0] for each in last.processes}

    def send(self, queue: str, *bodies: Any) -> None:
        """Put messages into a queue of the template, as its other programs would."""
        last = status.read(self.state)
        assert last is not None
        template = load(last.template, last.parameters)
        program = (
            "import json, sys; from backend.queues import connect\n"
            "for body in json.load(sys.stdin): connect(sys.argv[1]).send(json.dumps(body),"
            " **({'group': 'all'} if sys.argv[1].endswith('.fifo') else {}))"
        )
        url = f"http://sqs.local/000000000000/{template.queues[queue].name}"
        backend = PROJECT / "layers" / "backend" / "python"
        subprocess.run(
            [sys.executable, "-c", program, url],
            env={**os.environ, **last.variables, "PYTHONPATH": str(backend)},
            input=json.dumps(bodies),
            text=True,
            timeout=20,
            check=True,
        )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Elsewhere]]:
    """A copy of one of the folders here; what runs of it is stopped at the end."""
    copies: list[Elsewhere] = []

    def copy(name: str) -> Elsewhere:
        folder = tmp_path_factory.mktemp(name) / name
        shutil.copytree(HERE / name, folder)
        copies.append(Elsewhere(folder, {port: free_port() for port in PORTS}))
        return copies[-1]

    yield copy
    for each in copies:
        each.run("down")


def _content(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()
