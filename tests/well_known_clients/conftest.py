"""A system of queues and a function for clients, and documents for others."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import free_port, wait_until
from tests.integration.other_templates.conftest import PORTS, CopiedProject

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
TOOLS = Path(os.environ.get("CLIENTS_TOOLS", HERE.parents[1] / ".venv-clients"))
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "thing",
    "AWS_DEFAULT_REGION": "eu-west-1",
}


def finished(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder to its end, which has to be a good one."""
    done = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@dataclass(frozen=True)
class Clients:
    """The programs of clients, and the addresses that they are given."""

    variables: Mapping[str, str]

    def python(self, *arguments: str, **variables: str) -> str:
        """Run a program of the clients' own environment, and return what it printed."""
        program, *rest = arguments
        return self._run(str(TOOLS / "bin" / program), *rest, **variables)

    def node(self, program: str) -> None:
        # Node looks for packages beside the program.
        copy = TOOLS / "node" / program
        shutil.copy(PROGRAMS / program, copy)
        self._run("node", str(copy))

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a program of the clients' own environment that runs until it is ended."""
        program, *rest = arguments
        return subprocess.Popen(
            [TOOLS / "bin" / program, *rest], env=self._environment(variables), cwd=PROGRAMS
        )

    def _run(self, *command: str, **variables: str) -> str:
        return finished(command, self._environment(variables), PROGRAMS).stdout

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        environment = {**os.environ, **CREDENTIALS, **self.variables, **variables}
        environment.pop("PYTHONPATH", None)
        return environment


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Clients of a running system, and of a documents server."""
    folder = tmp_path_factory.mktemp("clients")
    shutil.copy(HERE / "template.yaml", folder)
    system = CopiedProject(folder, {port: free_port() for port in PORTS})
    documents_port = free_port()
    up = system.run("up")
    assert up.returncode == 0, up.stderr
    documents = subprocess.Popen(
        [
            *(sys.executable, "-m", "local.documents", "--port", str(documents_port)),
            *("--data", str(folder / "documents.sqlite")),
        ]
    )
    try:
        yield Clients(
            {
                "ENDPOINT": f"http://127.0.0.1:{system.ports['INVOKE']}",
                "MONGO_URL": f"mongodb://127.0.0.1:{documents_port}",
            }
        )
    finally:
        documents.terminate()
        documents.wait()
        system.run("down")


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """The file that tasks write a line to, each time they run."""
    return tmp_path / "lines"


def has_lines(path: Path, expected: list[str]) -> None:
    """Wait until just these lines are there, in any order."""
    wait_until(lambda: path.exists() and sorted(path.read_text().split("\n")[:-1]) == expected, 30)
