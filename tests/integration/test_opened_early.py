"""Environments that AWS makes before any event open their connections before any event."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pymongo import MongoClient

from tests.conftest import free_port
from tests.contract.documents.conftest import running

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("initialization", "opened"), [("provisioned-concurrency", True), ("on-demand", False)]
)
def test_only_a_provisioned_environment_opens_its_store_while_it_is_imported(
    tmp_path: Path, initialization: str, opened: bool
):
    port = free_port()
    serving = ["-m", "local.documents", "--port", str(port), "--data", str(tmp_path / "documents")]
    with running(serving, port) as client:
        _import_payments(initialization, f"mongodb://127.0.0.1:{port}")

        assert _has_payments(client) is opened


def test_a_store_that_is_away_does_not_keep_a_provisioned_environment_from_starting():
    _import_payments("provisioned-concurrency", f"mongodb://127.0.0.1:{free_port()}")


def _import_payments(initialization: str, mongo_url: str) -> None:
    folders = (ROOT / "functions", ROOT / "layers" / "backend" / "python")
    surroundings = {
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "AWS_LAMBDA_INITIALIZATION_TYPE": initialization,
        "MONGO_URL": mongo_url,
    }
    subprocess.run(
        [sys.executable, "-c", "import payments.store"],
        env={**os.environ, **surroundings},
        check=True,
        timeout=30,
    )


def _has_payments(client: "MongoClient[dict[str, object]]") -> bool:
    names = client.list_database_names()
    return any("payments" in client[name].list_collection_names() for name in names)
