"""The command `new-domain`, in a copy of the checkout: what it writes passes at once."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = (
    *("clients", "docs", "functions", "layers", "local", "loadtest", "queue_workers", "tests"),
    "pyproject.toml",
    *("template.yaml", "docker-compose.yml", "docker-compose.override.yml"),
)
CHECKS = ("tests/contract/test_what_covers_a_function.py",)
PAGES = tuple(f"tests/contract/test_{each}.py" for each in ("api_page", "retention", "openapi"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(folder), str(folder / "layers/backend/python")])
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_new_domain_passes_its_tests_and_what_is_missing_of_it_is_named(checkout: Path):
    written = run(checkout, "local", "new-domain", "deliveries")
    quiet = ("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist")
    settings = "tests/contract/test_settings_documented.py"
    tried = run(checkout, *quiet, *CHECKS, *PAGES, settings, "tests/integration/deliveries")
    formatted = run(checkout, "ruff", "format", "--check", "functions", "tests/integration")
    linted = run(checkout, "ruff", "check", "functions", "tests/integration", "tests/contract")

    assert written.returncode == 0, written.stderr
    assert tried.returncode == 0, tried.stdout
    assert formatted.returncode == linted.returncode == 0, formatted.stdout + linted.stdout
    assert run(checkout, "local", "new-domain", "deliveries").returncode == 2

    without(checkout / "template.yaml", r"(?s)  DeliveriesDeadLetterAlarm:.*?\n\n")
    without(checkout / "template.yaml", r"(?s)  DeliveriesQueueAgeAlarm:.*?\n\n")
    without(checkout / "template.yaml", r"(?s)  DeliveriesThrottleAlarm:.*?\n\n")
    without(checkout / "template.yaml", r"        MaximumConcurrency: 10\n", "        {}\n")
    without(checkout / "docker-compose.yml", r"(?s)  deliveries:\n    <<.*?\n\n")
    named = run(checkout, *quiet, *CHECKS).stdout
    for place in (
        "'DeliveriesDeadLetterQueue')",
        "'DeliveriesQueue')",
        "no alarm of template.yaml looks at DeliveriesFunction",
        "DeliveriesQueue: no MaximumConcurrency",
        "docker-compose.yml has no service with --function DeliveriesFunction",
    ):
        assert place in named


def without(path: Path, pattern: str, replacement: str = "") -> None:
    """Take what matches out of a file."""
    text, number = re.subn(pattern, replacement, path.read_text())
    assert number == 1
    path.write_text(text)


@pytest.mark.parametrize("name", ["Orders", "json", "x", "payments", "types", "../xs"])
def test_a_name_that_cannot_be_a_domain_is_refused(name: str):
    refused = run(ROOT, "local", "new-domain", name)

    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1


def test_a_template_of_others_gets_no_domain(tmp_path: Path):
    (tmp_path / "template.yaml").write_text("Resources: {}\n")

    refused = run(ROOT, "local", "new-domain", "orders", "--template", f"{tmp_path}/template.yaml")

    assert refused.returncode == 2
    assert "is no checkout of this backend" in refused.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "template.yaml"]
