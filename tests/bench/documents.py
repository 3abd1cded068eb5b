"""Server CPU of the embedded documents: insert, update in tens, find; starts its own server.

`python tests/bench/documents.py` prints microseconds an operation, rates and latencies.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
from pymongo import ASCENDING, DESCENDING, MongoClient, UpdateOne, WriteConcern
from pymongo.collection import Collection

ROOT = Path(__file__).parents[2]
CLIENTS = 8  # about as many execution environments write at once
DOCUMENTS = 20_000
Document = dict[str, Any]
Operation = Callable[[Collection[Document], int], object]


def payment(number: int) -> Document:
    """Return a document of the size and shape of a settled payment, 900 bytes."""
    now = datetime.now(UTC)
    entry = {"account": "receivable", "amount": number, "currency": "EUR", "at": now}
    event = {"type": "payment.succeeded", "at": now, "sequence": number}
    return {
        "_id": f"pay_{number * 2654435761 % 2**32:026d}",
        "tenant": f"tenant-{number % 10}",
        "created": now,
        "version": 1,
        "amount": number,
        "ledger": [entry] * 4,
        "events": [event] * 4,
        "metadata": {"note": "x" * 100},
    }


def insert(payments: Collection[Document], number: int) -> object:
    return payments.insert_one(payment(number))


def replace(payments: Collection[Document], number: int) -> object:
    new = payment(number) | {"version": 2}
    return payments.replace_one({"_id": new["_id"], "version": 1}, new)


def find(payments: Collection[Document], number: int) -> object:
    return payments.find_one({"_id": payment(number)["_id"]})


def find_ten(payments: Collection[Document], number: int) -> object:
    ids = [payment(number + step)["_id"] for step in range(10)]
    return list(payments.find({"_id": {"$in": ids}}))


def list_page(payments: Collection[Document], number: int) -> object:
    newest_first = [("created", DESCENDING), ("_id", DESCENDING)]
    return list(payments.find({"tenant": f"tenant-{number % 10}"}).sort(newest_first).limit(100))


def count_ten(payments: Collection[Document], number: int) -> object:
    minutes = payments.database.minutes.with_options(write_concern=WriteConcern(j=True))
    updates = [
        UpdateOne(
            {"_id": f"tenant|metric-{(number * 10 + step) % 997}|2026-11-23T10:00"},
            {"$inc": {"count": 1, "sum": step}, "$setOnInsert": {"name": "metric"}},
            upsert=True,
        )
        for step in range(10)
    ]
    return minutes.bulk_write(updates, ordered=False)


STEPS: list[tuple[str, Operation, int, int]] = [  # name, operation, calls, documents of a call
    ("insert", insert, DOCUMENTS, 1),
    ("replace", replace, DOCUMENTS // 2, 1),
    ("update in tens", count_ten, DOCUMENTS // 10, 10),
    ("find by _id", find, DOCUMENTS // 2, 1),
    ("find ten by _id", find_ten, DOCUMENTS // 4, 1),
    ("list a hundred", list_page, DOCUMENTS // 40, 1),
]


def measure(url: str, server: psutil.Process, operation: Operation, calls: int) -> tuple[Any, ...]:
    """Return seconds of server CPU, seconds of wall time, and the latencies of all calls."""
    latencies: list[float] = []
    numbers = iter(range(calls))

    def work() -> None:
        with MongoClient[Document](url) as client:
            payments = client.bench.payments.with_options(write_concern=WriteConcern(j=True))
            for number in numbers:
                started = time.perf_counter()
                operation(payments, number)
                latencies.append(time.perf_counter() - started)

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    before, started = cpu_s(server), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return cpu_s(server) - before, time.perf_counter() - started, sorted(latencies)


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def documents_server(folder: str) -> Iterator[tuple[str, psutil.Process]]:
    port, unix_socket = 20_000 + os.getpid() % 10_000, f"{folder}/bench.sock"
    command = [sys.executable, "-m", "local.documents", "--port", str(port)]
    files = ["--data", f"{folder}/bench.sqlite", "--socket", unix_socket]
    process = subprocess.Popen([*command, *files], cwd=ROOT)
    try:
        # As the functions reach it.
        yield f"mongodb://{quote(unix_socket, safe='')}/?maxPoolSize=1", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", help="where the data file is written; its disk is measured too")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
        documents_server(folder) as (url, server),
    ):
        with MongoClient[Document](url) as client:
            client.bench.payments.create_index(
                [("tenant", ASCENDING), ("created", DESCENDING), ("_id", DESCENDING)]
            )
        for name, operation, calls, size in STEPS:
            cpu, wall, latencies = measure(url, server, operation, calls)
            p50, p99, p999 = (latencies[int(len(latencies) * part)] for part in (0.5, 0.99, 0.999))
            sys.stdout.write(
                f"{name:16} {cpu / calls / size * 1e6:6.0f} us CPU  {calls * size / wall:7.0f}/s  "
                f"p50 {p50 * 1e3:5.1f} ms  p99 {p99 * 1e3:5.1f}  p99.9 {p999 * 1e3:5.1f}\n"
            )


if __name__ == "__main__":
    main()
