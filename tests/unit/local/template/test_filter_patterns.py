"""Filter patterns of event source mappings, on the records that a queue makes."""

import json
import time
from typing import Any

import pytest

from local.template.patterns import PatternError, compile_filters


def record(body: object, **attributes: str) -> dict[str, Any]:
    return {
        "body": body if isinstance(body, str) else json.dumps(body),
        "messageAttributes": {
            name: {"stringValue": value, "dataType": "String"} for name, value in attributes.items()
        },
        "eventSource": "aws:sqs",
    }


ORDER = {"kind": "order", "total": 20, "paid": True, "note": None, "to": {"city": "Rotterdam"}}


@pytest.mark.row("4.16")
@pytest.mark.parametrize(
    ("pattern", "passes"),
    [
        ({"kind": ["order"]}, True),
        ({"kind": ["refund", "order"]}, True),
        ({"kind": ["refund"]}, False),
        ({"kind": ["order"], "total": [21]}, False),
        ({"total": [20]}, True),
        ({"total": [20.0]}, False),
        ({"total": [{"anything-but": 20}]}, False),
        ({"total": [{"anything-but": [20.0]}]}, True),
        ({"to": [{"exists": True}]}, False),
        ({"to": [{"exists": False}]}, True),
        ({"total": ["20"]}, False),
        ({"paid": [True]}, True),
        ({"paid": [1]}, False),
        ({"note": [None]}, True),
        ({"missing": [None]}, False),
        ({"to": {"city": [{"prefix": "Rotter"}]}}, True),
        ({"to": {"city": [{"prefix": "Am"}]}}, False),
        ({"to": {"city": [{"suffix": "dam"}]}}, True),
        ({"to": {"city": [{"equals-ignore-case": "ROTTERDAM"}]}}, True),
        ({"to": {"city": [{"prefix": {"equals-ignore-case": "rOTTER"}}]}}, True),
        ({"to": {"city": [{"suffix": {"equals-ignore-case": "DAM"}}]}}, True),
        ({"to": {"city": [{"suffix": {"equals-ignore-case": "rotter"}}]}}, False),
        ({"total": [{"prefix": {"equals-ignore-case": "2"}}]}, False),
        ({"to": {"country": [{"exists": True}]}}, False),
        ({"to": {"country": [{"exists": False}]}}, True),
        ({"note": [{"exists": True}]}, True),
        ({"total": [{"numeric": [">", 0, "<=", 20]}]}, True),
        ({"total": [{"numeric": ["<", 20]}]}, False),
        ({"total": [{"numeric": ["=", 20]}]}, True),
        ({"kind": [{"numeric": [">", 0]}]}, False),
        ({"kind": [{"anything-but": "refund"}]}, True),
        ({"kind": [{"anything-but": ["refund", "order"]}]}, False),
        ({"missing": [{"anything-but": "refund"}]}, False),
        ({"$or": [{"total": [1]}, {"paid": [True]}]}, True),
        ({"$or": [{"total": [1]}, {"paid": [False]}]}, False),
    ],
)
def test_a_pattern_is_held_against_the_body(pattern: dict[str, Any], passes: bool):
    assert compile_filters([json.dumps({"body": pattern})])(record(ORDER)) is passes


@pytest.mark.row("4.16")
@pytest.mark.parametrize(
    ("network", "address", "passes"),
    [
        ("10.0.0.0/24", "10.0.0.9", True),
        ("10.0.0.7/24", "10.0.0.9", True),
        ("10.0.0.0/24", "10.0.1.9", False),
        ("10.0.0.0/24", "::1", False),
        ("2001:db8::/32", "2001:db8::7", True),
        ("10.0.0.0/24", "nowhere", False),
        ("10.0.0.0/24", 9, False),
    ],
)
def test_an_address_is_one_of_its_network(network: str, address: object, passes: bool):
    pattern = {"body": {"from": [{"cidr": network}]}}

    assert compile_filters([json.dumps(pattern)])(record({"from": address})) is passes


@pytest.mark.row("4.16")
def test_numbers_are_equal_where_they_are_written_alike():
    for pattern in ("300", "300.0", "3.0e2"):
        passes = compile_filters([f'{{"body": {{"n": [{pattern}]}}}}'])
        others = compile_filters([f'{{"body": {{"n": [{{"anything-but": [{pattern}]}}]}}}}'])
        for number in ("300", "300.0", "3.0e2"):
            assert passes(record(f'{{"n": {number}}}')) is (number == pattern)
            assert others(record(f'{{"n": {number}}}')) is (number != pattern)
        assert compile_filters(['{"body": {"n": [{"numeric": ["=", 300]}]}}'])(
            record(f'{{"n": {pattern}}}')
        )


@pytest.mark.row("4.16")
@pytest.mark.parametrize(
    ("address", "exists"),
    [
        ("here", True),
        (None, True),
        ([["here"]], True),
        (["here", {"street": "x"}], True),
        ({"street": "x"}, False),
        ([{"street": "x"}], False),
        ([], False),
        ([[]], False),
    ],
)
def test_only_a_leaf_exists(address: object, exists: bool):
    for expected in (True, False):
        pattern = {"body": {"person": {"address": [{"exists": expected}]}}}
        passes = compile_filters([json.dumps(pattern)])
        assert passes(record({"person": {"address": address}})) is (expected is exists)


@pytest.mark.row("4.16")
def test_of_several_values_and_of_several_patterns_one_is_enough():
    tags = record({"tags": ["new", "big"], "lines": [{"sku": "a"}, {"sku": "b"}]})

    assert compile_filters(['{"body": {"tags": ["big"]}}'])(tags)
    assert compile_filters(['{"body": {"lines": {"sku": ["b"]}}}'])(tags)
    assert compile_filters(['{"body": {"tags": ["old"]}}', '{"body": {"tags": ["new"]}}'])(tags)
    assert not compile_filters(['{"body": {"tags": ["old"]}}'])(tags)


@pytest.mark.row("4.16")
@pytest.mark.parametrize(
    ("pattern", "passes"),
    [
        ({"tags": ["b"]}, True),
        ({"tags": [{"anything-but": "a"}]}, True),
        ({"tags": [{"anything-but": ["a", "b"]}]}, False),
        ({"lines": {"sku": ["b"]}}, True),
        ({"lines": {"sku": ["a"], "count": [2]}}, False),
        ({"lines": {"count": [{"exists": False}]}}, False),
        ({"lines": {"size": [{"exists": False}]}}, True),
        ({"none": {"sku": [{"exists": False}]}}, True),
        ({"kind": {"name": [{"exists": False}]}}, True),
        ({"lines": {"count": [{"exists": False}, 2]}}, True),
    ],
)
def test_a_list_in_a_list_is_one_list_and_a_field_is_absent_where_no_entry_has_it(pattern, passes):
    order = {
        "tags": [["a"], ["b"]],
        "lines": [[{"sku": "a"}], {"sku": "b", "count": 2}],
        "none": [],
        "kind": "x",
    }

    assert compile_filters([json.dumps({"body": pattern})])(record(order)) is passes


@pytest.mark.row("4.16")
def test_attributes_of_the_message_are_fields_of_the_record():
    by_tenant = compile_filters(['{"messageAttributes": {"tenant": {"stringValue": ["demo"]}}}'])

    assert by_tenant(record("text", tenant="demo"))
    assert not by_tenant(record("text", tenant="other"))
    assert not by_tenant(record("text"))


@pytest.mark.row("4.16")
def test_a_pattern_of_objects_drops_text_and_one_of_text_drops_objects():
    absent, text = compile_filters(['{"body": {"a": [{"exists": false}]}}']), '{"body": ["hello"]}'

    assert absent(record({}))
    assert not absent(record("hello"))
    assert compile_filters([text])(record("hello"))
    assert not compile_filters([text])(record({"hello": 1}))


@pytest.mark.row("4.16")
def test_a_body_that_is_nested_too_deep_is_text():
    assert not compile_filters(['{"body": {"a": [1]}}'])(record("[" * 200_000))
    assert compile_filters(['{"body": [{"prefix": "[["}]}'])(record("[" * 200_000))


@pytest.mark.row("4.16")
@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("{", "is no JSON"),
        ("[]", "no object with fields"),
        ("{}", "no object with fields"),
        ('{"body": "a"}', "body needs a list"),
        ('{"body": {"a": []}}', "a needs a list"),
        ('{"body": {"a": [{"cidr": "10.0.0"}]}}', "'10.0.0' is no network"),
        ('{"body": {"a": [{"wildcard": "a*"}]}}', "wildcard"),
        ('{"body": {"a": [{"anything-but": {"prefix": "a"}}]}}', "anything-but"),
        ('{"body": {"a": [{"prefix": "a", "suffix": "b"}]}}', "one operator"),
        ('{"body": {"a": [{"numeric": ["~", 1]}]}}', "numeric"),
        ('{"body": {"a": [{"numeric": [">"]}]}}', "numeric"),
        ('{"body": {"a": [{"numeric": ["<", 5, ">", 0]}]}}', "numeric"),
        ('{"body": {"a": [{"numeric": [">", 5, "<", 5]}]}}', "numeric"),
        ('{"body": {"a": [{"numeric": ["=", 5, "<", 9]}]}}', "numeric"),
        ('{"body": {"a": [{"numeric": [">", 0, "<", 9, "<", 5]}]}}', "numeric"),
        ('{"body": {"a": [{"numeric": ["=", true]}]}}', "numeric"),
        ('{"body": {"a": [NaN]}}', "is no JSON"),
        ('{"body": {"a": [{"exists": 1}]}}', "exists"),
        ('{"body": {"a": [{"anything-but": true}]}}', "anything-but"),
        ('{"body": {"a": [{"anything-but": ["a", 1]}]}}', "anything-but"),
        ('{"$or": {"a": [1]}}', "list of two patterns"),
        ('{"$or": [{"a": [1]}]}', "list of two patterns"),
        ('{"body": {"a": [[1]]}}', "list in a list"),
        ('{"body": {"a": [{"anything-but": []}]}}', "anything-but"),
        ('{"body": {"a": ["' + "x" * 4096 + '"]}}', "at most 4096 characters"),
        ('{"a":' * 650 + "[1]" + "}" * 650, "too deep"),
    ],
)
def test_what_is_not_emulated_is_refused_by_name(pattern: str, complaint: str):
    with pytest.raises(PatternError, match=complaint.replace("*", r"\*")):
        compile_filters([pattern])


def test_a_list_of_many_objects_is_looked_through_once_for_an_absent_field():
    passes = compile_filters([json.dumps({"body": {"a": {"b": [{"exists": False}]}}})])
    many: list[dict[str, int]] = [{}] * 50_000
    started_s = time.process_time()

    assert not passes({"body": json.dumps({"a": [*many, {"b": 1}]})})
    assert passes({"body": json.dumps({"a": many})})
    assert time.process_time() - started_s < 5
