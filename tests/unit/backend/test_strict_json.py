"""JSON from outside is read one way only, and what is refused says why."""

from time import process_time

import pytest

from backend.errors import InvalidRequest
from backend.strict_json import BODY_MAX_BYTES, DEPTH_MAX, loads, parse
from payments.schema import PaymentRequest

GOOD = b'{"amount":1000,"currency":"EUR","payment_method":"pm_card_visa"}'


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b'{"a":1,}', "not acceptable JSON"),
        (b'{"a":1}{"a":2}', "Extra data"),
        (b'{"amount":1,"amount":2}', "'amount' stands twice"),
        (b'{"a":{"b":1,"b":1}}', "'b' stands twice"),
        (b'{"a":NaN}', "NaN is not a JSON number"),
        (b'{"a":-Infinity}', "-Infinity is not a JSON number"),
        (b'{"a":1e999}', "out of range"),
        (b'{"a":9223372036854775808}', "out of range"),
        (b'{"a":' + b"9" * 5000 + b"}", "out of range"),
        (b'{"a":"\\u0000"}', "NUL"),
        (b'{"a":["\\ud800"]}', "surrogates not allowed"),
        (b'{"\\ud800":1}', "surrogates not allowed"),
        (b'{"a":"\xff"}', "invalid start byte"),
        (b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), "nested deeper"),
        (b"[" * 100_000, "nested deeper"),
    ],
)
def test_what_two_readers_could_understand_differently_is_malformed(raw, why):
    with pytest.raises(InvalidRequest, match=why) as refused:
        loads(raw)

    assert (refused.value.status, refused.value.code) == (400, "malformed_json")


def test_brackets_inside_text_are_not_depth():
    value = loads(b'{"a":"' + b'[{\\"' * 40 + b'"}')

    assert value == {"a": '[{"' * 40}


def test_depth_is_allowed_up_to_its_bound():
    loads(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX)


def test_a_body_over_its_bound_is_too_large_before_it_is_read():
    with pytest.raises(InvalidRequest) as refused:
        loads(b" " * (BODY_MAX_BYTES + 1))

    assert (refused.value.status, refused.value.code) == (413, "request_too_large")


def test_a_body_of_many_names_is_refused_at_once():
    names = ",".join(f'"{number}":1' for number in range(25_000))
    before_s = process_time()

    with pytest.raises(InvalidRequest, match="'24999' stands twice"):
        loads(f'{{{names},"24999":1}}'.encode())

    assert process_time() - before_s < 1


@pytest.mark.parametrize(
    "amount",
    [
        *("27363.5", "1.00000000000000000001", "1E-2", "1E400", "0.0", "1E8", "-1.0", '"100"'),
        *("true", "0", "-1", "100000000", "null"),
    ],
)
def test_an_amount_is_a_positive_integer_of_eight_digits_and_nothing_else(amount):
    raw = GOOD.replace(b"1000", amount.encode())

    with pytest.raises(InvalidRequest) as refused:
        parse(raw, PaymentRequest)

    assert refused.value.param == "amount" or "out of range" in refused.value.detail


@pytest.mark.parametrize(
    ("amount", "whole"),
    [("27363.0", 27363), ("1E2", 100), ("1.50e1", 15), ("99999999.000", 99999999)],
)
def test_an_amount_with_an_empty_fraction_is_the_integer_that_json_schema_sees(amount, whole):
    raw = GOOD.replace(b"1000", amount.encode())

    assert repr(parse(raw, PaymentRequest).amount) == repr(whole)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9007199254740993.0", 9007199254740993),  # not a float's 9007199254740992
        ("-0.0", 0),
        ("1E19", 1e19),
        ("1E-400", 0.0),
        ("1E-99999999999999999999", 0.0),
        ("0E99999999999999999999", 0.0),
        ("0.1", 0.1),
    ],
)
def test_only_what_is_whole_and_fits_becomes_an_integer(text, number):
    assert repr(loads(text.encode())) == repr(number)


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (GOOD.replace(b"{", b'{"extra":1,'), "extra"),
        (GOOD.replace(b'"currency":"EUR",', b""), "currency"),
        (GOOD.replace(b"EUR", b"eur"), "currency"),
        (GOOD.replace(b"EUR", b"EUR\\n"), "currency"),
        (GOOD.replace(b"pm_card_visa", b"4242424242424242"), "payment_method"),
        (GOOD.replace(b"{", b'{"metadata":{"$where":"1"},', 1), "metadata"),
        (GOOD.replace(b"{", b'{"receipt_email":"a@b\\r\\nBcc: c@d",', 1), "receipt_email"),
    ],
)
def test_a_wrong_field_is_named(raw, param):
    with pytest.raises(InvalidRequest) as refused:
        parse(raw, PaymentRequest)

    assert (refused.value.status, refused.value.param) == (422, param)


def test_a_good_body_is_parsed():
    request = parse(GOOD, PaymentRequest)

    assert (request.amount, request.currency, request.capture_method) == (1000, "EUR", "automatic")
