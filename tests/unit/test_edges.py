"""The edges at which any exception is caught: everywhere else an `except` names what it expects."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = (
    *("functions", "layers/backend/python", "local", "queue_workers", "loadtest"),
    "pytest_spillway",
)
# Each file with what ends there: an invocation, a request, a round of a loop, a thread, a process.
EDGES = {
    "functions/analytics/app.py": "the records of one tenant in a batch",
    "layers/backend/python/backend/entrypoint.py": "an invocation for a batch",
    "local/console/pages.py": "a request of the page",
    "local/documents/server.py": "one round of the housekeeping",
    "local/runtime/environment.py": "an invocation, and a forked process",
    "local/runtime/handler.py": "a hook of the user's code after the fork",
    "local/services/pipes.py": "one round of a pipe's poller",
    "local/services/setting_up.py": "the thread that makes the resources",
    "local/services/streams.py": "one round of a stream's poller",
    "local/sqs/api.py": "a request of the SQS API",
    "queue_workers/poller.py": "one round of a queue's poller",
}


def names_of(handler: ast.ExceptHandler) -> set[str]:
    """Return the names of the classes that an `except` catches; BaseException for a bare one."""
    if handler.type is None:
        return {"BaseException"}
    return {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}


def handlers() -> Iterator[tuple[str, set[str]]]:
    """Yield each `except` of the sources: its file and the classes that it catches."""
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ExceptHandler):
                    yield str(path.relative_to(ROOT)), names_of(node)


def test_any_exception_is_caught_at_the_edges_only():
    assert {path for path, names in handlers() if "Exception" in names} == EDGES.keys()


def test_nothing_catches_what_ends_a_process():
    assert [path for path, names in handlers() if "BaseException" in names] == []
