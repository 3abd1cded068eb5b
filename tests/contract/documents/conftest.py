"""The servers that keep the documents contract: ours, mongoeco as oracle, a MongoDB if given."""

import importlib.util
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from tests.conftest import free_port, wait_until

Documents = Database[dict[str, Any]]

HAS_MONGOECO = importlib.util.find_spec("mongoeco") is not None
MONGO_URL = os.environ.get("MONGO_URL")
ORACLES = [*(["mongoeco"] if HAS_MONGOECO else []), *(["mongodb"] if MONGO_URL else [])]

collect_ignore = ["mongoeco_server.py", *([] if ORACLES else ["test_agreement.py"])]

# What mongoeco 4.11 does otherwise than MongoDB, by the test that shows it.
MONGOECO_DIFFERS: dict[str, str] = {}


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoClient[dict[str, Any]]]:
    path = tmp_path_factory.mktemp("documents") / "documents.sqlite"
    port = free_port()
    with running(
        ["-m", "local.documents", "--port", str(port), "--data", str(path)], port
    ) as client:
        yield client


@pytest.fixture(scope="session")
def mongoeco() -> Iterator[MongoClient[dict[str, Any]]]:
    port = free_port()
    with running([str(Path(__file__).with_name("mongoeco_server.py")), str(port)], port) as client:
        yield client


@pytest.fixture(scope="session")
def mongodb() -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](MONGO_URL) as client:
        yield client


@pytest.fixture(params=["embedded", *ORACLES])
def database(request: pytest.FixtureRequest) -> Iterator[Documents]:
    """An empty database on each of the servers in turn."""
    difference = MONGOECO_DIFFERS.get(request.node.originalname)
    if request.param == "mongoeco" and difference:
        request.applymarker(pytest.mark.xfail(reason=difference, strict=True))
    client = request.getfixturevalue(request.param)
    name = f"contract_{uuid.uuid4().hex[:12]}"
    yield client[name]
    client.drop_database(name)


@contextmanager
def running(arguments: list[str], port: int) -> Iterator[MongoClient[dict[str, Any]]]:
    """A server process and a client of it."""
    process = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.DEVNULL)
    client: MongoClient[dict[str, Any]] = MongoClient(
        f"mongodb://127.0.0.1:{port}/?directConnection=true", serverSelectionTimeoutMS=500
    )
    try:
        wait_until(lambda: _answers(client), timeout_s=20)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(timeout=10)


def _answers(client: MongoClient[dict[str, Any]]) -> bool:
    try:
        return bool(client.admin.command("ping"))
    except PyMongoError:
        return False
