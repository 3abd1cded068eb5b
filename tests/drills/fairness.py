"""The felt and the unfelt of tenants beside each other: `make drills DRILL=fairness`.

On a system of its own a quiet tenant asks steadily, alone and then beside a greedy one, for each
thing that both share. Its p99 may be twice that alone; a difference below the floor is not told
from none. What another program of the machine costs is no tenant's doing: one round of three within
the bound will do.
"""

import os
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import Event, Process, Queue
from pathlib import Path
from typing import Any

from backend.announcer import FRESH_S
from tests.drills.outcome import Conditions, Outcome
from tests.e2e.conftest import Client, System, log_in, own_system
from tests.integration.webhook_sink import Drip, WebhookSink

QUIET_PER_S = 10
QUIET_THREADS = 5
SECONDS = 6  # of each measurement
GREEDY_PER_S = 60  # arrivals, each as much as one request may ask for
GREEDY_THREADS = 6
RATIO_MAX = 2.0
FLOOR_MS = 10.0
ROUNDS = 3
DELIVERED_WITHIN_S = 20.0
VISA = {"amount": 1250, "currency": "EUR", "payment_method": "pm_card_visa"}
HOOKS = "/v1/webhook-endpoints"
Request = Callable[[Client], object]


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


def pay(client: Client) -> str:
    answer = client.call("POST", "/v1/payments", VISA, key())
    return str(answer.body.get("id"))


def flood(client: Client) -> None:
    """Ask for what there is not, as fast as answers come."""
    for _ in range(5):
        client.call("GET", "/v1/payments/pay_nobody")


def send_events(client: Client) -> None:
    """Send as many events as one request may have."""
    events = [{"name": f"greedy-{uuid.uuid4().hex[:3]}", "value": 1} for _ in range(500)]
    client.call("POST", "/v1/analytics/events/batch", {"events": events})


def notify(client: Client) -> str:
    body = {"channel": "email", "to": f"{uuid.uuid4().hex}@example.com", "template": "welcome"}
    answer = client.call("POST", "/v1/notifications", {**body, "variables": {"name": "Ada"}}, key())
    return str(answer.body.get("id"))


def notify_and_wait(client: Client) -> None:
    """Send a mail and wait until it is delivered."""
    path = f"/v1/notifications/{notify(client)}"
    _wait(lambda: client.call("GET", path).body["status"] == "delivered")


def fill_cache(client: Client) -> None:
    """Use up keys of the replay cache, with as much to keep as an answer may have."""
    client.call("POST", "/v1/payments", {**VISA, "description": "x" * 200}, key())


def replay(client: Client) -> None:
    """Ask once more under a key that has been used."""
    headers = {"Idempotency-Key": f"fairness-{client.token}"[:64]}
    client.call("POST", "/v1/payments", VISA, headers)


def list_payments(client: Client) -> None:
    client.call("GET", "/v1/payments?limit=100")


def read_payments(client: Client) -> None:
    client.call("GET", "/v1/payments?limit=1")


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing that tenants share: what the greedy one and the quiet one do with it."""

    name: str
    greed: str  # in words
    greedy: Request
    quiet: Request
    quiet_words: str
    hangs: bool = False  # whether the greedy tenant's receiver of webhooks never answers


THINGS = {
    "gateway": Thing(
        "gateway", "five requests for nothing at a time", flood, read_payments, "a list of one"
    ),
    "environments": Thing(
        "environments",
        "batches of 500 events for the same function",
        send_events,
        lambda client: client.call("POST", "/v1/analytics/events", {"name": "quiet"}),
        "one event",
    ),
    "queues": Thing("queues", "mails", notify, notify_and_wait, "a mail, until it is delivered"),
    "cache": Thing("cache", "payments under new keys", fill_cache, replay, "a replay of one key"),
    "documents": Thing(
        "documents", "lists of 100 payments", list_payments, read_payments, "a list of one"
    ),
    "webhooks": Thing(
        "webhooks",
        "payments whose receiver never answers",
        pay,
        pay,
        "a payment, until its webhook has come",
        hangs=True,
    ),
}


class Greed:
    """The greedy tenant, in a process of its own, until the block ends."""

    def __init__(self, base: str, thing: Thing) -> None:
        self._ending = Event()
        self._sent: Queue[int] = Queue()
        self._process = Process(
            target=_be_greedy, args=(base, thing.name, self._ending, self._sent)
        )
        self.sent = 0

    def __enter__(self) -> "Greed":
        self._process.start()
        time.sleep(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self.sent = self._sent.get(timeout=60)
        self._process.join()


def _be_greedy(base: str, name: str, ending: Any, sent: "Queue[int]") -> None:
    os.nice(10)  # who asks is not what is measured
    client = log_in(base, "load", "load-secret")
    counts = [0] * GREEDY_THREADS

    def ask(number: int) -> None:
        while not ending.is_set():
            next_s = time.monotonic() + GREEDY_THREADS / GREEDY_PER_S
            THINGS[name].greedy(client)
            counts[number] += 1
            ending.wait(max(0.0, next_s - time.monotonic()))

    with ThreadPoolExecutor(GREEDY_THREADS) as pool:
        list(pool.map(ask, range(GREEDY_THREADS)))
    sent.put(sum(counts))


def p99_ms(client: Client, request: Request) -> float:
    """Return the p99 of the quiet tenant's requests, each from the moment when it was due."""
    count = QUIET_PER_S * SECONDS
    began_s = time.perf_counter()

    def ask(number: int) -> float:
        due_s = began_s + number / QUIET_PER_S
        time.sleep(max(0.0, due_s - time.perf_counter()))
        request(client)
        return time.perf_counter() - due_s

    with ThreadPoolExecutor(QUIET_THREADS * 4) as pool:
        took_s = sorted(pool.map(ask, range(count)))
    return took_s[max(0, -(-count * 99 // 100) - 1)] * 1000


class Webhooks:
    """The receivers of both tenants: one answers, and one never does."""

    def __init__(self, system: System, stack: ExitStack) -> None:
        self.good = stack.enter_context(WebhookSink())
        hanging = stack.enter_context(WebhookSink(answers=[Drip(5.0)]))
        self._came = threading.Lock()
        for name, sink in (("demo", self.good), ("load", hanging)):
            client = log_in(system.gateway, name, f"{name}-secret")
            answer = client.call("POST", HOOKS, {"url": sink.url})
            assert answer.status == 201, answer
        time.sleep(FRESH_S + 1)  # until every process knows them

    def pay_and_wait(self, client: Client) -> None:
        """Make a payment and wait until the receiver has been told of it."""
        payment_id = pay(client).encode()
        _wait(lambda: any(payment_id in each.body for each in self.good.deliveries[-200:]))


def _wait(predicate: Callable[[], bool]) -> None:
    """Wait until this holds; what takes longer than the bound counts as so long."""
    until_s = time.monotonic() + DELIVERED_WITHIN_S
    while not predicate() and time.monotonic() < until_s:
        time.sleep(0.02)


def drill(system: System, thing: Thing) -> tuple[str, int, str]:
    """Measure one thing until a round is within the bound; return row, greedy requests, verdict."""
    quiet = log_in(system.gateway, "demo", "demo-secret")
    with ExitStack() as stack:
        request = thing.quiet
        if thing.hangs:
            request = Webhooks(system, stack).pay_and_wait
        for _ in range(ROUNDS):
            alone_ms = p99_ms(quiet, request)
            with Greed(system.gateway, thing) as greed:
                beside_ms = p99_ms(quiet, request)
            is_fair = beside_ms <= max(RATIO_MAX * alone_ms, alone_ms + FLOOR_MS)
            if is_fair and greed.sent:
                break
    verdict = "passed" if is_fair else "too slow"
    if not greed.sent:
        verdict = "nobody was greedy"
    row = (
        f"| {thing.name} | {thing.greed}: {greed.sent:,} | {thing.quiet_words} |"
        f" {alone_ms:.1f} | {beside_ms:.1f} | {verdict} |"
    )
    return row, greed.sent, verdict


HEAD = (
    "| shared | the greedy tenant | the quiet one | p99 alone, ms | beside, ms | verdict |\n"
    "|---|---|---|---|---|---|"
)


def run(_: Conditions) -> Outcome:
    """Measure each thing on one system."""
    rows, sent, wrong = [], 0, []
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        own_system(Path(folder) / "state", WEBHOOKS_TO_LOOPBACK="yes") as system,
    ):
        for name, thing in THINGS.items():
            row, greedy, verdict = drill(system, thing)
            rows.append(row)
            sent += greedy
            wrong += [] if verdict == "passed" else [f"{name}: {verdict}"]
            sys.stderr.write(f"{row}\n")
    return Outcome.without_losses(
        fault=f"{sent:,} greedy requests, {len(THINGS)} shared things",
        acked=len(THINGS) * QUIET_PER_S * SECONDS,
        wrong=wrong,
        details=[
            f"A quiet tenant asks {QUIET_PER_S} times a second, alone and beside a greedy one; its"
            f" p99 may be {RATIO_MAX:.0f} times that alone, or {FLOOR_MS:.0f} ms more. The best of"
            f" at most {ROUNDS} rounds of {SECONDS} s.",
            "",
            HEAD,
            *rows,
        ],
    )
