"""A reporter on an API of its own, and what tests of reports do with them."""

import csv
import io
import json
from collections.abc import Iterator

import pytest

from backend.clock import now_ms, rfc3339
from tests.integration.function_process import FunctionProcess, ProcessDied
from tests.integration.payments.conftest import SECRET, VISA
from tests.integration.relay import KillAt

REPORT, CONTENT = "/v1/reports/{report_id}", "/v1/reports/{report_id}/content"
PAYMENT = "/v1/payments/{payment_id}"
HOUR_MS = 3_600_000
REPORTER = "payments.reports.worker.reporter"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return {"REPORTS_URL": tmp_path_factory.mktemp("reports").as_uri()}


@pytest.fixture(scope="module")
def api(started, folder):
    return started("app", PROVIDER_WEBHOOK_SECRET=SECRET, **folder)


@pytest.fixture(scope="module")
def settings(environment, provider, folder):
    """The settings of a reporter."""
    return {**environment, **folder, "PROVIDER_URL": f"http://127.0.0.1:{provider.http_port}"}


@pytest.fixture(scope="module")
def reporter(settings) -> Iterator[FunctionProcess]:
    process = FunctionProcess(REPORTER, settings)
    yield process
    process.kill()


@pytest.fixture
def order(ask):
    """Ask for a report of a period, by default of the hour that ends now; returns the answer."""

    def post(key="r", *, start_ms=None, end_ms=None, **fields):
        end_ms = now_ms() if end_ms is None else end_ms
        body = {
            "period_start": rfc3339(end_ms - HOUR_MS if start_ms is None else start_ms),
            "period_end": rfc3339(end_ms),
            **fields,
        }
        return ask("POST", "/v1/reports", body, key)

    return post


@pytest.fixture
def settle_periods(database, tenant):
    """Have it be so late that what happened in the periods of this tenant's reports is stored."""

    def run():
        mine = {"tenant": tenant, "status": "pending"}
        due_ms = now_ms() - 1
        database["reports"].update_many(mine, {"$set": {"due_ms": due_ms, "turn_ms": due_ms}})

    return run


@pytest.fixture
def finish(ask, settle_periods, reporter):
    """Have a report built; returns it as the API shows it."""

    def run(report_id):
        settle_periods()
        reporter.invoke({})
        report = ask("GET", REPORT, report_id=report_id).body
        assert report["status"] == "succeeded", report
        return report

    return run


@pytest.fixture
def built(order, finish):
    """Ask for a report and have it built; returns it as the API shows it."""
    return lambda key="r", **fields: finish(order(key, **fields).body["id"])


@pytest.fixture
def reporter_dies_at(settings, settle_periods, documents_port):
    """Have a reporter die when it sends `word` to the store."""

    def die(word):
        settle_periods()
        with KillAt(documents_port, word) as relay:
            url = f"mongodb://127.0.0.1:{relay.port}/?directConnection=true"
            victim = FunctionProcess(REPORTER, {**settings, "MONGO_URL": url})
            relay.kill = victim.process.kill
            with pytest.raises(ProcessDied):
                victim.invoke({})
            victim.kill()

    return die


@pytest.fixture
def content(ask):
    """Fetch the rows of a report."""

    def fetch(report):
        texts = [
            ask("GET", CONTENT, query={"part": str(n)}, report_id=report["id"]).text
            for n in range(1, report["parts"] + 1)
        ]
        text = "".join(texts)
        assert len(text.encode()) == report["bytes"]
        if report["format"] == "csv":
            return list(csv.DictReader(io.StringIO(text, newline="")))
        return [json.loads(line) for line in text.splitlines()]

    return fetch


@pytest.fixture
def history(ask, work, tell_disputes):
    """Make payments and move their money in every way; returns their ids by what was done."""

    def make(prefix=""):
        def pay(name, **fields):
            return ask("POST", "/v1/payments", VISA | fields, f"{prefix}{name}").body["id"]

        def act(name, what, payment_id, body):
            answer = ask(
                "POST", f"{PAYMENT}/{what}", body, f"{prefix}{name}", payment_id=payment_id
            )
            assert answer.status < 300, answer.text

        ids = {
            "paid": pay("paid", description="=HYPERLINK(1)", metadata={"order": "7"}),
            "declined": pay("declined", payment_method="pm_card_chargeDeclined"),
            "held": pay("held", capture_method="manual", amount=900),
            "captured": pay("captured", capture_method="manual", amount=900, currency="USD"),
            "canceled": pay("canceled", capture_method="manual"),
            "refunded": pay("refunded", amount=700),
            "lost": pay("lost", payment_method="pm_card_createDispute", amount=400),
            "disputed": pay("disputed", payment_method="pm_card_createDispute", amount=300),
        }
        assert work() == []
        act("c", "capture", ids["captured"], {"amount": 500})
        act("x", "cancel", ids["canceled"], None)
        act("r1", "refunds", ids["refunded"], {"amount": 200})
        act("r2", "refunds", ids["refunded"], {"amount": 100})
        assert work() == []
        for name in ("lost", "disputed"):
            tell_disputes(ids[name])
        dispute = ask("GET", PAYMENT, payment_id=ids["lost"]).body["disputes"][0]
        ask("POST", "/v1/disputes/{dispute_id}/close", None, f"{prefix}d", dispute_id=dispute)
        assert work() == []
        tell_disputes(ids["lost"])
        return ids

    return make
