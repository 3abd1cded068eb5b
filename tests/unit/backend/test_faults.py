"""Every wrong field of a request is named at once, each with a sentence that says what is right."""

import json
from time import process_time
from typing import Any, get_args, get_origin

import msgspec
import pytest
from msgspec import Meta, Struct

from analytics.schema import EventRequest, MetricQuery
from backend.errors import InvalidRequest, problem
from backend.strict_json import convert, convert_text, parse
from notifications.schema import NotificationRequest
from notifications.templates.built_in import TEMPLATES
from notifications.webhooks.endpoints import EndpointRequest
from payments.schema import PaymentListQuery, PaymentRequest, RefundRequest, TestMethod
from tests.contract.operations import OPERATIONS

PAYMENT = {"amount": 1000, "currency": "EUR", "payment_method": "pm_card_visa"}
NOTICE = {
    "channel": "email",
    "to": "ada@example.com",
    "template": "welcome",
    "variables": {"name": "Ada"},
}


def _refusal(value: object, shape: type[Any]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        convert(value, shape)
    return refused.value


def _codes(error: InvalidRequest) -> dict[str | None, str]:
    return {each.param: each.code for each in error.faults}


def test_all_wrong_fields_of_a_payment_are_named_at_once():
    body = {
        "amount": -5,
        "currency": "euro",
        "capture_method": True,
        "metadata": {"a": "right", "$b": "wrong"},
        "receipt_email": "nobody",
        "tenant": "other",
    }

    assert _codes(_refusal(body, PaymentRequest)) == {
        "amount": "invalid_value",
        "currency": "invalid_value",
        "payment_method": "field_required",
        "capture_method": "wrong_type",
        "metadata": "invalid_value",
        "receipt_email": "invalid_value",
        "tenant": "unknown_field",
    }


def test_an_unknown_value_is_answered_with_the_known_ones():
    error = _refusal({**PAYMENT, "payment_method": "pm_card_4242"}, PaymentRequest)

    tokens = get_args(get_args(TestMethod)[0])
    assert error.detail.startswith('"pm_card_4242" is not a test token; use pm_card_visa, ')
    assert all(each in error.detail for each in tokens)
    assert (error.code, error.param) == ("invalid_request", "payment_method")


@pytest.mark.parametrize(
    ("value", "shape", "detail"),
    [
        (
            {"reason": "lost"},
            RefundRequest,
            '"lost" is not an allowed value of `reason`; '
            "use duplicate, fraudulent or requested_by_customer.",
        ),
        (
            {"amount": 0},
            RefundRequest,
            "`amount` must be a whole number from 1 to 99,999,999 or null, not 0.",
        ),
        (
            {"name": "Bad Name"},
            EventRequest,
            "`name` must be 1 to 64 of a-z, 0-9, _ and the point, with a letter first, "
            'not "Bad Name".',
        ),
        (
            {"name": "seen", "properties": {"plan": [1]}},
            EventRequest,
            '"plan" in `properties` must be text of at most 500 characters, a whole number, '
            "a number, true or false or null, not [1].",
        ),
        (
            {"name": "seen", "colour": 1},
            EventRequest,
            'There is no field "colour"; use name, event_id, occurred_at, sent_at, user_id, '
            "value or properties.",
        ),
        ([], PaymentRequest, "The body must be an object."),
        (
            {"url": "https://example.com/", "events": []},
            EndpointRequest,
            "`events` must be a list of 1 to 16 items or null, not [].",
        ),
    ],
)
def test_a_sentence_says_what_is_right(value, shape, detail):
    assert _refusal(value, shape).detail == detail


def test_each_wrong_item_of_a_list_is_told_by_its_value():
    error = _refusal(
        {"url": "https://example.com/", "events": ["a", "payment.failed", "b"]}, EndpointRequest
    )

    assert [each.param for each in error.faults] == ["events", "events"]
    assert [each.detail[:3] for each in error.faults] == ['"a"', '"b"']


def test_fields_that_depend_on_one_another_are_told_beside_the_others():
    body = {
        **NOTICE,
        "to": "nobody",
        "variables": {"names": "Ada"},
        "send_after": "soon",
        "quiet_hours": {"start": "21:00", "end": "21:00", "zone": "Mars/Base"},
    }

    assert _codes(_refusal(body, NotificationRequest)) == {
        "send_after": "invalid_value",
        "to": "invalid_value",
        "variables.name": "invalid_variables",
        "variables.names": "invalid_variables",
        "quiet_hours.end": "invalid_value",
        "quiet_hours.zone": "invalid_value",
    }


def test_a_field_that_cannot_be_judged_without_a_wrong_one_is_not_told():
    error = _refusal({**NOTICE, "channel": "pigeon", "to": "nobody"}, NotificationRequest)

    assert _codes(error) == {"channel": "invalid_value"}


def test_all_wrong_parameters_of_a_query_are_named():
    query = {"limit": "ten", "status": "paid", "created_gte": "yesterday", "page": "2"}
    with pytest.raises(InvalidRequest) as refused:
        convert_text(query, PaymentListQuery)

    assert _codes(refused.value) == {
        "limit": "wrong_type",
        "status": "invalid_value",
        "created_gte": "invalid_value",
        "page": "unknown_field",
    }
    with pytest.raises(InvalidRequest) as refused:
        convert_text({"name": "seen", "from": "x", "granularity": "week"}, MetricQuery)
    assert refused.value.faults[-1].param == "granularity"
    assert {each.param for each in refused.value.faults} == {"from", "to", "granularity"}


@pytest.mark.parametrize("number", ["4242424242424242", "4242 4242 4242 4242", "378282246310005"])
def test_what_looks_like_a_card_number_is_not_repeated(number):
    error = _refusal({**PAYMENT, "payment_method": number}, PaymentRequest)

    assert number not in error.detail
    assert "is not a test token" in error.detail


def test_a_problem_has_every_fault_and_is_about_the_first():
    error = _refusal({**PAYMENT, "amount": 0, "currency": "XXX"}, PaymentRequest)
    body = problem(error, request_id="r")

    assert (body["code"], body["param"]) == ("invalid_request", "amount")
    assert str(body["detail"]).endswith(" 1 more: see errors.")
    assert body["errors"] == [
        {
            "param": "amount",
            "code": "invalid_value",
            "detail": "`amount` must be a whole number from 1 to 99,999,999, not 0.",
        },
        {
            "param": "currency",
            "code": "invalid_value",
            "detail": "XXX is not an ISO 4217 currency.",
        },
    ]


def test_a_body_of_wrong_names_is_answered_shortly_and_soon():
    metadata = {f"{number}.": number for number in range(20_000)}
    body = {**dict.fromkeys(map(str, range(5_000)), 1), "metadata": metadata, "amount": 0}
    before_s = process_time()

    error = _refusal(body, PaymentRequest)

    assert process_time() - before_s < 0.5
    assert len(error.faults) == 20
    assert {"amount", "currency", "payment_method", "metadata"} <= {f.param for f in error.faults}


def _kinds(kind: Any) -> list[tuple[Any, list[Meta]]]:
    """Return the types that a type is made of, each with what its annotations say."""
    metas = [each for each in get_args(kind)[1:] if isinstance(each, Meta)]
    parts = [each for each in get_args(kind) if not isinstance(each, Meta | str)]
    if isinstance(kind, type) and issubclass(kind, Struct):
        parts = [field.type for field in msgspec.structs.fields(kind)]
    own = [(kind, metas)] if metas else []
    return own + [
        inner
        for part in parts
        if get_origin(part) or isinstance(part, type)
        for inner in _kinds(part)
    ]


SHAPES: set[Any] = {
    shape for each in OPERATIONS.values() for shape in (each.body, each.query) if shape is not None
} | {each.variables for each in TEMPLATES.values()}


@pytest.mark.parametrize("shape", sorted(SHAPES, key=str))
def test_every_pattern_of_a_request_is_told_in_words(shape):
    for kind, metas in _kinds(shape):
        has_pattern = any(each.pattern for each in metas)
        words = [each for each in metas if "expected" in (each.extra or {})]
        assert not has_pattern or words, kind


def test_a_good_request_is_parsed():
    assert parse(json.dumps(PAYMENT).encode(), PaymentRequest).amount == 1000
    assert convert(NOTICE, NotificationRequest).to == "ada@example.com"
