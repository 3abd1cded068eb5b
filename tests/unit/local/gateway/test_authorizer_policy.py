"""The methods that a policy allows: rows 1.52, 1.55 to 1.57 and 1.59."""

import time
from typing import Any

import pytest

from local.gateway.policy import Decision, PolicyError, read_policy

PREFIX = "arn:aws:execute-api:eu-west-1:000000000000:local/prod"


def statement(
    effect: str, resource: Any, action: Any = "execute-api:Invoke", **more: Any
) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def answer(*statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return {"principalId": "p", "policyDocument": document, **more}


@pytest.mark.row("1.56", "1.57")
@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        ([statement("Allow", "*")], Decision.ALLOW),
        ([statement("Allow", "*"), statement("Deny", "*")], Decision.EXPLICIT_DENY),
        ([statement("Deny", "*"), statement("Allow", "*")], Decision.EXPLICIT_DENY),
        ([statement("Deny", f"{PREFIX}/PUT/*"), statement("Allow", "*")], Decision.ALLOW),
        ([statement("Allow", f"{PREFIX}/GET/other")], Decision.IMPLICIT_DENY),
        ([statement("Allow", "*", "s3:GetObject")], Decision.IMPLICIT_DENY),
        ([statement("Deny", "*", "s3:*"), statement("Allow", "*")], Decision.ALLOW),
        ([statement("Allow", "*", ["s3:*", "execute-api:*"])], Decision.ALLOW),
        ([statement("Allow", "*", "EXECUTE-API:invoke")], Decision.ALLOW),
        ([statement("Allow", "*", "*", Sid="one")], Decision.ALLOW),
    ],
)
def test_deny_comes_before_allow_and_nothing_is_deny(statements, decision):
    assert read_policy(answer(*statements)).decide(f"{PREFIX}/GET/pets/1") is decision


@pytest.mark.row("1.59")
@pytest.mark.parametrize(
    ("resource", "is_allowed"),
    [
        (f"{PREFIX}/GET/pets/1", True),
        (f"{PREFIX}/GET/pets/?", True),
        (f"{PREFIX}/GET/pets/??", False),
        (f"{PREFIX}/*/pets/*", True),
        ("arn:aws:execute-api:*", True),
        (f"{PREFIX}/GET/pets", False),
        (f"{PREFIX}/GET/pets/1/*", False),
        (f"{PREFIX}/get/pets/1", False),
        (f"{PREFIX}/GET/pets/.", False),
        (f"{PREFIX}/GET/pets/[1]", False),
        (["nothing", f"{PREFIX}/GET/*"], True),
        ("", False),
    ],
)
def test_a_star_is_any_run_and_a_question_mark_one_character(resource, is_allowed):
    decision = read_policy(answer(statement("Allow", resource))).decide(f"{PREFIX}/GET/pets/1")

    assert (decision is Decision.ALLOW) is is_allowed


def test_one_statement_need_not_be_a_list():
    result = answer()
    result["policyDocument"]["Statement"] = statement("Allow", "*")

    assert read_policy(result).decide(PREFIX) is Decision.ALLOW


@pytest.mark.row("1.52")
def test_the_context_is_text_and_has_the_principal():
    policy = read_policy(
        answer(
            statement("Allow", "*"),
            context={"text": "a", "number": 1, "decimal": 1.5, "flag": False, "none": None},
        )
    )

    assert policy.grant.caller == {
        "principalId": "p",
        "text": "a",
        "number": "1",
        "decimal": "1.5",
        "flag": "false",
        "none": "null",
    }


def without(key: str) -> dict[str, Any]:
    result = answer(statement("Allow", "*"))
    del result[key]
    return result


@pytest.mark.row("1.55")
@pytest.mark.parametrize(
    "result",
    [
        None,
        "allow",
        {},
        without("principalId"),
        without("policyDocument"),
        {"principalId": 1, "policyDocument": answer(statement("Allow", "*"))["policyDocument"]},
        {"principalId": "p", "policyDocument": []},
        answer(),
        answer({"Effect": "Allow"}),
        answer(statement("allow", "*")),
        answer(statement("Allow", None)),
        answer(statement("Allow", [])),
        answer(statement("Allow", [1])),
        answer(statement("Allow", "*", None)),
        answer(statement("Allow", "*", Condition={})),
        answer({"Effect": "Allow", "NotAction": "x", "Resource": "*"}),
        answer(*[statement("Allow", "*")] * 101),
        answer(statement("Allow", "*"), context=[]),
        answer(statement("Allow", "*"), context={"a": {"b": 1}}),
        answer(statement("Allow", "*"), context={"a": [1]}),
    ],
    ids=lambda result: repr(result)[:60],
)
def test_what_is_no_policy_is_refused(result):
    with pytest.raises(PolicyError):
        read_policy(result)


def test_a_policy_full_of_stars_is_decided_quickly():
    policy = read_policy(answer(statement("Allow", "*a" * 20 + "*x")))
    began_s = time.process_time()

    assert policy.decide("a" * 10_000) is Decision.IMPLICIT_DENY
    assert policy.decide("a" * 10_000 + "x") is Decision.ALLOW
    assert time.process_time() - began_s < 0.5
