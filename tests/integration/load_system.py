"""A small system for tests of the load test: every route that it asks, on one port, with faults.

It keeps what it is sent and answers lists, metrics, journals and queues from that, but for the one
fault that it is started with. The tests start one with `running`; run as a program this module is
that system.
"""

import asyncio
import base64
import itertools
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loadtest.generator.scenarios import SCENARIOS

STAGE = "/Prod"  # may stand before every path, as on AWS
STALL_S = 0.5
STALL_EVERY = 50  # payments; the tests' runs send so many
DECLINES = {
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_insufficientFunds": "insufficient_funds",
    "pm_card_expiredCard": "expired_card",
    "pm_card_processingError": "processing_error",
}
RAW_ANSWERS = {
    "refuses with 503": b"HTTP/1.1 503 X\r\ncontent-length: 2\r\n\r\n{}",
    "answers nonsense": b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\n<html",
}
Answer = tuple[int, object]


@contextmanager
def running(
    fault: str, certificate: Path | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a system with this fault ("none" for none); gives its address and its process.

    With a certificate, and its key in the same file, it speaks TLS.
    """
    command = [sys.executable, __file__, fault, *([str(certificate)] if certificate else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    scheme = "https" if certificate else "http"
    assert process.stdout
    try:
        yield f"{scheme}://127.0.0.1:{int(process.stdout.readline())}", process
    finally:
        process.kill()
        process.communicate()


class System:
    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.numbers = itertools.count(1)
        self.payments: dict[str, dict[str, Any]] = {}  # by idempotency key
        self.extra_payments: list[dict[str, Any]] = []
        self.payments_of_other: list[dict[str, Any]] = []  # another tenant's
        self.charges: list[dict[str, Any]] = []
        self.notifications: dict[str, dict[str, Any]] = {}
        self.mails: list[dict[str, Any]] = []
        self.events: dict[str, str] = {}  # event id -> name
        self.port = 0
        self.posts = 0
        self.stalls = 0
        self.connections = 0
        self.stalled = False
        self.second, self.posts_of_second = 0, 0
        self.looks_until_counted = 4 if fault == "counts an earlier payment's event late" else 0

    def once(self) -> bool:
        """Return true the first time a fault is due, and never again."""
        first, self.stalled = not self.stalled, True
        return first

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        route = f"{method} {parts.path.removeprefix(STAGE)}"
        if route.startswith("GET /v1/payments/"):
            payment_id = parts.path.rpartition("/")[2]
            payments = [each for each in self.payments.values() if each["id"] == payment_id]
            return (200, payments[0]) if payments else (404, {"code": "not_found"})
        answers = {
            "GET /health": lambda: (200, {"status": "ok"}),
            "POST /oauth2/token": lambda: self.token(headers),
            "POST /v1/payments": lambda: self.create_payment(headers, body),
            "POST /v1/analytics/events": lambda: self.create_event(body),
            "POST /v1/notifications": lambda: self.create_notification(headers, body),
            "GET /v1/payments": lambda: self.page(self.payments_of(headers), query),
            "GET /v1/notifications": lambda: self.page([*self.notifications.values()], query),
            "GET /v1/analytics/metrics": lambda: self.metric(query),
            "GET /charges": lambda: self.lines("charges", self.charges, query),
            "GET /messages": lambda: self.lines("messages", self.mails, query),
            "GET /connections": lambda: (200, self.connections),
            "GET /api/queues": lambda: (200, {"queues": [self.queue()]}),
            "GET /api/processes": lambda: (200, [self.process()]),
            "GET /api/functions": lambda: (200, self.pools()),
            "GET /api/slow_commands": lambda: (200, {"commands": self.slow_commands()}),
            "GET /api/dead_letters": lambda: (200, {"dead_letters": self.dead_letters()}),
            "GET /metrics": lambda: (200, self.sync_measures()),
        }
        if route in answers:
            return answers[route]()
        return self.create_other(route, headers)

    def create_other(self, route: str, headers: dict[str, str]) -> Answer:
        """Answer a scenario that has no audit; 404 for what this system has not, such as traces."""
        scenario = next((s for s in SCENARIOS if route == f"{s.method} {s.path}"), None)
        if scenario is None:
            return 404, {}
        return scenario.status, {"id": headers.get("idempotency-key", "none")}

    def token(self, headers: dict[str, str]) -> Answer:
        basic = headers["authorization"].removeprefix("Basic ")
        client_id = base64.b64decode(basic).decode().partition(":")[0]
        if client_id == "load" and self.fault == "knows no load client":
            return 401, {"error": "invalid_client"}
        return 200, {"access_token": "token-other" if client_id == "other" else "token"}

    def payments_of(self, headers: dict[str, str]) -> list[dict[str, Any]]:
        if headers.get("authorization") == "Bearer token-other":
            return self.payments_of_other
        return [*self.payments.values(), *self.extra_payments]

    def create_payment(self, headers: dict[str, str], body: bytes) -> Answer:
        if self.fault == "refuses payments beyond 50 a second" and self.is_beyond(50):
            return 503, {}
        key, request = headers["idempotency-key"], json.loads(body)
        if key in self.payments:
            return 201, self.payments[key]
        number = next(self.numbers)
        code = DECLINES.get(request["payment_method"])
        payment = {
            "id": f"pay_{number}",
            "status": "failed" if code else "succeeded",
            "amount": request["amount"],
            "amount_captured": 0 if code else request["amount"],
            "currency": request["currency"],
            "description": request["description"],
            "created_at": now(),
        }
        if code:
            payment["failure"] = {"code": code}
        self.payments[key] = payment
        self.settle(payment, request)
        if self.fault == "charges another tenant's payment" and self.once():
            self.payments_of_other.append(payment | {"id": "pay_other"})
            self.charges.append(self.charges[-1] | {"reference": "pay_other"})
        if self.fault == "stores a payment twice" and self.once():
            self.extra_payments.append(payment | {"id": f"pay_{number}_again"})
        return 201, payment

    def settle(self, payment: dict[str, Any], request: dict[str, Any]) -> None:
        charge = {
            "reference": payment["id"],
            "amount": request["amount"],
            "currency": request["currency"],
            "captured": payment["amount_captured"] > 0,
            "created_ms": round(time.time() * 1000),
        }
        copies = 1
        if self.fault == "never charges a payment" and self.once():
            copies = 0
        elif self.fault == "charges a payment twice" and self.once():
            copies = 2
        elif self.fault == "charges another amount" and self.once():
            charge["amount"] += 1
        elif self.fault == "charges without a payment" and self.once():
            self.charges.append(charge | {"reference": "pay_nobody"})
        self.charges += [charge] * copies
        if self.fault == "leaves a payment in processing" and self.once():
            payment["status"] = "processing"
        self.events[f"{payment['id']}.event"] = f"payment.{payment['status']}"
        if self.fault == "counts payment events twice":
            self.events[f"{payment['id']}.again"] = f"payment.{payment['status']}"
        if request.get("receipt_email") and self.fault != "mails no receipt":
            self.mails.append({"message_id": "<receipt>", "to": request["receipt_email"]})

    def create_event(self, body: bytes) -> Answer:
        event = json.loads(body)
        if self.fault != "loses an event" or not self.once():
            self.events[event["event_id"]] = event["name"]
        if self.fault == "counts an event twice" and self.once():
            self.events[event["event_id"] + "again"] = event["name"]
        return 202, {"accepted": 1, "rejected": []}

    def create_notification(self, headers: dict[str, str], body: bytes) -> Answer:
        number = next(self.numbers)
        created = {"id": f"ntf_{number}", "status": "delivered", "created_at": now()}
        mail = {"message_id": f"<ntf_{number}@spillway.example>", "to": json.loads(body)["to"]}
        copies = 2 if self.fault == "mails a notification twice" and self.once() else 1
        if self.fault == "mails no notification" and self.once():
            copies = 0
        self.mails += [mail] * copies
        if self.fault == "leaves a notification queued" and self.once():
            created["status"] = "queued"
        self.notifications[headers["idempotency-key"]] = created
        return 202, created

    def is_beyond(self, bound: int) -> bool:
        """Count a payment of this second; true if there were too many."""
        second = int(time.monotonic())
        self.posts_of_second = 1 + (self.posts_of_second if second == self.second else 0)
        self.second = second
        return self.posts_of_second > bound

    def page(self, stored: list[dict[str, Any]], query: dict[str, str]) -> Answer:
        newest = stored[::-1]
        if self.fault == "loses a payment" and "pay_" in str(newest[:1]):
            newest = newest[:-1]
        ids = [each["id"] for each in newest]
        start = ids.index(query["starting_after"]) + 1 if "starting_after" in query else 0
        end = start + int(query["limit"])
        return 200, {"data": newest[start:end], "has_more": end < len(newest)}

    def metric(self, query: dict[str, str]) -> Answer:
        count = sum(name == query["name"] for name in self.events.values())
        return 200, {"points": [{"at": query["from"], "count": count}] if count else []}

    def lines(self, key: str, journal: list[dict[str, Any]], query: dict[str, str]) -> Answer:
        start = int(query["after"])
        end = start + int(query["limit"])
        return 200, {key: journal[start:end], "next": end if end < len(journal) else None}

    def dead_letters(self) -> list[dict[str, str]]:
        if self.fault != "another tenant's message dies" or not self.payments:
            return []
        return [{"queue": "payments", "id": "1", "body": '{"payment_id":"pay_other"}'}]

    def pools(self) -> dict[str, Any]:
        waits = [self.posts, 0, self.stalls]
        pool = {
            **{"name": "PaymentsFunction", "environments": 8, "busy": 8, "queued": 0},
            **{"throttled": 0, "timed_out": 0, "invocations": self.posts, "waits": waits},
            **{"worked_s": self.posts / 100, "waited_s": self.stalls * STALL_S},
            **{"memory_mb": 512, "concurrency": 1000},
        }
        return {"bounds_ms": [5, 1000], "functions": [pool]}

    def slow_commands(self) -> list[dict[str, Any]]:
        command = {"id": 1, "at_s": int(time.time()), "duration_ms": 30.5, "command": "EVALSHA"}
        return [command] if self.payments else []

    def sync_measures(self) -> str:
        count, waited_s = self.posts, self.stalls * STALL_S
        name = "documents_log_sync_seconds"
        return (
            f'{name}_bucket{{le="0.005"}} {count - self.stalls}\n'
            f'{name}_bucket{{le="+Inf"}} {count}\n{name}_count {count}\n{name}_sum {waited_s}\n'
        )

    def queue(self) -> dict[str, Any]:
        dead = int(self.fault == "leaves a dead letter") + len(self.dead_letters())
        left = 3 if self.fault == "never drains" else 0
        if self.looks_until_counted:
            left = 1
            self.looks_until_counted -= 1
            if not self.looks_until_counted:
                self.events["earlier"] = "payment.succeeded"
        waiting = int(self.fault == "has leftovers")
        dead += 2 * waiting
        age_s = 60.0 if self.fault == "lets messages wait" else 0.0
        depths = {"visible": left, "delayed": waiting, "in_flight": waiting, "oldest_age_s": age_s}
        return {"name": "payments", **depths, "dlq": dead}

    def process(self) -> dict[str, Any]:
        address = f"mongodb://127.0.0.1 http://127.0.0.1:{self.port}/metrics"
        return {
            **{"name": "documents", "pid": os.getpid(), "restarts": 0, "address": address},
            **{"cpu_s": time.process_time(), "rss_mb": 20.0},
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.split("\r\n")[:-2]
                pairs = (line.split(": ", 1) for line in lines)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = first.split(" ")
                if await self.misbehave(method, path, headers, body, writer):
                    return
                status, answer = self.answer(method, path, headers, body)
                writer.write(response(status, answer))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def misbehave(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Do what the fault asks of this request; True if it has then been dealt with."""
        if method != "POST" or path.removeprefix(STAGE) != "/v1/payments":
            return False
        self.posts += 1
        if self.fault == "stalls" and self.posts % STALL_EVERY == 10:
            self.stalls += 1
            time.sleep(STALL_S)
        if self.fault == "resets" and self.posts % 5 == 0:
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return True
        if self.fault == "stores, then never answers" and self.once():
            self.answer(method, path, headers, body)
            await asyncio.Event().wait()
        if self.fault == "hangs":
            await asyncio.Event().wait()
        if self.fault in RAW_ANSWERS:
            writer.write(RAW_ANSWERS[self.fault])
            writer.close()
            return True
        return False


def response(status: int, answer: object) -> bytes:
    body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def main() -> None:
    fault, *certificates = sys.argv[1:]
    tls = None
    for certificate in certificates:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    system = System(fault)
    server = await asyncio.start_server(system.serve, "127.0.0.1", 0, backlog=1024, ssl=tls)
    system.port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"{system.port}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
