"""The table of differences names tests that exist, so that none outlives its test."""

import ast
from pathlib import Path

from tests.e2e.differences import DIFFERENCES

SUITE = Path(__file__).parents[2] / "e2e"


def test_every_difference_names_a_test_of_the_suite():
    tests = {
        f"{file.name}::{node.name}"
        for file in SUITE.glob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    }

    assert {each.test.partition("[")[0] for each in DIFFERENCES} <= tests
    assert all(each.reason for each in DIFFERENCES)
