"""Kill -9 of workers while they deliver: each notification arrives, and copies can be told.

Each kill ends a random worker with all its environments, wherever they are. Passes when every
notification that was accepted is delivered and in the mailbox, copies bear one Message-ID, nothing
is in the dead-letter queue, and kills did cut attempts short.
"""

import json
import random
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from redis_sqs.redis_queue import RedisQueue
from tests.conftest import wait_until
from tests.drills.outcome import Conditions, Outcome
from tests.drills.payments import THREADS
from tests.e2e.conftest import Client, System, log_in, own_system

DURATION_S = 200
RATE = 50
KILLS_EVERY_S = 4.0
DRAINED_WITHIN_S = 300  # five receives with a visibility timeout of 30 s, and a kill at each
PAGE = 100


class Killer(threading.Thread):
    """The killer of a worker and its environments every so often, until it is told to stop."""

    def __init__(self, state: Path, *, every_s: float, chance: random.Random) -> None:
        super().__init__()
        self.kills = 0
        self._status = state / "status.json"
        self._every_s = every_s
        self._chance = chance
        self._ending = threading.Event()

    def run(self) -> None:
        """Kill until `stop`."""
        while not self._ending.wait(self._every_s):
            workers = [
                each["pid"]
                for each in json.loads(self._status.read_text())["processes"]
                if each["name"].startswith("worker") and each["state"] == "running"
            ]
            if workers:
                self.kills += _kill(self._chance.choice(workers))

    def stop(self) -> None:
        """Let the workers live."""
        self._ending.set()
        self.join()


def _kill(pid: int) -> bool:
    """Kill a process and all below it at once; whether there was one."""
    try:
        worker = psutil.Process(pid)
        for each in (*worker.children(recursive=True), worker):
            each.kill()
    except psutil.NoSuchProcess:
        return False
    return True


def accept(demo: Client, count: int, *, rate: int) -> dict[str, str]:
    """Ask for so many notifications at this rate; returns their ids by recipient."""
    accepted: dict[str, str] = {}
    began_s = time.monotonic()

    def one(number: int) -> None:
        time.sleep(max(0.0, began_s + number / rate - time.monotonic()))
        to = f"{uuid.uuid4().hex}@example.com"
        body = {"channel": "email", "to": to, "template": "welcome", "variables": {"name": "Ada"}}
        answer = demo.call("POST", "/v1/notifications", body, {"Idempotency-Key": to})
        if answer.status == 202:
            accepted[to] = answer.body["id"]

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, range(count)))
    return accepted


def stored(demo: Client) -> Iterator[dict[str, Any]]:
    """Return every notification as its tenant sees it."""
    after = ""
    while True:
        page = demo.call("GET", f"/v1/notifications?limit={PAGE}{after}").body
        yield from page["data"]
        if not page["has_more"]:
            return
        after = f"&starting_after={page['data'][-1]['id']}"


def mailed(mailbox: Client) -> dict[str, list[str]]:
    """Return the Message-IDs that each recipient has got."""
    message_ids: dict[str, list[str]] = defaultdict(list)
    after: int | None = 0
    while after is not None:
        page = mailbox.call("GET", f"/messages?after={after}").body
        for each in page["messages"]:
            message_ids[each["to"]].append(each["message_id"])
        after = page["next"]
    return message_ids


def run(conditions: Conditions) -> Outcome:
    """Run the drill on a system of its own."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        own_system(Path(folder)) as system,
    ):
        return drill(system, conditions)


def drill(system: System, conditions: Conditions) -> Outcome:
    """Accept, kill, wait, compare."""
    rate = conditions.rate(RATE)
    wanted = rate * conditions.duration(DURATION_S)
    demo = log_in(system.gateway, "demo", "demo-secret")
    killer = Killer(system.state, every_s=KILLS_EVERY_S, chance=random.Random(conditions.seed))
    killer.start()
    accepted = accept(demo, wanted, rate=rate)
    killer.stop()
    ended_s = time.monotonic()
    url = json.loads((system.state / "status.json").read_text())["variables"]["REDIS_URL"]
    queue, dead = (
        RedisQueue(name, redis_url=url) for name in ("notifications", "notifications-dlq")
    )

    def is_drained() -> bool:
        return not queue.depth().total

    wait_until(is_drained, DRAINED_WITHIN_S)
    recovered_s = time.monotonic() - ended_s
    shown = {each["id"]: each for each in stored(demo)}
    mails = mailed(Client(system.mailbox))
    twice = {to: ids for to, ids in mails.items() if len(ids) > 1}
    cut = sum(
        any(attempt["result"] == "unknown" for attempt in each["attempts"])
        for each in shown.values()
    )
    lost = len(accepted.keys() - mails.keys())
    wrong = {
        "not all accepted": len(accepted) < wanted,
        "not all delivered": any(shown[x]["status"] != "delivered" for x in accepted.values()),
        "not all mailed": lost > 0,
        "copies of several Message-IDs": any(len(set(ids)) > 1 for ids in twice.values()),
        "some in the dead-letter queue": dead.depth().visible > 0,
        "no attempt was cut short": cut == 0,
    }
    return Outcome(
        fault=f"{killer.kills} workers killed, {cut} attempts cut short, {len(twice)} mails came"
        " more than once under one Message-ID",
        acked=len(accepted),
        lost=lost,
        doubled=None,
        errors=f"{wanted - len(accepted):,} of {wanted:,}",
        recovered_s=recovered_s,
        wrong=[sentence for sentence, holds in wrong.items() if holds],
    )
