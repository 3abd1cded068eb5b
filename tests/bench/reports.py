"""Reports over many payments: time, peak memory and steps; starts its own documents server.

`python -m tests.bench.reports --payments 1000000` fills a documents server with settled payments of
one tenant, a tenth of them refunded, and has the reporter build reports of them, run by run as its
schedule does. With `--provider` it also writes the provider's record of them, for the payout.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import psutil
from pymongo import MongoClient

from backend.clock import now_ms, rfc3339
from backend.errors import StoreUnavailable
from payments.balances import CLOSED_MS
from payments.life_cycle import answered, create, requested
from payments.provider import Outcome
from payments.reports import service, store
from payments.reports.schema import Report, ReportRequest
from payments.schema import Payment, PaymentRequest, RefundRequest
from payments.store import INDEXES
from tests.conftest import free_port
from tests.integration.function_process import ROOT, FunctionProcess, HandlerError

AT_ONCE = 2_000
REQUEST = PaymentRequest(
    amount=1250,
    currency="EUR",
    payment_method="pm_card_visa",
    description="Order 4711, two of three parts",
    metadata={"order": "4711", "shop": "north"},
)


def settled(number: int, made_ms: int) -> tuple[Payment, list[dict[str, Any]]]:
    """Return a payment that is over, and the lines of the provider's record of it."""
    payment = create(REQUEST, key=f"key-{number}", tenant="bench", now_ms=made_ms)
    key = f"{payment.id}:charge"
    money: dict[str, Any] = {"reference": payment.id, "currency": "EUR", "status": "succeeded"}
    money["decline_code"] = None
    charge = Outcome(id=f"ch_{number:012}", amount=1250, captured=True, **money)
    payment = answered(payment, {key: charge}, now_ms=made_ms + 50)
    lines = [{"id": charge.id, "idempotency_key": key, "amount": 1250, "captured": True, **money}]
    if number % 10 == 0:
        payment = requested(payment, RefundRequest(amount=250), key="r", now_ms=made_ms + 99)
        key = payment.operations[-1].id
        refund = Outcome(id=f"re_{number:012}", amount=250, **money)
        payment = answered(payment, {key: refund}, now_ms=made_ms + 150)
        line = {"id": refund.id, "idempotency_key": key, "amount": 250, **money}
        lines.append({**line, "kind": "refund", "charge": charge.id})
    return msgspec.structs.replace(payment, outbox=(), promised_ms=None), lines


def fill(url: str, count: int, start_ms: int, journal: Path) -> None:
    """Store the payments, made evenly over an hour, and the provider's record."""
    encoder, sequence = msgspec.json.Encoder(), 0
    with MongoClient[dict[str, Any]](url) as client, journal.open("wb") as record:
        payments = client["spillway"]["payments"]
        payments.create_indexes(list(INDEXES))  # as the functions find it
        for first in range(0, count, AT_ONCE):
            documents = []
            for number in range(first, min(count, first + AT_ONCE)):
                made_ms = start_ms + number * 3_600_000 // count
                payment, lines = settled(number, made_ms)
                documents.append(msgspec.to_builtins(payment))
                for line in lines:
                    sequence += 1
                    entry = {
                        "captured": False,
                        "sequence": sequence,
                        "created_ms": made_ms + 20,
                        **line,
                    }
                    record.write(encoder.encode(entry) + b"\n")
            payments.insert_many(documents, ordered=False)


def build(reporter: FunctionProcess, kind: str, start_ms: int) -> Iterator[str]:
    """Have a report built; yields the figures."""
    request = ReportRequest(
        type=kind,  # type: ignore[arg-type]  # of the command line
        period_start=rfc3339(start_ms),
        period_end=rfc3339(start_ms + 3_600_000),
    )
    key = f"{kind}-{now_ms()}"
    report, _ = service.create(request, key=key, tenant="bench", reports=store, now_ms=now_ms())
    process = psutil.Process(reporter.process.pid)
    begun_s, begun_cpu_s, runs = time.monotonic(), sum(process.cpu_times()[:2]), 0
    while (current := current_of(report.id)).turn_ms:
        try:
            reporter.invoke({})
        except HandlerError as error:  # the store was busy; the next run goes on
            yield f"  a run failed: {error}"
            time.sleep(1)
        runs += 1
        time.sleep(0.2)
    took_s, cpu_s = time.monotonic() - begun_s, sum(process.cpu_times()[:2]) - begun_cpu_s
    peak = Path(f"/proc/{process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]
    yield f"{kind}: {current.status}, {current.rows:,} rows, {current.written.size / 1e6:.0f} MB"
    yield f"  {took_s:.1f} s in {runs} runs, {cpu_s:.1f} s of CPU, peak {int(peak) // 1024} MiB"
    yield f"  {[msgspec.to_builtins(each) for each in current.totals]}"


def current_of(report_id: str) -> Report:
    """Return a report, as soon as the store answers."""
    while True:
        try:
            return service.find(report_id, tenant="bench", reports=store)
        except StoreUnavailable:
            time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payments", type=int, default=100_000)
    parser.add_argument("--types", default="balance,payments,fees")
    parser.add_argument("--provider", action="store_true")
    options = parser.parse_args()
    start_ms = now_ms() - 2 * 3_600_000 - CLOSED_MS
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        provider_port, journal = free_port(), folder / "provider.jsonl"
        url = os.environ["MONGO_URL"]
        data = folder / "documents.sqlite"
        command = ["local.documents", "--port", url.rpartition(":")[2], "--data", str(data)]
        start(stack, *command)
        begun_s = time.monotonic()
        fill(url, options.payments, start_ms, journal)
        say(f"{options.payments:,} payments stored in {time.monotonic() - begun_s:.0f} s")
        if options.provider:
            port = str(provider_port)
            start(stack, "local.simulators.provider", "--port", port, "--journal", str(journal))
        variables = {
            "REPORTS_URL": (folder / "reports").as_uri(),
            "PROVIDER_URL": f"http://127.0.0.1:{provider_port}",
        }
        for kind in options.types.split(","):
            reporter = FunctionProcess("payments.reports.worker.reporter", variables)
            stack.callback(reporter.kill)
            for line in build(reporter, kind, start_ms):
                say(line)
            say(f"  load of the machine {os.getloadavg()[0]:.1f}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def start(stack: ExitStack, module: str, *arguments: str) -> None:
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT)
    stack.callback(process.wait)
    stack.callback(process.terminate)


if __name__ == "__main__":
    if "MONGO_URL" not in os.environ:  # the settings read it when they are imported
        os.environ["MONGO_URL"] = f"mongodb://127.0.0.1:{free_port()}"
        os.execv(sys.executable, [sys.executable, "-m", "tests.bench.reports", *sys.argv[1:]])
    main()
