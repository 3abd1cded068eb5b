"""Drills of payments, each on a system of its own: `python -m tests.drills.payments F18`.

Each makes its fault really happen, says so, and passes only if every payment that was accepted ends
with one charge and nothing is left behind. F07 slow provider, F08 lost answers and webhooks twice,
F09 every message three times, F13 a worker that sleeps through its visibility timeout, F18 one key
from 200 sides.
"""

import argparse
import itertools
import json
import re
import signal
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from redis_sqs.redis_queue import RedisQueue
from tests.conftest import wait_until
from tests.drills.table import write_payments_row
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

    def redeliveries(self) -> float:
        ports = [self.system.environment[f"WORKER_{index}_PORT"] for index in range(5)]
        pages = [Client(f"http://127.0.0.1:{port}").call("GET", "/metrics").body for port in ports]
        return sum(float(each) for page in pages for each in REDELIVERIES.findall(page.decode()))

    def queue(self, name: str) -> RedisQueue:
        status = json.loads((self.system.state / "status.json").read_text())
        return RedisQueue(name, redis_url=status["variables"]["REDIS_URL"])

    def audit(self) -> list[str]:
        """Wait until everything is settled; returns what is wrong then."""
        ids = set(self.accepted)

        def is_settled() -> bool:
            left = self.demo.call("GET", "/v1/payments?status=processing&limit=1").body["data"]
            return not left

        try:
            wait_until(is_settled, DRAINED_WITHIN_S)
        except BaseException as error:  # pytest's failure is one
            return [f"not all is settled: {error}"]
        charges: Counter[str] = Counter()
        after: int | None = 0
        while after is not None:
            page = self.provider.call("GET", f"/charges?after={after}").body
            charges.update(each["reference"] for each in page["charges"])
            after = page["next"]
        dead = self.queue("payments-dlq").depth().visible
        reconciled = self.system.local("reconcile")
        claims = {
            f"{sum(n > 1 for n in charges.values())} charged twice": max(charges.values()) > 1,
            f"{len(ids - charges.keys())} never charged": bool(ids - charges.keys()),
            f"{len(charges.keys() - ids)} charged without an answer": bool(charges.keys() - ids),
            f"{dead} in the dead-letter queue": bool(dead),
            f"reconcile says: {reconciled.stdout.strip()}": reconciled.returncode != 0,
        }
        return [claim for claim, holds in claims.items() if holds]


def f07_slow_provider(site: Site) -> tuple[str, bool]:
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


def f08_lost_answers(site: Site) -> tuple[str, bool]:
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


def f09_three_deliveries(site: Site) -> tuple[str, bool]:
    """Put every message on the queue three times, for five workers at once."""
    site.create_many(200)
    bodies = [json.dumps({"payment_id": each}) for each in site.accepted]
    for _ in range(2):
        site.queue("payments").send_batch(bodies)
    return f"{2 * len(bodies)} messages more than payments", bool(bodies)


def f13_zombie(site: Site) -> tuple[str, bool]:
    """Stop two workers in the middle, and wake them after their messages came back."""
    before = site.redeliveries()
    site.set_faults(p50_ms=1500, p99_ms=1600)
    site.create_many(100)
    processes = json.loads((site.system.state / "status.json").read_text())["processes"]
    workers = [psutil.Process(each["pid"]) for each in processes if "worker-" in each["name"]][:2]
    zombies = [*workers, *itertools.chain(*(each.children(recursive=True) for each in workers))]
    for each in zombies:
        each.send_signal(signal.SIGSTOP)
    site.set_faults()
    time.sleep(UNTIL_S["F13"])
    for each in zombies:
        each.send_signal(signal.SIGCONT)
    wait_until(lambda: site.redeliveries() > before, 30)
    redelivered = site.redeliveries() - before
    return f"{len(zombies)} processes stopped, {redelivered:.0f} redeliveries", redelivered > 0


def f18_same_key(site: Site) -> tuple[str, bool]:
    """Send each of 50 keys 200 times at once, and once more with another body."""
    replayed, wrong = 0, 0
    with ThreadPoolExecutor(200) as pool:
        for _ in range(50):
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


DRILLS: dict[str, Callable[[Site], tuple[str, bool]]] = {
    "F07": f07_slow_provider,
    "F08": f08_lost_answers,
    "F09": f09_three_deliveries,
    "F13": f13_zombie,
    "F18": f18_same_key,
}


def p99_ms(site: Site) -> float:
    """Return the p99 of another domain's requests, over two hundred of them."""
    times = []
    for _ in range(200):
        started_s = time.perf_counter()
        site.demo.call("POST", "/v1/analytics/events", {"name": "drill"})
        times.append(time.perf_counter() - started_s)
    return sorted(times)[197] * 1000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drills.payments")
    parser.add_argument("drills", nargs="*", metavar="DRILL", help=f"of {', '.join(DRILLS)} (all)")
    names = parser.parse_args().drills or list(DRILLS)
    if unknown := set(names) - DRILLS.keys():
        parser.error(f"no drill {', '.join(sorted(unknown))}; there are {', '.join(DRILLS)}")
    return max(_run(name) for name in names)


def _run(name: str) -> int:
    with tempfile.TemporaryDirectory() as folder, own_system(Path(folder)) as system:
        site = Site(system)
        evidence, happened = DRILLS[name](site)
        wrong = site.audit() + ([] if happened else ["the fault or its bound did not hold"])
    verdict = "; ".join(wrong) or "passed"
    write_payments_row(
        name, [evidence, f"{len(set(site.accepted)):,}", f"{site.repeated:,}", verdict]
    )
    sys.stdout.write(
        f"{name}: {evidence}; {len(set(site.accepted))} payments accepted after "
        f"{site.repeated} 5xx, "
        f"{'; '.join(wrong) or 'none lost, none doubled'}: {'failed' if wrong else 'passed'}\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
