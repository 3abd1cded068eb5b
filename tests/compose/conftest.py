"""A stack of its own in containers: another project name, free ports, volumes that end with it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import free_port

ROOT = Path(__file__).parents[2]
PROJECT = "spillway-test"
UP_TIMEOUT_S = 600  # with the image, from nothing


@dataclass(frozen=True)
class Stack:
    """One Compose project; COMPOSE_FILE of the caller may name the embedded documents' file."""

    environment: Mapping[str, str]

    def compose(
        self, *arguments: str, timeout_s: float = 120, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `docker compose …` for this project."""
        return subprocess.run(
            ["docker", "compose", *arguments],
            env={**self.environment, **variables},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def up(self, *arguments: str, **variables: str) -> None:
        done = self.compose(
            "up", "--detach", "--wait", *arguments, timeout_s=UP_TIMEOUT_S, **variables
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """Return what Docker knows of the containers that run."""
        ids = self.compose("ps", "--quiet", *([service] if service else [])).stdout.split()
        inspected = subprocess.run(
            ["docker", "inspect", *ids], capture_output=True, text=True, check=True
        )
        containers: list[dict[str, Any]] = json.loads(inspected.stdout)
        return containers

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.environment[f'{name}_PORT']}"

    def load(self, reports: Path, *, rate: int, duration_s: int) -> subprocess.Popen[bytes]:
        """Start the load tool against this stack, with every witness."""
        variables = {
            **{"TARGET": self.address("GATEWAY"), "CONSOLE": self.address("CONSOLE")},
            **{"PROVIDER": self.address("PROVIDER"), "MAILBOX": self.address("MAILBOX")},
            **{"RATE": str(rate), "DURATION": str(duration_s), "REPORTS": str(reports)},
        }
        return subprocess.Popen(
            [sys.executable, "-m", "loadtest"], env={**self.environment, **variables}, cwd=ROOT
        )


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The system in containers, built and healthy."""
    files = os.environ.get("COMPOSE_FILE", "docker-compose.yml")
    names = ("GATEWAY", "CONSOLE", "PROVIDER", "MAILBOX")
    running = Stack(
        {
            **os.environ,
            "COMPOSE_FILE": f"{files}:tests/compose/published.yml",
            "COMPOSE_PROJECT_NAME": PROJECT,
            "PYTHONPATH": str(ROOT),
            **{f"{name}_PORT": str(free_port()) for name in names},
        }
    )
    running.compose("down", "--volumes")
    running.up("--build")
    yield running
    down = running.compose("down", "--volumes")
    assert down.returncode == 0, down.stderr
