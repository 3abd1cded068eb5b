"""The architecture of `local/`: which room may import which, and nothing else."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Each room with those that it may import; docs/architecture.md draws the same.
ARROWS = {
    "__main__": {"commands"},
    # Of `lambda_service` and `sqs` the commands take limits and the origins of dead letters only.
    "commands": {
        *("daemon", "lambda_service", "machine", "runtime", "sample_events", "spillway", "sqs"),
        *("template", "traces"),
    },
    "compose": {"spillway"},
    # The backend's own views use the console; the gateway's process imports them by their name.
    "spillway": {"console", "daemon", "machine", "runtime", "simulators", "template"},
    "server": {
        *("aws_models", "console", "daemon", "gateway", "http", "lambda_service", "machine"),
        *("runtime", "sqs", "template", "traces", "websockets"),
    },
    # The page shows, and acts on, what stands in the same process: the requests of `gateway`, the
    # pools of `lambda_service`, and the queues by the actions of `sqs`. None of them knows it.
    "console": {
        *("daemon", "gateway", "http", "lambda_service", "machine", "runtime", "sample_events"),
        *("sqs", "template", "traces"),
    },
    "gateway": {"http", "lambda_service", "runtime", "template", "traces"},
    "websockets": {"gateway", "http", "lambda_service", "template", "traces"},
    "sqs": {"aws_models", "http", "template", "traces"},
    "lambda_service": {"aws_models", "daemon", "http", "runtime", "template", "traces"},
    "traces": {"http"},
    "machine": {"daemon", "runtime", "template", "traces"},
    "runtime": {"daemon", "template"},
    "services": {"aws_models", "daemon", "template"},
    "simulators": {"daemon", "http"},
    "documents": {"daemon"},
    "aws_models": set(),
    "sample_events": set(),
    "http": set(),
    "template": set(),
    "daemon": set(),
}


def room_of(path: Path) -> str:
    return path.stem if path.parent.name == "local" else path.relative_to(ROOT / "local").parts[0]


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the dotted name of each module, or member of a package, that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_imports_only_those_that_the_architecture_names(room: str):
    sources = ROOT / "local" / room
    files = sources.rglob("*.py") if sources.is_dir() else [sources.with_suffix(".py")]
    parts = [name.split(".") for path in files for name in imported_modules(path)]
    targets = {each[1] for each in parts if each[0] == "local"} - {room, "PROJECT"}

    assert targets <= ARROWS[room]


def test_every_room_has_its_place_in_the_architecture():
    rooms = {room_of(path) for path in (ROOT / "local").rglob("*.py")} - {"__init__"}

    assert rooms == set(ARROWS)


def test_the_arrows_run_one_way():
    assert list(TopologicalSorter(ARROWS).static_order())


@pytest.mark.parametrize(
    "package",
    ["local", "pytest_spillway", "queue_workers", "layers/backend/python/redis_sqs"],
)
def test_the_tool_and_the_queue_engine_import_nothing_of_the_backend(package: str):
    names = {name for path in (ROOT / package).rglob("*.py") for name in imported_modules(path)}

    assert not {name for name in names if name.split(".")[0] == "backend"}
