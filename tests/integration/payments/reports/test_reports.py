"""Reports by HTTP and schedule: the ledger of a period, whole, once, and beside the provider's."""

from collections import Counter

import pytest

from backend.clock import now_ms, rfc3339
from tests.integration.payments.conftest import VISA
from tests.integration.payments.reports.conftest import CONTENT, HOUR_MS, PAYMENT, REPORT


def sums(totals):
    """Return what is posted and pending, by currency and account, without what is nothing."""
    pairs = {(x["currency"], x["account"]): (x["posted"], x["pending"]) for x in totals}
    return {name: each for name, each in pairs.items() if any(each)}


def sums_of_rows(rows):
    """Add up posted entries by currency and account."""
    posted: Counter[tuple[str, str]] = Counter()
    for each in rows:
        if each["state"] == "posted":
            posted[each["currency"], each["debit"]] += int(each["amount"])
            posted[each["currency"], each["credit"]] -= int(each["amount"])
    return {name: each for name, each in posted.items() if each}


def test_the_totals_of_a_mixed_history_are_those_of_the_ledger_in_every_report(
    ask, history, built, content
):
    history()
    between_ms = now_ms()
    history("again-")
    end_ms = now_ms() + 1
    start_ms = end_ms - HOUR_MS
    by_ledger = sums(ask("GET", "/v1/balances").body["data"])

    whole = built("whole", type="balance", start_ms=start_ms, end_ms=end_ms - 1)
    first = built("first", type="balance", start_ms=start_ms, end_ms=between_ms)
    second = built("2nd", type="balance", start_ms=between_ms, end_ms=end_ms - 1, format="jsonl")
    payments = built("payments", type="payments", start_ms=start_ms, end_ms=end_ms - 1)
    fees = built("fees", type="fees", start_ms=start_ms, end_ms=end_ms - 1)

    assert sums(whole["totals"]) == sums(payments["totals"]) == by_ledger
    rows = content(whole)
    assert rows == content(first) + [
        {name: str(value) for name, value in each.items()} for each in content(second)
    ]
    assert sums_of_rows(rows) == {name: posted for name, (posted, _) in by_ledger.items() if posted}
    assert sum(each["entries"] for each in whole["totals"]) == 2 * len(rows) == 2 * whole["rows"]
    assert sums(fees["totals"])["EUR", "fees"] == by_ledger["EUR", "fees"]
    assert {each["debit"] for each in content(fees)} == {"fees"}


def test_payments_are_as_they_were_at_the_end_of_the_period_and_safe_in_spreadsheets(
    ask, history, built, content, work
):
    ids = history()
    end_ms = now_ms()
    ask("POST", f"{PAYMENT}/refunds", {"amount": 300}, "later", payment_id=ids["paid"])
    assert work() == []

    rows = {x["payment_id"]: x for x in content(built(type="payments", end_ms=end_ms))}
    lines = {
        x["payment_id"]: x
        for x in content(built("l", type="payments", end_ms=end_ms, format="jsonl"))
    }

    assert rows.keys() == lines.keys() == {*ids.values()}
    paid, line = rows[ids["paid"]], lines[ids["paid"]]
    assert (paid["amount_captured"], paid["amount_refunded"]) == ("1000", "0")
    assert (paid["description"], paid["metadata"]) == ("'=HYPERLINK(1)", '{"order":"7"}')
    assert (line["description"], line["metadata"]) == ("=HYPERLINK(1)", {"order": "7"})
    assert {name: lines[each]["status"] for name, each in ids.items()} == {
        "paid": "succeeded",
        "declined": "failed",
        "held": "requires_capture",
        "captured": "succeeded",
        "canceled": "canceled",
        "refunded": "succeeded",
        "lost": "succeeded",
        "disputed": "succeeded",
    }
    declined, manual = lines[ids["declined"]], lines[ids["held"]]
    assert (declined["failure_code"], manual["amount_held"]) == ("generic_decline", 900)
    captured, lost = lines[ids["captured"]], lines[ids["lost"]]
    assert (captured["amount_captured"], captured["currency"]) == (500, "USD")
    assert (lost["amount_disputed"], lost["amount_fees"]) == (400, 1500)


def test_a_change_of_a_payment_made_long_before_the_period_is_in_its_report(
    ask, work, database, built, content
):
    ids = [ask("POST", "/v1/payments", VISA, f"k{n}").body["id"] for n in range(4)]
    assert work() == []
    for n, payment_id in enumerate(ids):  # days apart, and all that happened to them as well
        ago_ms = (n + 2) * 24 * HOUR_MS
        shift = {"created_ms": -ago_ms, "events.0.at_ms": -ago_ms, "events.1.at_ms": -ago_ms}
        database["payments"].update_one({"_id": payment_id}, {"$inc": shift})
    for n in (0, 2):
        refund = {"amount": 10 + n}
        ask("POST", f"{PAYMENT}/refunds", refund, f"r{n}", payment_id=ids[n])
    assert work() == []
    without_time = {"$unset": {"changed_ms": ""}}  # as older versions left it
    database["balance_periods"].update_one({"start_ms": {"$gt": 0}}, without_time)

    rows = content(built(type="balance"))

    posted = [(x["payment_id"], x["amount"]) for x in rows if x["state"] == "posted"]
    assert sorted(posted) == sorted([(ids[0], "10"), (ids[2], "12")])


def test_every_line_of_the_provider_is_matched_and_differences_have_both_amounts(
    ask, history, built, content, database, provider, messages
):
    ids = history()
    unbooked = ask("POST", "/v1/payments", VISA | {"amount": 80}, "unbooked").body["id"]
    messages()  # nobody settles it, and the provider charges it all the same
    provider.charge(f"{unbooked}:charge", **VISA | {"amount": 80}, reference=unbooked)
    payments = database["payments"]
    payments.update_one({"_id": ids["refunded"]}, {"$set": {"ledger.0.amount": 701}})
    unknown = payments.find_one({"_id": ids["paid"]})
    unknown["_id"] = f"pay_unknown{now_ms()}"
    payments.insert_one(unknown)

    payout = built("p", type="payout")
    mismatches = built("m", type="mismatches", format="jsonl")

    rows = content(payout)
    kinds = Counter((x["kind"], x["provider_amount"][:1] == "-") for x in rows if x["line"])
    assert kinds == {
        ("charge", False): 5,
        ("capture", False): 1,
        ("refund", True): 2,
        ("fee", True): 2,
        ("dispute", True): 1,
    }
    differences = {
        x["payment_id"]: (x["provider_amount"], x["ledger_amount"], x["difference"])
        for x in content(mismatches)
    }
    assert differences == {
        unbooked: (80, None, "the ledger has no such entry"),
        ids["refunded"]: (700, 701, "the amounts differ"),
        unknown["_id"]: (None, 1000, "the provider has no such line"),
    }
    assert sum(bool(x["difference"]) for x in rows) == mismatches["rows"] == 3
    by_account = sums(payout["totals"])
    gap = by_account["EUR", "provider_clearing"][0] - by_account["EUR", "provider"][0]
    assert gap == 1 + 1000 - 80
    assert by_account["USD", "provider"] == by_account["USD", "provider_clearing"] == (500, 0)


def test_a_reporter_that_is_killed_leaves_no_row_out_and_none_twice(
    ask, history, order, finish, reporter_dies_at, database, content
):
    history()
    report_id = order(type="balance").body["id"]
    reporter_dies_at(b"finished_ms")  # its rows are written, and not noted
    forget = {"$set": {"lease_ms": 1}}  # so much later
    database["reports"].update_one({"_id": report_id}, forget)

    report = finish(report_id)
    rows = content(report)
    places = [(x["payment_id"], x["event_id"], x["transfer"]) for x in rows]
    assert report["status"] == "succeeded"
    assert len(places) == len({*places}) == report["rows"] > 10


def test_tenants_take_turns_and_each_has_its_reports_in_their_order(
    ask, order, database, tenant, reporter, settle_periods
):
    mine = [order(f"r{n}", type="fees").body["id"] for n in range(3)]
    other = f"{tenant}-other"
    period = {"period_start": rfc3339(0), "period_end": rfc3339(HOUR_MS), "type": "fees"}
    theirs = ask("POST", "/v1/reports", period, "k", tenant=other).body["id"]
    settle_periods()

    reporter.invoke({})

    documents = database["reports"].find({"_id": {"$in": [*mine, theirs]}})
    finished = {each["_id"]: each["finished_ms"] for each in documents}
    assert finished[mine[0]] <= finished[mine[1]] <= finished[mine[2]]
    assert finished[theirs] <= finished[mine[1]]


def test_a_report_of_an_empty_period_has_no_rows_and_a_head(ask, built, content):
    sheet = built("csv", type="balance", start_ms=0, end_ms=HOUR_MS)
    lines = built("jsonl", type="payout", start_ms=now_ms() - 1, format="jsonl")

    assert (sheet["rows"], sheet["totals"], content(sheet)) == (0, [], [])
    head = ask("GET", CONTENT, report_id=sheet["id"])
    assert head.text.startswith("at,payment_id,event_id,")
    assert head.headers["content-type"] == "text/csv; charset=utf-8"
    assert (lines["bytes"], content(lines)) == (0, [])


def test_a_repeat_gets_the_first_answer_and_another_body_is_refused(order, built):
    end_ms = now_ms()
    first = order(type="fees", end_ms=end_ms)
    built("later", type="fees")

    again, other = order(type="fees", end_ms=end_ms), order(type="balance", end_ms=end_ms)

    assert (first.status, again.status, again.text) == (201, 201, first.text)
    assert first.headers["location"] == f"/v1/reports/{first.body['id']}"
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"type": "everything"}, "type"),
        ({"type": "fees", "format": "xlsx"}, "format"),
        ({"type": "fees", "period_end": rfc3339(now_ms() + HOUR_MS)}, "period_end"),
        ({"type": "fees", "period_end": rfc3339(0), "period_start": rfc3339(1)}, "period_end"),
        ({"type": "fees", "period_end": rfc3339(1), "period_start": rfc3339(1)}, "period_end"),
        ({"type": "fees", "period_start": "2019-01-01T00:00:00Z"}, "period_end"),
        ({"type": "fees", "period_start": "yesterday"}, "period_start"),
        ({"type": "fees", "columns": ["id"]}, "columns"),
    ],
)
def test_a_report_that_cannot_be_is_refused_with_the_field_to_blame(order, fields, param):
    answer = order("bad", **fields)

    assert (answer.status, answer.body["param"]) == (422, param)


def test_nobody_else_sees_a_report_and_no_content_comes_before_its_time(ask, order, built):
    ready = built(type="fees")["id"]
    waiting = order("w", type="fees").body["id"]

    early = ask("GET", CONTENT, report_id=waiting)
    assert (early.status, early.body["code"]) == (409, "invalid_state")
    assert "once it has succeeded" in early.body["detail"]
    for path in (REPORT, CONTENT):
        assert ask("GET", path, report_id=ready, tenant="somebody else").status == 404
        assert ask("GET", path, report_id="rep_none").status == 404
    assert ask("GET", CONTENT, query={"part": "2"}, report_id=ready).status == 404
    assert ask("GET", CONTENT, query={"part": "0"}, report_id=ready).status == 422
    page = ask("GET", "/v1/reports", query={"limit": "1"}).body
    assert ([each["id"] for each in page["data"]], page["has_more"]) == ([waiting], True)


def test_an_eleventh_report_waits_until_one_is_built(order, settle_periods, reporter):
    answers = [order(f"k{n}", type="fees") for n in range(11)]
    settle_periods()
    reporter.invoke({})

    assert [each.status for each in answers] == [201] * 10 + [409]
    assert answers[-1].body["detail"].startswith("10 reports wait to be built; ask again when")
    assert order("k10", type="fees").status == 201


def test_the_content_in_a_bucket_is_behind_a_link_that_needs_no_token(payments, asking, built):
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}
    ready = built(type="fees")["id"]
    ask_bucket = asking(payments("app", REPORTS_URL="s3://some-bucket/reports/", **keys))

    report = ask_bucket("GET", REPORT, report_id=ready).body
    link = ask_bucket("GET", CONTENT, report_id=ready)

    assert (report["parts"], report["url"], link.status) == (1, f"/v1/reports/{ready}/content", 302)
    location = link.headers["location"]
    assert location.startswith("https://some-bucket.s3.")
    assert f"/reports/{ready}.csv?" in location
    assert "X-Amz-Signature=" in location
