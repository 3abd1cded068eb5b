"""Messages that an emptied Redis lost: what payments promised is found missing and sent again."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import redis

from payments.reconciliation import FRESH_MS, ROUNDS_MAX, SETTLED_MS
from tests.conftest import wait_until
from tests.integration.function_process import receive_all
from tests.integration.payments.conftest import VISA

ENDPOINTS = "/v1/webhook-endpoints"
PAYMENT = VISA | {"receipt_email": "ada@example.com"}
HANDLERS = {
    "analytics": "analytics.app.worker",
    "webhooks": "notifications.webhook_worker.worker",
    "notifications": "notifications.app.worker",
}
NOW_MS = round(time.time() * 1000)
EARLIER_MS = FRESH_MS + 5_000


class Record:
    """A provider that shows the effects of one payment, some time after they happened."""

    def __init__(self, effects, *, after):
        now_ms = round(time.time() * 1000)
        self._effects = [
            {**each, "sequence": after + number, "created_ms": now_ms - SETTLED_MS - 5_000}
            for number, each in enumerate(effects, start=1)
        ]
        record = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # whoever asks keeps the connection

            def do_GET(self):
                after = int(parse_qs(urlsplit(self.path).query)["after"][0])
                page = [each for each in record._effects if each["sequence"] > after]
                body = json.dumps({"effects": page}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def flush(valkey):
    def all_messages():
        with redis.Redis.from_url(valkey) as client:
            client.flushall()

    return all_messages


@pytest.fixture
def endpoint_id(function, tenant, database):
    """An endpoint that was there before everything else."""
    answer = function("notifications.app.app").request(
        "POST",
        ENDPOINTS,
        body={"url": f"http://127.0.0.1:9/{tenant}"},
        tenant=tenant,
        scope="notifications:write",
    )
    long_ago = {"$set": {"created_ms": 1, "since_ms": 1}}
    database["webhook_endpoints"].update_one({"_id": answer.body["id"]}, long_ago)
    return answer.body["id"]


@pytest.fixture
def paid(payments, asking, messages, database, tenant):
    """Make a payment and settle it, some time ago by its own document."""
    worker = payments("worker")

    def some_time_ago(by_ms=EARLIER_MS):
        payment_id = asking(payments("app"))("POST", key="k", body=PAYMENT).body["id"]
        assert worker.consume(messages()) == []
        wait_until(lambda: "outbox" not in database["payments"].find_one({"_id": payment_id}))
        at_ms = round(time.time() * 1000) - by_ms
        database["payments"].update_one(
            {"_id": payment_id}, {"$set": {"events.0.at_ms": at_ms, "events.1.at_ms": at_ms}}
        )
        return payment_id

    return some_time_ago


@pytest.fixture
def reconciler(payments, provider, database):
    """Start a reconciler that has to look at one payment."""
    records = []

    def start_one(payment_id):
        effects = provider.get("/effects")[1]["effects"]
        document = database["reconciliation"].find_one({"_id": "effects"})
        record = Record(
            [each for each in effects if each["reference"] == payment_id],
            after=document["sequence"] if document else 0,
        )
        records.append(record.__enter__())
        return payments("reconciler", PROVIDER_URL=record.url)

    yield start_one
    for each in records:
        each.__exit__()


@pytest.fixture
def waiting(queue):
    """Receive what waits on the queues of other domains, parsed."""

    def by_queue():
        bodies = {
            name: [json.loads(each.body) for each in receive_all(queue(name))] for name in HANDLERS
        }
        for message in (*bodies["analytics"], *bodies["webhooks"]):
            for event in message["events"]:
                event["occurred_at_ms"] = NOW_MS  # the payment's document tells another time now
        return bodies

    return by_queue


@pytest.fixture
def arrive(queue, function):
    """Let the workers of other domains have messages."""

    def all_of(bodies):
        for name, handler in HANDLERS.items():
            for body in bodies[name]:
                queue(name).send(json.dumps(body))
            function(handler).consume(receive_all(queue(name)))

    return all_of


@pytest.fixture
def stored(database, tenant):
    return lambda name, **fields: database[name].count_documents({"tenant": tenant, **fields})


def test_events_and_a_receipt_that_were_lost_are_sent_again_and_nothing_is_done_twice(
    paid, reconciler, flush, waiting, endpoint_id, arrive, stored
):
    payment_id = paid()
    first = waiting()
    flush()
    run = reconciler(payment_id)

    assert run.invoke({})["sent_again"] == 2
    again = waiting()
    assert again == first
    assert [len(each) for each in again.values()] == [1, 1, 1]
    flush()
    assert run.invoke({})["sent_again"] == 2

    arrive(first)
    arrive(again)
    assert run.invoke({})["sent_again"] == 0
    assert run.invoke({})["effects"] == 0
    assert stored("analytics_events") == 1
    assert stored("notifications", to=endpoint_id) == 1
    assert stored("notifications", to=PAYMENT["receipt_email"]) == 1


def test_an_event_that_is_listed_no_more_is_found_and_listed_again(
    paid, reconciler, waiting, arrive, database
):
    payment_id = paid()
    arrive(waiting())
    event = database["events"].find_one_and_delete({"object": payment_id})
    run = reconciler(payment_id)

    assert run.invoke({})["sent_again"] == 1
    assert run.invoke({})["sent_again"] == 0
    again = database["events"].find_one({"object": payment_id})
    assert (again["_id"], again["type"]) == (event["_id"], event["type"])


def test_what_never_arrives_holds_the_reconciler_up_for_some_runs_only(
    paid, reconciler, flush, capfd
):
    payment_id = paid()
    run = reconciler(payment_id)
    for _ in range(ROUNDS_MAX):
        flush()
        assert run.invoke({})["sent_again"] == 2
    flush()

    assert run.invoke({})["sent_again"] == 0
    lost = [line for line in capfd.readouterr().err.splitlines() if '"message lost"' in line]
    assert payment_id in lost[0]


def test_a_whole_run_counts_what_has_not_arrived(paid, reconciler, flush, endpoint_id, database):
    payment_id = paid(by_ms=SETTLED_MS + 5_000)
    flush()

    report = reconciler(payment_id).invoke({"all": True})

    kinds = {each["kind"] for each in report["mismatches"] if each["payment_id"] == payment_id}
    assert kinds == {
        "its event 2, payment.succeeded, was not counted",
        f"its event 2, payment.succeeded, was not taken to {endpoint_id}",
        "its receipt was not taken to be sent",
    }
    database["payments"].delete_one({"_id": payment_id})


def test_an_endpoint_is_not_told_of_what_happened_before_it_wanted_that(
    paid, reconciler, flush, endpoint_id, database, function, tenant
):
    payment_id = paid(by_ms=SETTLED_MS + 5_000)
    flush()
    for change in ("disable", "enable"):
        function("notifications.app.app").request(
            "POST",
            f"{ENDPOINTS}/{{endpoint_id}}/{change}",
            path={"endpoint_id": endpoint_id},
            tenant=tenant,
            scope="notifications:write",
        )

    report = reconciler(payment_id).invoke({"all": True})

    kinds = {each["kind"] for each in report["mismatches"] if each["payment_id"] == payment_id}
    assert kinds
    assert not any(endpoint_id in kind for kind in kinds)
    database["payments"].delete_one({"_id": payment_id})
