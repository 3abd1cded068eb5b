"""Drills of what surrounds the payments: messages, clocks, clients, disks, connections, keys.

They are audited as the drills of payments.
"""

import base64
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from local.machine import status
from local.machine.stores import Valkey
from tests.conftest import free_port, wait_until
from tests.drills.outcome import Missing
from tests.drills.payments import Site, Surroundings, holds_within, p99_ms, redeliveries
from tests.e2e.conftest import Client
from tests.integration.relay import Relay, received

BATCHES = re.compile(r"^worker_batch_duration_seconds_count\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)
SECONDS = 15.0  # that a fault lasts
ROUNDS = 4
SLOW_HEADS, SLOW_BODIES = 500, 200
CLOSED_WITHIN_S = 15.0  # the gateway's longest deadline for a request, and some seconds
CUT_SHARE = 0.05  # of the pieces in which a store's answers come
TMPFS = "8m"
FLOOR_MS = 150.0  # below it a p99 on a busy machine says nothing
UNKNOWN_KIDS = 2000
DEAD_WITHIN_S = 270.0  # five receives, with the visibility timeout of 30 s between


def poison(site: Site, _: Surroundings) -> tuple[str, bool]:
    """Put a message that nobody can handle among nine that somebody can, four times over."""
    queue, dead = site.queue("payments"), site.queue("payments-dlq")
    poisons = ["not json", '{"payment_id": 5}', "[]", '{"payment_id": "pay_nobody", "tenant": 7}']
    for poison in poisons:
        bodies = [json.dumps({"payment_id": site.create().body["id"]}) for _ in range(9)]
        queue.send_batch([*bodies[:5], poison, *bodies[5:]])
    holds_within(lambda: dead.depth().visible >= len(poisons), DEAD_WITHIN_S)
    letters = dead.receive(10)
    dead_bodies = sorted(letter.body for letter in letters)
    for letter in letters:
        dead.delete(letter.receipt_handle)
    return f"{len(dead_bodies)} of {len(poisons)} poisoned messages died", dead_bodies == sorted(
        poisons
    )


def with_faketime(surroundings: Surroundings) -> None:
    """Look for the library that shifts a process's clock."""
    library = os.environ.get("FAKETIME_LIBRARY", "")
    if not Path(library).is_file():
        raise Missing("libfaketime is missing: `apt-get install libfaketime`, or set FAKETIME=")
    surroundings.variables["FAKETIME_LIBRARY"] = library


def wrong_clocks(site: Site, surroundings: Surroundings) -> tuple[str, bool]:
    """Run two more workers with all their functions, an hour ahead and an hour behind."""
    last = status.read(site.system.state)
    assert last is not None
    worker = psutil.Process(next(each.pid for each in last.processes if each.name == "worker-0"))
    strangers = []
    for index, offset in enumerate(("+3600s", "-3600s"), 5):
        environment = {
            **worker.environ(),
            "LD_PRELOAD": surroundings.variables["FAKETIME_LIBRARY"],
            "FAKETIME": offset,
        }
        # The last of an option counts.
        options = ("--index", str(index), "--metrics-port", str(free_port()))
        strangers.append(
            subprocess.Popen([*worker.cmdline(), *options], env=environment, cwd=worker.cwd())
        )
        surroundings.stack.callback(strangers[-1].wait)
        surroundings.stack.callback(strangers[-1].terminate)
    before = redeliveries(site.system)
    for _round in range(ROUNDS):  # on a busy machine it takes a worker long to start
        site.create_for(SECONDS)
        if all(_handled(each) for each in strangers):
            break
    again = redeliveries(site.system) - before
    handled = [_handled(each) for each in strangers]
    evidence = f"2 workers an hour off handled {handled} batches, {again:.0f} redeliveries"
    return evidence, all(handled) and not again


def _handled(worker: subprocess.Popen[bytes]) -> int:
    """Return how many batches a worker has handled by its metrics, 0 where it has ended."""
    options = psutil.Process(worker.pid).cmdline() if worker.poll() is None else ["0"]
    with suppress(OSError):
        page = Client(f"http://127.0.0.1:{options[-1]}").call("GET", "/metrics").body.decode()
        return int(sum(float(each) for each in BATCHES.findall(page)))
    return 0


def slow_clients(site: Site, _: Surroundings) -> tuple[str, bool]:
    """Begin 500 heads and dribble 200 bodies, and end none of them."""
    calm_ms = p99_ms(site)
    before = _descriptors(site)
    where = urlsplit(site.system.gateway)
    heads = [
        _begin(where.port or 0, b"GET /health HTTP/1.1\r\nHost: x\r\nX: ")
        for _ in range(SLOW_HEADS)
    ]
    posted = b"POST /v1/payments HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
    bodies = [_begin(where.port or 0, posted) for _ in range(SLOW_BODIES)]
    most = _descriptors(site)
    dribble = threading.Thread(target=_dribble, args=(bodies,))
    dribble.start()
    slow_ms = p99_ms(site)
    dribble.join()
    holds_within(lambda: _descriptors(site) <= before + 10, CLOSED_WITHIN_S)
    left = max(0, _descriptors(site) - before)
    for each in heads + bodies:
        each.close()
    site.create_many(10)
    evidence = (
        f"{most - before} connections more, p99 {calm_ms:.0f} -> {slow_ms:.0f} ms, {left} left"
    )
    is_felt = slow_ms > max(2 * calm_ms, FLOOR_MS)
    return evidence, most - before > SLOW_HEADS and left <= 10 and not is_felt


def tmpfs(surroundings: Surroundings) -> None:
    """Have Valkey write to a file system of 8 MB."""
    if not shutil.which("mount"):
        raise Missing("mount is missing: `apt-get install mount`")
    folder = Path(surroundings.stack.enter_context(tempfile.TemporaryDirectory()))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={TMPFS}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        raise Missing(f"F19 needs the right to mount a tmpfs, as root: {mounted.stderr.strip()}")
    surroundings.stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=False)
    port = _valkey_at(folder, surroundings)
    surroundings.variables["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    surroundings.variables["DRILL_FOLDER"] = str(folder)


def full_disk(site: Site, surroundings: Surroundings) -> tuple[str, bool]:
    """Fill the disk under Valkey's log while payments come, and make room again."""
    filler = Path(surroundings.variables["DRILL_FOLDER"]) / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    site.create_for(SECONDS)
    left = shutil.disk_usage(filler.parent).free
    filler.unlink()
    site.create_many(20)
    return f"{left:,} bytes were left on the disk", left < 65536


def relays(surroundings: Surroundings) -> None:
    """Put a relay that can cut answers off in front of both stores."""
    folder = Path(surroundings.stack.enter_context(tempfile.TemporaryDirectory()))
    documents = free_port()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "local.documents",
            "--port",
            str(documents),
            "--data",
            folder / "d.sqlite",
        ]
    )
    surroundings.stack.callback(process.wait)
    surroundings.stack.callback(process.terminate)
    valkey = _valkey_at(folder, surroundings)
    for port in (documents, valkey):
        wait_until(lambda port=port: _listens(port))  # type: ignore[misc]
        surroundings.relays.append(surroundings.stack.enter_context(CuttingRelay(port)))
    mongo, redis_ = (relay.port for relay in surroundings.relays)
    surroundings.variables["MONGO_URL"] = f"mongodb://127.0.0.1:{mongo}"
    surroundings.variables["REDIS_URL"] = f"redis://127.0.0.1:{redis_}/0"


def cut_answers(site: Site, surroundings: Surroundings) -> tuple[str, bool]:
    """Cut off one answer in twenty of both stores, half of them in the middle."""
    for relay in surroundings.relays:
        relay.share = CUT_SHARE
    site.create_for(SECONDS)
    for relay in surroundings.relays:
        relay.share = 0.0
    cuts = [relay.cuts for relay in surroundings.relays]
    site.create_many(20)
    return f"{cuts[0]} answers of documents and {cuts[1]} of Valkey cut off", all(cuts)


def unknown_keys(site: Site, _: Surroundings) -> tuple[str, bool]:
    """Send tokens that name keys nobody knows, while honest tokens are used."""
    assert site.demo.token is not None
    claims, signature = site.demo.token.split(".")[1:]
    refused: list[int] = []

    def flood() -> None:
        stranger = Client(site.system.gateway)
        for number in range(UNKNOWN_KIDS):
            header = json.dumps({"alg": "EdDSA", "typ": "at+jwt", "kid": f"unknown-{number}"})
            head = base64.urlsafe_b64encode(header.encode()).decode().rstrip("=")
            stranger.token = f"{head}.{claims}.{signature}"
            refused.append(stranger.call("GET", "/v1/payments").status)

    flooding = threading.Thread(target=flood)
    flooding.start()
    site.create_for(SECONDS)
    flooding.join()
    evidence = f"{len(refused)} tokens of unknown keys, honest ones refused {site.refused}"
    return evidence, set(refused) == {401} and not site.refused


class CuttingRelay(Relay):
    """A relay that resets a share of the answers, half of them after the first half of a piece."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.share = 0.0
        self.cuts = 0
        self._chance = random.Random(1)

    def back(self, server: socket.socket, client: socket.socket) -> None:
        """Pass on what the server answers, until its end or a cut."""
        while data := received(server):
            try:
                if self._chance.random() >= self.share:
                    client.sendall(data)
                    continue
                self.cuts += 1
                if self.cuts % 2:
                    client.sendall(data[: len(data) // 2])
                linger = struct.pack("ii", 1, 0)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            return


def _valkey_at(folder: Path, surroundings: Surroundings) -> int:
    """Start a Valkey that keeps its data in this folder; return its port."""
    valkey = Valkey(directory=folder, port=free_port(), socket_path=folder / "valkey.sock")
    process = subprocess.Popen(valkey.command, stdout=subprocess.DEVNULL)
    surroundings.stack.callback(process.wait)
    surroundings.stack.callback(process.terminate)
    wait_until(valkey.answers)
    return valkey.port


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _begin(port: int, start: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), 5)
    client.sendall(start)
    return client


def _dribble(clients: list[socket.socket]) -> None:
    for _ in range(5):
        time.sleep(1)
        for each in clients:
            with suppress(OSError):
                each.send(b" ")


def _descriptors(site: Site) -> int:
    last = status.read(site.system.state)
    assert last is not None
    gateway = next(each.pid for each in last.processes if each.name == "gateway")
    return int(psutil.Process(gateway).num_fds())
