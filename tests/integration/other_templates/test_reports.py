"""Functions with folders, layers and packages of their own."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.other_templates.conftest import CopiedProject


@pytest.fixture(scope="module")
def reports(copied: Callable[[str], CopiedProject]) -> CopiedProject:
    reports = copied("reports")
    build_wheel(reports.folder / "weekly")
    up = reports.run("up", "--install", "--parameter", "Strict=yes")
    assert up.returncode == 0, up.stderr
    assert "installing the requirements of Weekly" in up.stdout
    return reports


def build_wheel(folder: Path) -> None:
    """Build a package that no index has."""
    with zipfile.ZipFile(folder / "greeting-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("greeting.py", "WORD = 'installed'\n")
        about = "greeting-1.0.dist-info"
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")


def test_each_function_has_its_own_modules_layers_and_packages(reports: CopiedProject):
    daily, weekly = reports.request("GET", "/daily"), reports.request("GET", "/weekly/47")

    assert daily == (
        200,
        {
            "title": "daily",
            "rules": "strict",
            "packages": False,
            "ours": [],
            "redis": "redis://cache.example:6379",
        },
    )
    assert weekly == (
        200,
        {"title": "weekly", "rules": "common", "week": "47", "greeting": "installed"},
    )


def test_requirements_that_are_not_installed_are_named(copied: Callable[[str], CopiedProject]):
    again = copied("reports")
    up = again.run("up")

    assert up.returncode == 0, up.stderr
    assert up.stderr == "the requirements of Weekly are not installed; --install does it\n"
    assert again.request("GET", "/weekly/1")[1]["greeting"] == "not installed"


def test_requirements_that_cannot_be_installed_are_one_sentence(
    copied: Callable[[str], CopiedProject],
):
    up = copied("reports").run("up", "--install")

    assert up.returncode == 2
    assert up.stderr.splitlines()[-1].startswith("the requirements of Weekly cannot be installed")
    assert "greeting==1.0" in up.stderr
