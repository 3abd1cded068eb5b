"""The servers that keep the documents contract: ours, mongoeco, the MongoDB of MONGO_URL."""

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
MONGOECO_DIFFERS = {
    "test_a_range_meets_only_values_of_its_own_type": "compares values of different types",
    "test_a_pull_by_range_meets_only_values_of_its_own_type": "compares values of different types",
    "test_null_meets_an_array_with_an_element_that_lacks_the_field": "misses such an array",
    "test_an_empty_array_sorts_before_null": "sorts an empty array after numbers",
    "test_a_projection_keeps_an_empty_element_for_one_without_the_field": "drops the element",
    "test_what_is_inserted_behind_an_open_cursor_does_not_disturb_it": "reads a snapshot",
    "test_a_cursor_of_a_dropped_collection_is_gone": "gives the rest of what was there",
    "test_an_id_of_any_value_is_kept_and_comes_first": "leaves it where it was",
    "test_a_killed_cursor_is_gone": "getMore answers after killCursors",
    "test_distinct_values_are_elements_and_never_repeat": "counts a missing field as null",
    "test_a_group_key_of_several_fields_leaves_out_the_missing": "puts null for the missing",
    "test_counting_nothing_in_a_pipeline_gives_no_document": "gives a count of 0",
    "test_an_increment_past_32_bits_stays_a_whole_number": "turns a 64-bit into a 32-bit integer",
    "test_an_increment_past_64_bits_is_refused": "refuses without a code",
    "test_a_filter_that_names_a_path_twice_seeds_no_upsert": "refuses without a code",
    "test_indexes_are_listed_made_once_and_dropped": "has one code for both conflicts",
}


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
    """Give an empty database on each of the servers in turn."""
    difference = MONGOECO_DIFFERS.get(request.node.originalname)
    if request.param == "mongoeco" and difference:
        request.applymarker(pytest.mark.xfail(reason=difference, strict=True))
    client = request.getfixturevalue(request.param)
    name = f"contract_{uuid.uuid4().hex[:12]}"
    yield client[name]
    client.drop_database(name)


@contextmanager
def running(arguments: list[str], port: int) -> Iterator[MongoClient[dict[str, Any]]]:
    """Run a server process; gives a client of it."""
    process = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.DEVNULL)
    client: MongoClient[dict[str, Any]] = MongoClient(
        f"mongodb://127.0.0.1:{port}/?directConnection=true", serverSelectionTimeoutMS=5_000
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
