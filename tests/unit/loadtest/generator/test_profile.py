"""Profiles, the schedule they stand for, and what each arrival of it asks."""

import json
import math
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from loadtest.generator.journal import OK, Journal
from loadtest.generator.profile import ONE_K, SMOKE, ProfileError, Schedule, named, schedule, steady
from loadtest.generator.scenarios import (
    ANALYTICS,
    NOTIFICATIONS,
    PAYMENTS,
    REPEAT_AFTER_S,
    SCENARIOS,
    Requests,
    Workload,
    payment_of,
    workload,
)

ROOT = Path(__file__).parents[4]
RUN = "20261123t101500abcd"
WORK = workload(schedule(ONE_K))


def requests(work: Workload = WORK, *, keep_alive: bool = True) -> Requests:
    return Requests(work, run=RUN, token="abc", host="127.0.0.1:5002", keep_alive=keep_alive)


def arrivals_of(which: int) -> list[int]:
    return [index for index, scenario in enumerate(WORK.scenario) if scenario == which]


def body_of(request: bytes) -> dict[str, object]:
    body: dict[str, object] = json.loads(request.partition(b"\r\n\r\n")[2])
    return body


def header_of(request: bytes, name: str) -> str | None:
    match = re.search(
        rf"\r\n{name}: ([^\r]*)\r\n", request.partition(b"\r\n\r\n")[0].decode() + "\r\n"
    )
    return match and match[1]


def per_second(plan: Schedule) -> list[int]:
    counts = Counter(int(due_s) for due_s in plan.due_s)
    return [counts[second] for second in range(plan.profile.duration_s)]


def test_the_1k_profile_is_127_800_arrivals_in_the_contracts_phases():
    plan = schedule(ONE_K)

    assert len(plan) == 127_800
    assert Counter(plan.phase) == {0: 600, 1: 6_600, 2: 120_000, 3: 600}
    assert plan.profile.duration_s == 240


def test_the_rates_of_each_second_are_those_of_artillery():
    ramp = [round(20 + 180 * second / 59) for second in range(60)]

    assert per_second(schedule(ONE_K)) == [20] * 30 + ramp + [1000] * 120 + [20] * 30


def test_arrivals_are_spread_evenly_inside_their_second():
    due_s = [due for due in schedule(ONE_K).due_s if 100 <= due < 101]

    assert due_s == [100 + position / 1000 for position in range(1000)]


def test_the_smoke_profile_is_the_same_shape_in_20_s_at_a_tenth_of_the_rate():
    assert SMOKE.duration_s == 20
    assert [phase.name for phase in SMOKE.phases] == [phase.name for phase in ONE_K.phases]
    for small, large in zip(SMOKE.phases, ONE_K.phases, strict=True):
        assert small.rate_per_s * 10 == large.rate_per_s
        assert (small.to_rate_per_s or 0) * 10 == (large.to_rate_per_s or 0)


def test_a_steady_rate_is_one_phase_that_is_judged():
    plan = schedule(steady(7, 3))

    assert per_second(plan) == [7, 7, 7]
    assert plan.profile.judged_phase == "steady"
    assert ONE_K.judged_phase == "peak"


@pytest.mark.parametrize(("rate", "duration"), [(0, 10), (20_001, 10), (10, 0), (10, 3_001)])
def test_a_rate_or_duration_out_of_bounds_is_refused_by_name(rate: int, duration: int):
    with pytest.raises(ProfileError, match=r"RATE|DURATION"):
        steady(rate, duration)


def test_an_unknown_profile_is_refused_with_the_names_there_are():
    with pytest.raises(ProfileError, match="1k, smoke"):
        named("2k")


def test_every_few_arrivals_hold_each_scenario_once_in_an_order_that_varies():
    few = len(SCENARIOS)
    rounds = [bytes(WORK.scenario[at : at + few]) for at in range(0, len(WORK) - few, few)]

    assert {bytes(sorted(each)) for each in rounds} == {bytes(range(few))}
    assert len(set(rounds)) == math.factorial(few)


def test_the_same_seed_gives_the_same_workload_and_another_seed_another():
    plan = schedule(SMOKE)

    assert workload(plan) == workload(plan)
    assert workload(plan, seed=1).scenario != workload(plan).scenario


def test_one_payment_in_a_hundred_repeats_the_bytes_of_a_payment_due_a_second_earlier():
    make = requests()
    payments = arrivals_of(PAYMENTS)
    repeats = [index for index in payments if WORK.origin[index] != index]
    due_s = WORK.schedule.due_s

    assert len(repeats) / len(payments) == pytest.approx(0.01, abs=0.0005)
    for index in repeats:
        origin = WORK.origin[index]
        assert WORK.origin[origin] == origin
        assert due_s[origin] <= due_s[index] - REPEAT_AFTER_S
        assert make.of(index) == make.of(origin)


def test_every_other_payment_and_every_notification_has_a_key_of_its_own():
    make = requests()
    keyed = [*arrivals_of(PAYMENTS), *arrivals_of(NOTIFICATIONS)]
    keys = [header_of(make.of(i), "Idempotency-Key") for i in keyed if WORK.origin[i] == i]

    assert None not in keys
    assert len(set(keys)) == len(keys) > 1.9 * len(WORK) / len(SCENARIOS)


def test_only_payments_repeat():
    payments = set(arrivals_of(PAYMENTS))

    assert all(origin == i for i, origin in enumerate(WORK.origin) if i not in payments)


def test_each_request_is_whole_and_asks_what_its_scenario_says():
    make = requests()
    for index in range(4):
        request = make.of(index)
        scenario = SCENARIOS[WORK.scenario[index]]
        head, _, body = request.partition(b"\r\n\r\n")

        assert head.startswith(f"{scenario.method} {scenario.path} HTTP/1.1\r\nHost: ".encode())
        assert header_of(request, "Authorization") == "Bearer abc"
        assert int(header_of(request, "Content-Length") or 0) == len(body)


def test_the_body_of_a_payment_is_what_the_audit_will_expect():
    index = next(i for i in arrivals_of(PAYMENTS) if payment_of(i).receipt)
    body = body_of(requests().of(index))
    payment = payment_of(index)

    assert body == {
        "amount": payment.amount,
        "currency": payment.currency,
        "payment_method": "pm_card_visa",
        "description": f"load {RUN} {index}",
        "receipt_email": f"receipt.{RUN}.{index}@example.com",
    }


def test_most_payments_succeed_and_each_decline_occurs():
    methods = Counter(payment_of(index).method for index in arrivals_of(PAYMENTS))

    assert methods["pm_card_visa"] / methods.total() == pytest.approx(0.96, abs=0.01)
    assert len(methods) == 5
    assert all(1 <= payment_of(i).amount <= 99_999_999 for i in arrivals_of(PAYMENTS))


def test_names_and_ids_of_events_fit_what_the_api_accepts():
    make = requests()
    bodies = [body_of(make.of(index)) for index in arrivals_of(ANALYTICS)[:300]]

    assert all(re.fullmatch(r"[a-z][a-z0-9_.]{0,63}", str(body["name"])) for body in bodies)
    assert all(RUN in str(body["name"]) for body in bodies)
    assert len({body["event_id"] for body in bodies}) == 300


def test_a_connection_of_its_own_is_asked_for_only_where_it_is_wanted():
    for index in range(4):
        assert header_of(requests().of(index), "Connection") is None
        assert header_of(requests(keep_alive=False).of(index), "Connection") == "close"


def test_the_profile_for_artillery_has_the_same_phases_and_the_predecessors_requests():
    described = yaml.safe_load((ROOT / "loadtest/artillery-1k.yml").read_text())
    phases = [
        (phase["name"], phase["duration"], phase["arrivalRate"], phase.get("rampTo"))
        for phase in described["config"]["phases"]
    ]
    steps = [next(iter(scenario["flow"][0].items())) for scenario in described["scenarios"]]

    assert phases == [(p.name, p.duration_s, p.rate_per_s, p.to_rate_per_s) for p in ONE_K.phases]
    assert [(m.upper(), step["url"]) for m, step in steps] == [
        (each.method, each.path) for each in SCENARIOS[: NOTIFICATIONS + 1]
    ]


def test_the_rate_of_a_profile_is_known_at_each_second_until_its_end():
    seconds = (0, 29, 60, 90, 209, 239, 240)

    assert [ONE_K.rate_at(second) for second in seconds] == [20, 20, 112, 1000, 1000, 20, None]


def test_what_one_journal_knows_of_some_arrivals_another_takes_over():
    own, other = Journal(4), Journal(4)
    own.outcome[1], own.ids[1], own.done_s[1], own.status[1], own.bytes[1] = (
        OK,
        "pay_1",
        2.5,
        201,
        9,
    )
    own.failed(3, "ETIMEDOUT")
    other.failed(0, "http_503")
    other.add(own.part([1, 3]))

    assert [other.outcome_of(index) for index in range(4)] == [
        "http_503",
        "ok",
        "unsent",
        "ETIMEDOUT",
    ]
    assert (other.ids[1], other.done_s[1], other.status[1], other.bytes_received) == (
        "pay_1",
        2.5,
        201,
        9,
    )
