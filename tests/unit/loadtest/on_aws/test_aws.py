"""The estimate of a run on AWS: one function's arrivals by hand, and the bill."""

from array import array
from typing import Any

import pytest

from loadtest.generator.journal import OK, Journal
from loadtest.generator.profile import schedule, steady
from loadtest.generator.scenarios import HEALTH, PAYMENTS, Workload
from loadtest.on_aws import aws, aws_report, prices
from loadtest.on_aws.aws import simulate
from loadtest.recording.recorder import Record
from loadtest.recording.timeline import Moment, PoolSecond

# Five events of 100 ms each, on an environment that takes 500 ms to start.
FIVE = [(0.0, 0.1), (0.05, 0.1), (0.2, 0.1), (0.21, 0.1), (0.22, 0.1)]


def simulated(arrivals: aws.Arrivals = FIVE, **options: Any) -> dict[str, Any]:
    outcome = simulate(arrivals, cold_start_s=0.5, **options)
    return {name: getattr(outcome, name) for name in ("cold_starts", "throttled")} | {
        "most": outcome.concurrency_max,
        "mean": round(outcome.concurrency_mean, 3),
        "billed_s": round(outcome.billed_s, 3),
    }


def test_one_function_by_hand():
    # Each event finds all environments still starting, so each starts one of its own, and holds it
    # for 600 ms: until 0.60, 0.65, 0.80, 0.81 and 0.82 s. That is 3.0 s in 0.82 s.
    assert simulated() == {
        **{"cold_starts": 5, "throttled": 0, "most": 5},
        **{"mean": 3.659, "billed_s": 3.0},
    }


def test_one_function_by_hand_with_two_environments_provisioned():
    # The first is free again at 0.10, the second at 0.15; they take the third and fourth event, and
    # only the fifth starts an environment: 4 times 0.1 s and 0.6 s.
    assert simulated(provisioned=2) == {
        **{"cold_starts": 1, "throttled": 0, "most": 3},
        **{"mean": 1.22, "billed_s": 1.0},
    }


def test_one_function_by_hand_at_a_limit_of_three():
    assert simulated(limit=3) == {
        **{"cold_starts": 3, "throttled": 2, "most": 3},
        **{"mean": 2.25, "billed_s": 1.8},
    }


def test_an_environment_is_kept_for_minutes_and_not_for_ever():
    assert simulated([(0.0, 0.1), (10.0, 0.1), (200.0, 0.1)])["cold_starts"] == 1
    assert simulated([(0.0, 0.1), (400.0, 0.1)])["cold_starts"] == 2
    assert simulated([(0.0, 0.1), (400.0, 0.1)], provisioned=1)["cold_starts"] == 0


def test_nothing_arrived():
    assert simulated([])["mean"] == 0


def a_run() -> tuple[Workload, Journal]:
    """Return four arrivals: two to health, one to payments, and one that failed."""
    times = schedule(steady(4, 1))
    work = Workload(times, bytes([HEALTH, PAYMENTS, HEALTH, PAYMENTS]), array("l", range(4)))
    journal = Journal(4)
    for index, due_s in enumerate(times.due_s):
        journal.sent_s[index], journal.done_s[index] = due_s, due_s + 0.02
        journal.outcome[index] = OK
    journal.failed(3, "http_503")
    return work, journal


def test_only_answered_arrivals_are_counted_each_at_its_function():
    estimates = aws.estimates(*a_run(), Record(), provisioned=25, limits=(10, 100))

    assert [(each.name, each.requests) for each in estimates] == [
        ("ApiFunction", 2),
        ("PaymentsFunction", 1),
    ]
    assert estimates[0].duration_ms == pytest.approx(20)


def test_a_handler_takes_what_its_environment_worked_and_its_cpu_longer_by_its_memory():
    # 10 ms of work of the client's 20, 4 ms of it CPU, which takes 1769/512 times as long there.
    pool = PoolSecond(
        busy=0,
        environments=2,
        queued=0,
        throttled=0,
        wait_ms=0.0,
        longest_wait_ms=0.0,
        invocations=2,
        worked_s=0.02,
    )
    moment = Moment(at_s=0, pools={"ApiFunction": pool}, processes={"ApiFunction": 0.008})
    record = Record(moments=[moment], memory_mb={"ApiFunction": 512})

    assert aws.estimates(*a_run(), record, provisioned=25, limits=())[
        0
    ].duration_ms == pytest.approx(6 + 4 * 1769 / 512)


def test_the_bill_is_what_its_formulas_say():
    usage = prices.Usage(requests=1e6, messages=1e6, bytes_out=1e9, gb_s=25_000)
    cost = {item.name: round(item.run_usd, 3) for item in prices.bill(usage, 1000.0, warm_gb_s=0)}

    assert cost == {
        "API Gateway, REST": 3.5,
        "Lambda, functions of the API": 0.533,
        "Lambda, workers": 0.087,
        "SQS": 0.48,
        "CloudWatch Logs": 0.5,
        "data out": 0.09,
    }


def test_a_month_at_the_runs_rate_has_the_tiers_of_a_month():
    usage = prices.Usage(requests=1e6, messages=0, bytes_out=0, gb_s=0)
    items = prices.bill(usage, rate_per_s=1000.0, warm_gb_s=0)
    month = 30 * 86_400 * 1000 / 1e6  # millions

    assert items[0].month_usd == pytest.approx(333 * 3.5 + 667 * 2.8 + (month - 1000) * 2.38)


def test_a_month_pays_for_handlers_that_are_warm_and_the_run_for_its_starts():
    usage = prices.Usage(requests=1e6, messages=0, bytes_out=0, gb_s=50_000)
    seconds = 1e6 / (30 * 86_400)
    item = prices.bill(usage, rate_per_s=seconds, warm_gb_s=25_000)[1]

    assert (round(item.run_usd, 3), round(item.month_usd, 3)) == (0.867, 0.533)


def test_the_report_has_the_estimate_with_the_date_of_its_prices_and_each_formula():
    estimates = aws.estimates(*a_run(), Record(), provisioned=25, limits=(10, 100))
    document = aws_report.as_json(
        estimates, provisioned=25, messages=4, bytes_out=100, rate_per_s=4.0
    )

    assert document["prices"].startswith("2026-11, us-east-1")
    assert document["functions"][0]["throttled"] == {"10": 0, "100": 0}
    assert all("$" in item["formula"] for item in document["cost"])
    assert document["run_usd"] == pytest.approx(
        sum(item["run_usd"] for item in document["cost"]), abs=1e-5
    )
    assert document["month_usd"] > document["run_usd"]
