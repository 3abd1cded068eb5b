"""Drills of payments, each on a system of its own.

Each makes its fault really happen, says so, and passes only if every payment that was accepted ends
with one charge and nothing is left behind.
"""

import itertools
import json
import re
import signal
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from redis_sqs.redis_queue import RedisQueue
from tests.conftest import wait_until
from tests.drills.outcome import Conditions, Outcome, Run
from tests.e2e.conftest import Answer, Client, System, log_in, own_system

VISA = {"amount": 1250, "currency": "EUR", "payment_method": "pm_card_visa"}
WAITS = "pm_card_authenticationRequired"
CONFIRMED = ["payment.created", "payment.requires_action", "payment.succeeded"]
THREADS = 10
ATTEMPTS = 5
DRAINED_WITHIN_S = 120
REDELIVERIES = re.compile(r"^worker_redeliveries_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)
UNTIL_S = {"F07": 30, "F08": 20, "F13": 36}  # how long the fault lasts


class Site:
    """The running system, a client of it, and what it has accepted."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.demo = log_in(system.gateway, "demo", "demo-secret")
        self.provider = Client(system.provider)
        self.accepted: list[str] = []
        self.refused: list[int] = []
        self.repeated = 0

    def set_faults(self, **faults: float) -> dict[str, Any]:
        """Set the provider's faults; returns what it had thrown until now."""
        thrown: dict[str, Any] = self.provider.call("GET", "/faults").body["thrown"]
        self.provider.call("PUT", "/faults", faults)
        return thrown

    def create(self, key: str = "", **changes: object) -> Answer:
        """Ask until it is answered: nobody knows what a 5xx has done, the same key finds out."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        for _ in range(ATTEMPTS):
            answer = self.demo.call("POST", "/v1/payments", {**VISA, **changes}, headers)
            if answer.status < 500:
                break
            self.repeated += 1
            time.sleep(1)  # as its Retry-After says
        if answer.status == 201:
            self.accepted.append(answer.body["id"])
        else:
            self.refused.append(answer.status)
        return answer

    def confirmed(self) -> str:
        """Have a customer confirm a payment that required it; returns its id."""
        payment_id: str = self.create(payment_method=WAITS).body["id"]
        wait_until(lambda: self.events_of(payment_id)[1:], DRAINED_WITHIN_S)
        answer = self.provider.call("POST", "/confirmations", {"reference": payment_id})
        assert answer.status == 200, answer
        return payment_id

    def events_of(self, payment_id: str) -> list[str]:
        events = self.demo.call("GET", f"/v1/payments/{payment_id}").body["events"]
        return [each["type"] for each in events]

    def create_many(self, count: int) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda _: self.create(), range(count)))

    def create_for(self, duration_s: float) -> None:
        """Ask for payments until the time is over."""
        until_s = time.monotonic() + duration_s
        while time.monotonic() < until_s:
            self.create_many(THREADS)
            time.sleep(0.2)

    def queue(self, name: str) -> RedisQueue:
        status = json.loads((self.system.state / "status.json").read_text())
        return RedisQueue(name, redis_url=status["variables"]["REDIS_URL"])

    def audit(self) -> "Audit":
        """Wait until everything is settled, and compare it with the provider and the reconciler."""
        ids, others = set(self.accepted), []

        def is_settled() -> bool:
            left = self.demo.call("GET", "/v1/payments?status=processing&limit=1").body["data"]
            return not left

        if not holds_within(is_settled, DRAINED_WITHIN_S):
            others.append(f"not all is settled after {DRAINED_WITHIN_S} s")
        charges: Counter[str] = Counter()
        after: int | None = 0
        while after is not None:
            page = self.provider.call("GET", f"/charges?after={after}").body
            charges.update(each["reference"] for each in page["charges"])
            after = page["next"]
        if strangers := charges.keys() - ids:
            others.append(f"{len(strangers)} charged without an answer")
        if dead := self.queue("payments-dlq").depth().visible:
            others.append(f"{dead} in the dead-letter queue")
        reconciled = self.system.local("reconcile")
        if reconciled.returncode:
            others.append(f"reconcile says: {reconciled.stdout.partition(chr(10))[0]}")
        doubled = sum(count > 1 for count in charges.values())
        return Audit(len(ids - charges.keys()), doubled, others)


@dataclass(frozen=True, slots=True)
class Audit:
    """The payments that were never charged or more than once, and what else was wrong."""

    lost: int
    doubled: int
    others: list[str]


def slow_provider(site: Site, _: "Surroundings") -> tuple[str, bool]:
    """Let every answer take 3 s, over the time-out, and lose some after their effect."""
    calm_ms = p99_ms(site)
    site.set_faults(p50_ms=3000, p99_ms=3500, p_lost=0.3)
    with ThreadPoolExecutor(1) as pool:
        payments = pool.submit(site.create_for, UNTIL_S["F07"])
        slow_ms = p99_ms(site)
        payments.result()
    thrown = site.set_faults()
    evidence = (
        f"{thrown.get('lost', 0)} answers lost, p99 of others {calm_ms:.0f} -> {slow_ms:.0f} ms"
    )
    return evidence, bool(thrown.get("lost")) and slow_ms <= max(2 * calm_ms, 150)


def lost_answers(site: Site, _: "Surroundings") -> tuple[str, bool]:
    """Let the provider do all and answer nothing; then it tells all twice, out of order."""
    site.set_faults(p_lost=1)
    site.create_for(UNTIL_S["F08"])
    lost = site.set_faults(p_webhook_duplicated=1, p_webhook_overtaken=0.5).get("lost", 0)
    confirmed = [site.confirmed() for _ in range(20)]
    wait_until(lambda: all(site.events_of(each)[2:] for each in confirmed), DRAINED_WITHIN_S)
    time.sleep(3)  # the last ones are overtaken by a second
    thrown = site.set_faults()
    doubled, overtaken = thrown["webhook_duplicated"], thrown["webhook_overtaken"]
    once = all(site.events_of(each) == CONFIRMED for each in confirmed)
    evidence = f"{lost} answers lost, {doubled} webhooks doubled, {overtaken} overtaken"
    return evidence, lost > 0 and once


def three_deliveries(site: Site, _: "Surroundings") -> tuple[str, bool]:
    """Put every message on the queue three times, for five workers at once."""
    site.create_many(200)
    bodies = [json.dumps({"payment_id": each}) for each in site.accepted]
    for _round in range(2):
        site.queue("payments").send_batch(bodies)
    return f"{2 * len(bodies)} messages more than payments", bool(bodies)


def zombies(site: Site, _: "Surroundings") -> tuple[str, bool]:
    """Stop four of five workers in the middle, and wake them after their messages came back."""
    before = redeliveries(site.system)
    site.set_faults(p50_ms=1500, p99_ms=1600)
    site.create_many(200)
    # At least two have a batch of ten then, and one of them is stopped.
    are_busy = holds_within(lambda: site.queue("payments").depth().in_flight >= 20, 30)
    processes = json.loads((site.system.state / "status.json").read_text())["processes"]
    workers = [psutil.Process(each["pid"]) for each in processes if "worker-" in each["name"]][:4]
    zombies = [*workers, *itertools.chain(*(each.children(recursive=True) for each in workers))]
    for each in zombies:
        each.send_signal(signal.SIGSTOP)
    site.set_faults()
    time.sleep(UNTIL_S["F13"])
    for each in zombies:
        each.send_signal(signal.SIGCONT)
    holds_within(lambda: redeliveries(site.system) > before, 30)
    redelivered = redeliveries(site.system) - before
    return (
        f"{len(zombies)} processes stopped, {redelivered:.0f} redeliveries",
        are_busy and redelivered > 0,
    )


def same_key(site: Site, _: "Surroundings") -> tuple[str, bool]:
    """Send each of 50 keys 200 times at once, and once more with another body."""
    replayed, wrong = 0, 0
    with ThreadPoolExecutor(200) as pool:
        for _key in range(50):
            key = uuid.uuid4().hex
            answers = list(pool.map(site.create, [key] * 200))
            replayed += sum("idempotent-replayed" in each.headers for each in answers)
            bodies = {json.dumps(each.body) for each in answers}
            changed = site.create(key, amount=1)
            wrong += len(bodies) != 1 or changed.body.get("code") != "idempotency_key_reused"
    refused = Counter(site.refused)
    evidence = (
        f"{len(site.accepted)} answers for {len(set(site.accepted))} payments, {replayed} replays"
    )
    good = len(set(site.accepted)) == 50 and replayed == 50 * 199 and refused == {422: 50}
    good = good and not wrong and not site.repeated
    return f"{evidence}, {wrong} keys wrong, refused {dict(refused)}", good


def p99_ms(site: Site) -> float:
    """Return the p99 of another domain's requests, over two hundred of them."""
    times = []
    for _ in range(200):
        started_s = time.perf_counter()
        site.demo.call("POST", "/v1/analytics/events", {"name": "drill"})
        times.append(time.perf_counter() - started_s)
    return sorted(times)[197] * 1000


@dataclass(slots=True)
class Surroundings:
    """What a drill needs around its system: variables for it, and what to undo at the end."""

    variables: dict[str, str] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)
    relays: list[Any] = field(default_factory=list)


Fault = Callable[[Site, Surroundings], tuple[str, bool]]


def nothing_to_prepare(_: Surroundings) -> None:
    """Leave the surroundings as they are."""


def drill(fault: Fault, prepare: Callable[[Surroundings], None] = nothing_to_prepare) -> Run:
    """Return the run of a drill: prepare, start a system, let it happen, audit."""

    def run(_: Conditions) -> Outcome:
        surroundings = Surroundings()
        with surroundings.stack as stack:
            prepare(surroundings)
            folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            system = stack.enter_context(own_system(Path(folder), **surroundings.variables))
            site = Site(system)
            evidence, is_good = fault(site, surroundings)
            ended_s = time.monotonic()
            audit = site.audit()
            recovered_s = time.monotonic() - ended_s
        wrong = [
            *([f"{audit.lost} never charged"] if audit.lost else []),
            *([f"{audit.doubled} charged twice"] if audit.doubled else []),
            *audit.others,
            *([] if is_good else ["the fault or its bound did not hold"]),
        ]
        return Outcome(
            fault=evidence,
            acked=len(set(site.accepted)),
            lost=audit.lost,
            doubled=audit.doubled,
            errors=f"{site.repeated:,}, asked again",
            recovered_s=recovered_s,
            wrong=wrong,
        )

    return run


def redeliveries(system: System) -> float:
    """Return how many messages the workers that run now have got again."""
    pages = []
    for index in range(5):
        worker = Client(f"http://127.0.0.1:{system.environment[f'WORKER_{index}_PORT']}")
        with suppress(OSError):  # it is just being started
            pages.append(worker.call("GET", "/metrics").body.decode())
    return sum(float(each) for page in pages for each in REDELIVERIES.findall(page))


def holds_within(predicate: Callable[[], bool], timeout_s: float) -> bool:
    """Wait until this holds, or the time is over; return whether it does."""
    until_s = time.monotonic() + timeout_s
    while not (holds := predicate()) and time.monotonic() < until_s:
        time.sleep(0.5)
    return holds
