"""The documents server as a process: kills, restarts, signals, its address and its file."""

import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient, UpdateOne
from pymongo.errors import PyMongoError

from local.documents.connections import CONNECTIONS_MAX
from tests.conftest import free_port, wait_until

Document = dict[str, Any]
Server = subprocess.Popen[bytes]


def start(port: int, path: Path) -> Server:
    command = [sys.executable, "-m", "local.documents", "--port", str(port), "--data", str(path)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def stop(server: Server, number: signal.Signals) -> int:
    server.send_signal(number)
    server.communicate(timeout=10)
    return server.returncode


@contextmanager
def served(port: int, path: Path) -> Iterator[tuple[Server, MongoClient[Document]]]:
    server = start(port, path)
    try:
        wait_until(lambda: listens(port))
        with MongoClient[Document]("127.0.0.1", port, w="majority", journal=True) as client:
            yield server, client
    finally:
        stop(server, signal.SIGTERM)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def write_until_refused(url: str, writer: int, acknowledged: list[tuple[int, int]]) -> None:
    """Insert and count in turn; a number is acknowledged when both have been answered."""
    with MongoClient[Document](url, w="majority", journal=True, retryWrites=False) as client:
        for number in range(100_000):
            try:
                client.app.things.insert_one({"_id": f"{writer}-{number}", "ref": number})
                client.app.totals.bulk_write(
                    [UpdateOne({"_id": writer}, {"$inc": {"n": 1}}, upsert=True)]
                )
            except PyMongoError:
                return
            acknowledged.append((writer, number))


def test_an_end_while_clients_write_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path, port = tmp_path / "documents.sqlite", free_port()
    acknowledged: list[tuple[int, int]] = []
    for round_, number in enumerate((signal.SIGKILL, signal.SIGTERM)):
        with served(port, path) as (server, client):
            client.app.things.create_index([("ref", -1)])
            threads = [
                threading.Thread(
                    target=write_until_refused,
                    args=(f"mongodb://127.0.0.1:{port}/", round_ * 10 + writer, acknowledged),
                )
                for writer in range(6)
            ]
            for thread in threads:
                thread.start()
            enough = len(acknowledged) + 200
            wait_until(lambda enough=enough: len(acknowledged) >= enough)  # type: ignore[misc]
            stop(server, number)
            for thread in threads:
                thread.join()

    with served(port, path) as (_, client):
        stored = {document["_id"] for document in client.app.things.find()}
        by_index = client.app.things.count_documents({"ref": {"$gte": 0}})
        totals = {total["_id"]: total["n"] for total in client.app.totals.find()}

    assert len(acknowledged) >= 400
    assert {f"{writer}-{number}" for writer, number in acknowledged} <= stored
    assert by_index == len(stored)
    for writer, total in totals.items():
        counted = [number for who, number in acknowledged if who == writer]
        assert len(counted) <= total <= len(counted) + 1
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_sigterm_answers_what_is_written_and_leaves_one_clean_file(tmp_path: Path) -> None:
    path, port = tmp_path / "documents.sqlite", free_port()
    with served(port, path) as (server, client):
        client.app.things.create_index("n", unique=True)
        client.app.things.insert_many([{"_id": n, "n": n} for n in range(500)])
        modes = {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
        code = stop(server, signal.SIGTERM)

    with served(port, path) as (_, client):
        count = client.app.things.count_documents({"n": {"$gte": 0}})
        indexes = sorted(client.app.things.index_information())

    assert (code, modes) == (0, {0o600})
    assert (count, indexes) == (500, ["_id_", "n_1"])
    assert [each.name for each in tmp_path.iterdir() if each.suffix in (".sqlite-wal",)] == []


def test_a_taken_port_and_a_file_in_use_are_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    path, port = tmp_path / "documents.sqlite", free_port()
    with served(port, path):
        taken_port = start(port, tmp_path / "other.sqlite")
        _, port_error = taken_port.communicate(timeout=10)
        taken_file = start(free_port(), path)
        _, file_error = taken_file.communicate(timeout=10)

    assert (taken_port.returncode, taken_file.returncode) == (2, 2)
    assert b"address already in use" in port_error
    assert b"is in use by another documents server" in file_error
    assert [port_error.count(b"\n"), file_error.count(b"\n")] == [1, 1]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "documents.sqlite"
    path.write_bytes(b"something else" * 1000)

    server = start(free_port(), path)
    _, errors = server.communicate(timeout=10)

    assert server.returncode == 2
    assert b"not a database" in errors


def test_what_cannot_be_stored_is_an_error_to_all_who_wait(tmp_path: Path) -> None:
    path, port = tmp_path / "documents.sqlite", free_port()
    with served(port, path) as (_, client):
        client.app.things.insert_one({"_id": 1})
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(PyMongoError, match="nothing was stored"):
                client.app.things.insert_one({"_id": 2})
            other.execute("ROLLBACK")
        client.app.things.insert_one({"_id": 3})

        assert [each["_id"] for each in client.app.things.find()] == [1, 3]


def test_idle_connections_make_room_for_one_too_many(tmp_path: Path) -> None:
    port = free_port()
    with served(port, tmp_path / "documents.sqlite") as (_, client), ExitStack() as stack:
        client.admin.command("ping")
        idle = [stack.enter_context(connected(port)) for _ in range(CONNECTIONS_MAX)]
        idle.append(stack.enter_context(connected(port)))

        assert idle[0].recv(1) == b""
        assert stays_open(port)
        assert client.app.things.find_one() is None


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def stays_open(port: int) -> bool:
    with connected(port) as probe:
        probe.settimeout(0.2)
        try:
            return probe.recv(1) != b""
        except TimeoutError:
            return True
