"""Well-known generators make clients of the OpenAPI document, whole: `make clients-test`."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.well_known_clients.conftest import TOOLS, finished

pytestmark = pytest.mark.clients
PATH = Path(__file__).parents[2] / "functions" / "api" / "openapi.json"
DOCUMENT = json.loads(PATH.read_text())
OPERATIONS = {
    operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()
}


def generate(folder: Path, *command: str) -> str:
    """Run a generator in a folder, and return what it said."""
    search = f"{TOOLS / 'bin'}:{TOOLS / 'node' / 'node_modules' / '.bin'}:{os.environ['PATH']}"
    done = finished(command, {**os.environ, "PATH": search, "PYTHONPATH": ""}, folder)
    return done.stdout + done.stderr


# A batch of events may also be lines, or packed; this generator knows JSON.
BEYOND_IT = {f"Unsupported content type application/{each}" for each in ("x-ndjson", "gzip")}


def test_openapi_python_client_makes_every_operation_and_leaves_nothing_out(tmp_path: Path):
    source = ("--path", str(PATH), "--meta", "none", "--output-path", "made")
    printed = generate(tmp_path, "openapi-python-client", "generate", *source)

    assert {*re.findall(r"WARNING.*\n+(.*)", printed)} == BEYOND_IT
    assert {each.stem for each in tmp_path.glob("made/api/*/*.py")} - {"__init__"} == OPERATIONS


def test_datamodel_code_generator_makes_a_class_of_every_schema(tmp_path: Path):
    source = ("--input", str(PATH), "--input-file-type", "openapi", "--output", "models.py")
    generate(tmp_path, "datamodel-codegen", *source, "--disable-warnings")
    names = "import models; print(*vars(models))"
    made = generate(tmp_path, str(TOOLS / "bin" / "python"), "-c", names).split()

    assert DOCUMENT["components"]["schemas"].keys() - {*made} == set()


def test_openapi_typescript_makes_every_operation(tmp_path: Path):
    generate(tmp_path, "openapi-typescript", str(PATH), "--output", "api.d.ts")
    text = (tmp_path / "api.d.ts").read_text()
    operations = text[text.index("export interface operations") :]

    assert {*re.findall(r"^    (\w+): \{$", operations, re.MULTILINE)} == OPERATIONS
