"""Bad requests are refused as problems, with the contract's status and code, and change nothing."""

import gzip
import uuid

import pytest

from tests.e2e.conftest import assert_problem, log_in

GOOD = b'{"amount":1000,"currency":"EUR","payment_method":"pm_card_visa"}'
DEEP = b'{"metadata":' + b"[" * 40 + b"]" * 40 + b"}"
LARGE = GOOD[:-1] + b',"description":"' + b"x" * 300_000 + b'"}'


def _post(client, body, headers=None):
    return client.call(
        "POST", "/v1/payments", body, {"Idempotency-Key": uuid.uuid4().hex, **(headers or {})}
    )


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed_json"),
        (b"{", 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        (b'{"amount":1,"amount":2}', 400, "malformed_json"),
        (GOOD.replace(b"1000", b"NaN"), 400, "malformed_json"),
        (DEEP, 400, "malformed_json"),
        (LARGE, 413, "request_too_large"),
        (b"[]", 422, "invalid_request"),
        (GOOD.replace(b"{", b'{"status":"succeeded",'), 422, "invalid_request"),
        (GOOD.replace(b"{", b'{"tenant":"other",'), 422, "invalid_request"),
        *(
            (GOOD.replace(b"1000", amount), 422, "invalid_request")
            for amount in (b"27363.5", b'"10"', b"true", b"0", b"-1", b"100000000", b"null")
        ),
        (GOOD.replace(b"EUR", b"XXX"), 422, "invalid_request"),
        (GOOD.replace(b"pm_card_visa", b"4242424242424242"), 422, "invalid_request"),
    ],
)
def test_a_bad_body_is_refused_and_makes_no_payment(demo, body, status, code):
    before = demo.call("GET", "/v1/payments?limit=1").body["data"][:1]

    answer = _post(demo, body)

    assert_problem(answer, status, code)
    assert [each["id"] for each in demo.call("GET", "/v1/payments?limit=1").body["data"]] == [
        each["id"] for each in before
    ]


def test_all_wrong_fields_are_told_at_once_with_what_is_right(demo):
    body = b'{"amount":-5,"currency":"euro","payment_method":"pm_card_4242","tenant":"other"}'

    answer = _post(demo, body)

    assert_problem(answer, 422, "invalid_request")
    details = {each["param"]: each["detail"] for each in answer.body["errors"]}
    assert details.keys() == {"amount", "currency", "payment_method", "tenant"}
    assert "pm_card_4242" in details["payment_method"]
    assert "use pm_card_visa, " in details["payment_method"]
    assert "^" not in answer.body["detail"] + "".join(details.values())


def test_another_content_type_is_refused(demo):
    answer = _post(demo, GOOD, {"Content-Type": "text/plain"})

    assert_problem(answer, 415, "unsupported_media_type")
    assert "text/plain; send application/json" in answer.body["detail"]


def test_a_packed_body_is_refused_as_such_and_an_unpacked_one_is_taken(demo):
    refused = _post(demo, gzip.compress(GOOD), {"Content-Encoding": "gzip"})
    accepted = _post(demo, GOOD.replace(b"1000", b"1000.0"), {"Content-Encoding": "identity"})

    assert_problem(refused, 415, "unsupported_encoding")
    assert (accepted.status, accepted.body["amount"]) == (201, 1000)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "idempotency_key_required"),
        ({"Idempotency-Key": ""}, "idempotency_key_required"),
        ({"Idempotency-Key": "k" * 256}, "idempotency_key_invalid"),
        ({"Idempotency-Key": "with space"}, "idempotency_key_invalid"),
        ({"Idempotency-Key": "one", "idempotency-key": "two"}, "idempotency_key_invalid"),
    ],
)
def test_a_payment_needs_a_usable_idempotency_key(demo, headers, code):
    answer = demo.call("POST", "/v1/payments", GOOD, headers)

    assert_problem(answer, 400, code)


def test_a_token_without_the_scope_is_forbidden(base):
    reader = log_in(base, "demo", "demo-secret", scope="payments:read")

    answer = _post(reader, GOOD)

    assert_problem(answer, 403, "insufficient_scope")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("status=paid", "status"),
        ("created_gte=yesterday", "created_gte"),
        ("starting_after=pay_nobody", "starting_after"),
        ("page=2", "page"),
        ("limit=1&limit=2", "limit"),
    ],
)
def test_a_bad_filter_is_named(demo, query, param):
    answer = demo.call("GET", f"/v1/payments?{query}")

    assert_problem(answer, 422, "invalid_request")
    assert answer.body["param"] == param


def test_a_wrong_client_gets_no_token(anybody):
    for client_id, secret in (("demo", "wrong"), ("nobody", "demo-secret")):
        answer = anybody.call(
            "POST",
            "/oauth2/token",
            f"grant_type=client_credentials&client_id={client_id}&client_secret={secret}".encode(),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )

        assert_problem(answer, 401, "invalid_client")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Bad Name"},
        {"name": "ok", "unknown": 1},
        {"name": "ok", "value": "1"},
        {"name": "ok", "occurred_at": "2001-01-01T00:00:00Z"},
    ],
)
def test_a_bad_event_is_refused(demo, body):
    answer = demo.call("POST", "/v1/analytics/events", body)

    assert answer.status in {400, 422}, answer
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "change",
    [
        {"to": "not an address"},
        {"to": "a@example.com\r\nBcc: b@example.com"},
        {"template": "nothing"},
        {"variables": {}},
        {"extra": 1},
    ],
)
def test_a_bad_notification_is_refused(demo, change):
    good = {
        "channel": "email",
        "to": "a@example.com",
        "template": "welcome",
        "variables": {"name": "Ada"},
    }

    answer = demo.call(
        "POST",
        "/v1/notifications",
        {**good, **change},
        {"Idempotency-Key": uuid.uuid4().hex},
    )

    assert_problem(answer, 422, answer.body.get("code"))
