"""The documents server and its disk: power cuts, syncs that stand still or fail, no space."""

import itertools
import json
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, OperationFailure
from pymongo.read_concern import ReadConcern

from tests.conftest import free_port, wait_until
from tests.integration.test_documents_crash import listens, served, write_until_refused

Document = dict[str, Any]
Server = subprocess.Popen[bytes]
SECTOR_BYTES = 512  # what a disk writes as a whole
CONTROLLED = str(Path(__file__).with_name("controlled_disk.py"))


@contextmanager
def on_controlled_disk(
    folder: Path, path: Path, **settings: float
) -> Iterator[tuple[Server, Path, MongoClient[Document]]]:
    """Run a server whose syncs the files in a folder control; gives it, the folder, a client."""
    disk, port = folder / "disk", free_port()
    disk.mkdir()
    (disk / "settings").write_text(json.dumps(settings))
    command = [sys.executable, CONTROLLED, str(disk), "--port", str(port), "--data", str(path)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: listens(port))
        with MongoClient[Document]("127.0.0.1", port, retryWrites=False) as client:
            yield server, disk, client
    finally:
        server.kill()
        server.communicate(timeout=10)


def write_until_killed(server: Server, client: MongoClient[Document], answers: int) -> set[str]:
    """Have six clients write, kill the server behind so many answers, return what was answered."""
    acknowledged: list[tuple[int, int]] = []
    url = "mongodb://{}:{}/".format(*client.address or ())
    threads = [
        threading.Thread(target=write_until_refused, args=(url, writer, acknowledged))
        for writer in range(6)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) >= answers, timeout_s=20)
    server.kill()
    for thread in threads:
        thread.join()
    return {f"{writer}-{number}" for writer, number in acknowledged}


def torn(durable: bytes, written: bytes, seed: int) -> bytes:
    """Return the log behind a power cut: of the sectors that were not synced some are there."""
    choice = random.Random(seed)
    sectors = []
    for start in range(0, len(written), SECTOR_BYTES):
        before = durable[start : start + SECTOR_BYTES]
        after = written[start : start + SECTOR_BYTES]
        sectors.append(after if choice.random() < 0.5 else before.ljust(len(after), b"\0"))
    return b"".join(sectors)


def stored(path: Path) -> set[Any]:
    with served(free_port(), path) as (_, client):
        return {document["_id"] for document in client.app.things.find()}


def test_a_power_cut_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    path, log = tmp_path / "documents.sqlite", tmp_path / "documents.sqlite-wal"
    with on_controlled_disk(tmp_path, path) as (server, disk, client):
        answered = write_until_killed(server, client, 200)
    durable, written, content = (disk / "durable").read_bytes(), log.read_bytes(), path.read_bytes()

    assert len(answered) >= 200
    for seed in range(3):
        path.write_bytes(content)
        log.write_bytes(torn(durable, written, seed) if seed else durable)

        assert answered <= stored(path)
        with closing(sqlite3.connect(path)) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_log_that_begins_anew_again_and_again_loses_nothing(tmp_path: Path) -> None:
    path, log = tmp_path / "documents.sqlite", tmp_path / "documents.sqlite-wal"
    often = {"COPY_BYTES": 200_000, "HOUSE_S": 0.02}
    with on_controlled_disk(tmp_path, path, **often) as (server, _, client):
        created = path.stat().st_size
        answered = write_until_killed(server, client, 300)

    assert log.stat().st_size < 4_000_000 < len(answered) * 20_000
    assert path.stat().st_size > created
    assert answered <= stored(path)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_reads_are_answered_while_the_disk_stands_still_and_writes_are_not(tmp_path: Path) -> None:
    with on_controlled_disk(tmp_path, tmp_path / "documents.sqlite") as (_, disk, client):
        things = client.app.things
        things.insert_one({"_id": 1})
        (disk / "stalled").touch()
        answers: list[object] = []
        write = threading.Thread(target=lambda: answers.append(things.insert_one({"_id": 2})))
        write.start()
        wait_until(lambda: things.find_one({"_id": 2}))
        durable = things.with_options(read_concern=ReadConcern("majority"))
        read = threading.Thread(target=lambda: answers.append(durable.find_one({"_id": 2})))
        read.start()
        read.join(0.1)

        assert answers == []

        (disk / "stalled").unlink()
        for thread in (write, read):
            thread.join(5)

        assert len(answers) == 2


def test_a_sync_that_fails_ends_the_server_without_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    with on_controlled_disk(tmp_path, path) as (server, disk, client):
        client.app.things.insert_one({"_id": "before"})
        (disk / "broken").touch()
        with pytest.raises(AutoReconnect):
            client.app.things.insert_one({"_id": "behind"})
        _, errors = server.communicate(timeout=10)

    assert server.returncode == 1
    assert b"the server ends" in errors
    assert b"Input/output error" in errors
    assert "before" in stored(path)


def test_the_log_is_bounded_when_writes_come_faster_than_copies(tmp_path: Path) -> None:
    path, log = tmp_path / "documents.sqlite", tmp_path / "documents.sqlite-wal"
    with on_controlled_disk(tmp_path, path, LOG_BYTES_MAX=1_000_000) as (_, _, client):
        for _ in range(8):
            client.app.things.insert_many([{"raw": b"x" * 100_000} for _ in range(10)])

        assert log.stat().st_size < 4_000_000 < path.stat().st_size


def test_a_log_that_somebody_reads_grows_and_holds_up_nobody(tmp_path: Path) -> None:
    path, log = tmp_path / "documents.sqlite", tmp_path / "documents.sqlite-wal"
    with (
        on_controlled_disk(tmp_path, path, LOG_BYTES_MAX=100_000) as (_, _, client),
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        client.app.things.insert_one({"_id": -1})
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM collections").fetchone()
        started_s = time.monotonic()
        for number in range(24):
            client.app.things.insert_one({"_id": number, "raw": b"x" * 50_000})

        assert time.monotonic() - started_s < 8
        assert log.stat().st_size > 500_000

        other.execute("ROLLBACK")
    assert stored(path) == {-1, *range(24)}


def test_housekeeping_outlives_an_error_and_logs_it(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    often = {"HOUSE_S": 0.02, "SWEEP_S": 0.02}
    with on_controlled_disk(tmp_path, path, **often) as (server, _, client):
        things = client.app.things
        things.create_index("at", expireAfterSeconds=1)
        things.insert_one({"_id": 1, "at": datetime.now(UTC)})
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert server.stderr
            lines = iter(server.stderr.readline, b"")
            line = next(line for line in lines if b"rolled back" in line)
            other.execute("ROLLBACK")
        wait_until(lambda: things.find_one() is None)

    assert b"database is locked" in line


def insert_forever(things: Collection[Document], answered: set[object]) -> None:
    for number in itertools.count():
        things.insert_one({"_id": number, "raw": b"x" * 10_000})
        answered.add(number)


def test_without_space_writes_are_refused_reads_go_on_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    with served(free_port(), path) as (server, client):
        things = client.app.things
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (300_000, unlimited[1]))
        answered: set[object] = set()
        with pytest.raises(OperationFailure, match="nothing was stored") as refusal:
            insert_forever(things, answered)
        ids = {document["_id"] for document in things.find({}, {"_id": 1})}
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, unlimited)
        things.insert_one({"_id": "behind"})
        server.send_signal(signal.SIGKILL)
        server.wait(timeout=10)

    assert refusal.value.code == 14031
    assert len(answered) > 10
    assert ids == answered
    assert {str(each) for each in stored(path)} == {str(each) for each in answered} | {"behind"}
