"""The turns of callers at the environments of a function; time is passed in."""

import pytest

from local.gateway.policy import Grant
from local.lambda_service.dispatch import Invocation, Pool
from local.lambda_service.turns import ONE_WRITE_OF, SEVERAL_S, Turns
from tests.unit.local.lambda_service.test_dispatch import FakeEnvironment, pool


def event(caller: str, name: str = "") -> Invocation:
    invocation = Invocation(name or caller, "", b"{}", lambda outcome: None)
    invocation.caller = caller
    return invocation


def with_environments(count: int) -> tuple[Pool, list[FakeEnvironment]]:
    functions, environments = pool(), [FakeEnvironment() for _ in range(count)]
    for each in environments:
        functions.free(each, 0.0)
    return functions, environments


def in_hand(environments: list[FakeEnvironment]) -> list[str]:
    return [each.invocation.caller for each in environments if each.invocation]


def test_a_caller_alone_has_all_environments():
    functions, environments = with_environments(3)

    for _ in range(4):
        functions.invoke(event("greedy"), 1.0)

    assert in_hand(environments) == ["greedy"] * 3
    assert functions.waiting == 1


def test_beside_another_a_caller_leaves_the_last_environment_to_whoever_has_fewer():
    functions, environments = with_environments(3)
    functions.invoke(event("quiet"), 1.0)
    for _ in range(9):
        functions.invoke(event("greedy"), 1.0)
    quiet = next(x for x in environments if x.invocation and x.invocation.caller == "quiet")
    functions.free(quiet, 2.0)
    waited = functions.waiting
    functions.invoke(event("quiet"), 3.0)

    assert waited == 7
    assert sorted(in_hand(environments)) == ["greedy", "greedy", "quiet"]


def test_the_environment_left_to_others_is_used_again_once_nobody_else_comes():
    functions, environments = with_environments(2)
    for caller in ("quiet", "greedy"):
        functions.invoke(event(caller), 1.0)
    for each in environments:
        functions.free(each, 1.1)
    for _ in range(3):
        functions.invoke(event("greedy"), 0.9 + SEVERAL_S)
    before = in_hand(environments)
    functions.free(next(each for each in environments if each.invocation), 1.1 + SEVERAL_S)

    assert before == ["greedy"]
    assert in_hand(environments) == ["greedy"] * 2
    assert functions.waiting == 0


def test_callers_that_wait_take_turns():
    functions, environments = with_environments(1)
    functions.invoke(event("greedy"), 1.0)
    for number in range(3):
        functions.invoke(event("greedy", f"greedy {number}"), 1.0)
    for number in range(2):
        functions.invoke(event("quiet", f"quiet {number}"), 1.0)
    order = []
    for _ in range(5):
        functions.free(environments[0], 2.0)
        assert environments[0].invocation is not None
        order.append(environments[0].invocation.request_id)

    assert order == ["greedy 0", "quiet 0", "greedy 1", "quiet 1", "greedy 2"]


def test_what_nobody_is_known_to_have_sent_is_not_bounded():
    functions, environments = with_environments(2)
    for caller in ("one", "other"):
        functions.invoke(event(caller), 1.0)
    for each in environments:
        functions.free(each, 1.1)
    for _ in range(2):
        functions.invoke(event(""), 1.2)

    assert in_hand(environments) == [""] * 2


@pytest.mark.parametrize(
    ("context", "name"),
    [
        ({"tenant": "demo", "principalId": "client-7"}, "demo"),
        ({"principalId": "client-7"}, "client-7"),
        ({"sub": "user-3"}, "user-3"),
        ({}, ""),
    ],
)
def test_a_caller_takes_turns_by_tenant_or_else_by_who_it_is(context: dict[str, str], name: str):
    assert Grant(context, {}).name == name


def test_a_caller_whose_events_have_all_expired_has_no_turn():
    functions, environments = with_environments(1)
    for caller in ("first", "gone"):
        functions.invoke(event(caller), 1.0)
    functions.sweep(1_000.0)
    functions.invoke(event("late"), 1_001.0)
    functions.free(environments[0], 1_001.0)

    assert in_hand(environments) == ["late"]


@pytest.mark.parametrize("count", [1, 2, 3, ONE_WRITE_OF])
def test_under_overload_one_of_four_events_of_each_caller_is_a_write(count: int):
    turns: Turns[Invocation] = Turns()
    callers = [f"caller-{number}" for number in range(count)]
    for caller in callers:
        for _ in range(2 * ONE_WRITE_OF):
            turns.append(event(caller))
            write = event(caller)
            write.is_repeatable = True
            turns.append(write)

    started = [
        turns.take(lambda caller: True, is_newest=True) for _ in range(2 * ONE_WRITE_OF * count)
    ]

    writes = [each.caller for each in started if each and each.is_repeatable]
    assert sorted(writes) == sorted(2 * callers)
