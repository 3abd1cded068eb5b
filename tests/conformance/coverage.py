"""The rows of AWS behaviour that tests bear."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent.parent


def borne_rows(folder: Path = TESTS) -> dict[str, list[str]]:
    """Return the tests of each row by name, `path::test`, as the source has them."""
    tests_of: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        shared = [row for node in tree.body for row in _of_module(node)]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_test(node):
                for row in {*shared, *_rows(node.decorator_list)}:
                    tests_of[row].append(f"{path.relative_to(folder.parent)}::{node.name}")
    return dict(tests_of)


def _is_test(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return node.name.startswith("test_")


def _of_module(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
    ):
        return list(_rows([node.value]))
    return []


def _rows(expressions: list[ast.expr]) -> Iterator[str]:
    """Return the arguments of each `pytest.mark.row(...)` in `expressions`."""
    for expression in expressions:
        for node in ast.walk(expression):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.row":
                yield from (str(ast.literal_eval(argument)) for argument in node.args)
