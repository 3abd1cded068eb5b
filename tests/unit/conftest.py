"""Fixtures of the unit tests: templates from pieces of text."""

import textwrap
from pathlib import Path
from typing import Any

import pytest

from local.template import Template, load
from tests.unit.local.template.template_texts import HEAD


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_template(text: str) -> Path:
        path = tmp_path / "template.yaml"
        path.write_text(textwrap.dedent(text))
        return path

    return write_template


@pytest.fixture
def read(write: Any) -> Any:
    """Load resources, with whatever sections stand before them."""

    def load_resources(resources: str, *, before: str = "", **options: Any) -> Template:
        return load(write(f"{HEAD}{before}\nResources:\n{resources}"), **options)

    return load_resources
