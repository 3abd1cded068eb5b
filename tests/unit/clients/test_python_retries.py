"""The Python client sends again what may be sent again, under one key, and no more than it may."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spillway_client import (
    ApiError,
    Client,
    Conflict,
    ConnectionFailed,
    Event,
    InvalidRequest,
    NotFound,
    Retries,
    ServerError,
    Throttled,
    Unauthorized,
    UnexpectedAnswer,
)
from spillway_client.records import Token
from spillway_client.tokens import Tokens
from tests.conftest import free_port, wait_until
from tests.integration.webhook_sink import Certificate
from tests.unit.clients.scripted_api import HANG_UP, Answer, ScriptedApi
from tests.unit.clients.scripted_client import HEALTH, TestClock, client_of, notify, problem

QUEUED = Answer(202, {"id": "ntf_1"})


@pytest.mark.parametrize("failure", [HANG_UP, problem(503, "overloaded"), Answer(502, b"<html>")])
def test_a_request_is_sent_again_under_one_key_with_one_body(failure: Answer):
    clock = TestClock()
    with ScriptedApi([failure, failure, QUEUED]) as api, client_of(api, clock) as client:
        assert notify(client) == "ntf_1"

    assert len({(each.headers["idempotency-key"], each.body) for each in api.requests}) == 1
    assert len(api.requests) == 3
    assert clock.waits == [0.5, 1.0]


def test_each_call_has_a_key_of_its_own_and_the_caller_s_where_one_is_given():
    with ScriptedApi([QUEUED]) as api, client_of(api, TestClock()) as client:
        for key in (None, None, "order-7"):
            notify(client, key)

    keys = [each.headers["idempotency-key"] for each in api.requests]
    assert len(set(keys)) == 3
    assert keys[2] == "order-7"


def test_a_wait_is_what_the_api_asks_for_and_a_random_part_on_top():
    clock = TestClock()
    busy = problem(429, "throttled", retry_after=7)
    with ScriptedApi([busy, HEALTH]) as api, client_of(api, clock) as client:
        client.get_health()

    assert clock.waits == [7.5]


def test_a_client_sends_again_no_more_than_its_budget_which_grows_with_its_requests():
    retries = Retries(attempts=2, spare=2, share=0.25)
    busy, served = problem(503, "overloaded"), HEALTH
    script = [busy] * 5 + [served] * 2 + [busy] * 2
    with ScriptedApi(script) as api, client_of(api, TestClock(), retries=retries) as client:
        for _ in range(3):
            with pytest.raises(ApiError):
                client.get_health()
        before = len(api.requests)
        for _ in range(2):
            client.get_health()
        with pytest.raises(ApiError):
            client.get_health()

    assert (before, len(api.requests)) == (5, 9)


def test_attempts_have_a_bound_and_the_error_tells_all_that_helps():
    clock = TestClock()
    failure = problem(503, "overloaded", retry_after=1)
    with (
        ScriptedApi([failure]) as api,
        client_of(api, clock) as client,
        pytest.raises(ServerError) as raised,
    ):
        notify(client, "order-7")

    error = raised.value
    assert len(api.requests) == 5
    assert (error.status, error.code, error.request_id) == (503, "overloaded", "req_1")
    assert (error.retryable, error.retry_after_s) == (True, 1.0)
    assert error.idempotency_key == "order-7"
    assert str(error) == "503 overloaded: No. (request req_1)"


@pytest.mark.parametrize("failure", [HANG_UP, problem(422, "invalid_request", retryable=False)])
def test_an_error_is_the_same_in_another_process(failure: Answer):
    with ScriptedApi([failure]) as api, client_of(api, TestClock()) as client:
        with pytest.raises((ApiError, ConnectionFailed)) as raised:
            notify(client, "order-7")
        error = pickle.loads(pickle.dumps(raised.value))

    assert (type(error), str(error)) == (type(raised.value), str(raised.value))
    assert vars(error) == vars(raised.value)


@pytest.mark.parametrize(
    ("retry_after", "attempts"), [(31, 1), (86400, 1), ("Tue, 01 Dec 2026 00:00:00 GMT", 5)]
)
def test_a_client_waits_no_longer_than_its_bound(retry_after: object, attempts: int):
    clock = TestClock()
    failure = problem(429, "throttled", retry_after=retry_after)
    with ScriptedApi([failure]) as api, client_of(api, clock) as client, pytest.raises(Throttled):
        client.get_health()

    assert len(api.requests) == attempts


def test_nothing_is_sent_again_after_the_deadline():
    clock = TestClock()
    failure, retries = problem(503, "overloaded", retry_after=4), Retries(deadline_s=10)
    with (
        ScriptedApi([failure]) as api,
        client_of(api, clock, retries) as client,
        pytest.raises(ServerError),
    ):
        client.get_health()

    assert len(api.requests) == 3
    assert clock.now_s <= 1010


@pytest.mark.parametrize("failure", [HANG_UP, problem(503, "unavailable")])
def test_what_would_be_done_twice_is_not_sent_again(failure: Answer):
    with ScriptedApi([failure]) as api, client_of(api, TestClock()) as client:
        for call in (client.rotate_webhook_secret, client.test_webhook_endpoint):
            with pytest.raises((ConnectionFailed, ServerError)):
                call("we_1")

    assert len(api.requests) == 2


def test_what_was_refused_before_it_was_done_is_sent_again():
    throttled = problem(429, "throttled")
    with ScriptedApi([throttled, QUEUED]) as api, client_of(api, TestClock()) as client:
        assert client.test_webhook_endpoint("we_1").id == "ntf_1"


def test_a_server_that_does_not_listen_is_tried_as_often_and_named():
    clock = TestClock()
    client = Client(f"http://127.0.0.1:{free_port()}", "demo", "secret", clock=clock.clock())
    with pytest.raises(ConnectionFailed, match=r"cannot connect to 127\.0\.0\.1:\d+") as raised:
        client.get_health()

    assert len(clock.waits) == 4
    assert not raised.value.sent


def test_a_certificate_that_does_not_hold_is_not_tried_again(tmp_path: Path):
    clock, certificate = TestClock(), Certificate("localhost", tmp_path)
    with ScriptedApi(certificate=certificate) as api:
        for tls, error in ((None, ConnectionFailed), (certificate.client_tls(), UnexpectedAnswer)):
            client = Client(api.url, "demo", "secret", tls=tls, clock=clock.clock())
            with client, pytest.raises(error):
                client.get_health()

    assert clock.waits == []


def test_an_answer_that_ends_early_is_not_taken_for_a_whole_one():
    short = Answer(body={"status": "ok"}, length=1000)
    with ScriptedApi([short, HEALTH]) as api, client_of(api, TestClock()) as client:
        assert client.get_health().status == "ok"

    assert len(api.requests) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_a_refusal_is_not_sent_again(status: int):
    refusal = problem(status, "no", retryable=False)
    with (
        ScriptedApi([refusal]) as api,
        client_of(api, TestClock()) as client,
        pytest.raises(ApiError),
    ):
        notify(client)

    assert len(api.requests) == 1


def test_a_conflict_at_the_same_time_is_sent_again():
    conflict = problem(409, "conflict")
    with ScriptedApi([conflict, QUEUED]) as api, client_of(api, TestClock()) as client:
        assert notify(client) == "ntf_1"


def test_errors_are_told_apart_by_their_class_and_name_each_wrong_field():
    fault = {"param": "amount", "code": "invalid_value", "detail": "It must be positive."}
    answers = [
        problem(422, "invalid_request", retryable=False, param="amount", errors=[fault]),
        problem(404, "not_found", retryable=False),
        problem(409, "invalid_state", retryable=False),
    ]
    with ScriptedApi(answers) as api, client_of(api, TestClock()) as client:
        with pytest.raises(InvalidRequest) as raised:
            client.get_payment("pay_1")
        with pytest.raises(NotFound):
            client.get_payment("pay_1")
        with pytest.raises(Conflict):
            client.get_payment("pay_1")

    assert raised.value.param == "amount"
    assert raised.value.errors[0].detail == "It must be positive."


@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", {"status": "ok"}, [], {"id": 7, "data": 7}]
)
def test_a_success_of_another_shape_is_said_to_be_one(body: object):
    with (
        ScriptedApi([Answer(200, body)]) as api,
        client_of(api, TestClock()) as client,
        pytest.raises(UnexpectedAnswer),
    ):
        client.get_payment("pay_1")


def test_members_that_the_client_does_not_know_are_passed_over():
    newer = Answer(202, {"id": "ntf_1", "new": {}})
    with ScriptedApi([newer]) as api, client_of(api, TestClock()) as client:
        assert notify(client) == "ntf_1"


def test_one_token_serves_until_shortly_before_it_expires():
    clock = TestClock()
    with ScriptedApi([QUEUED]) as api, client_of(api, clock) as client:
        for now_s in (1000, 1000 + 3539, 1000 + 3540):
            clock.now_s = now_s
            notify(client)

    assert [each.headers["authorization"] for each in api.requests] == [
        "Bearer token_1",
        "Bearer token_1",
        "Bearer token_2",
    ]


def test_a_token_that_lives_shortly_is_not_renewed_for_each_request():
    clock = TestClock()
    with ScriptedApi([QUEUED], token_life_s=30) as api, client_of(api, clock) as client:
        for now_s in (1000, 1026, 1027):
            clock.now_s = now_s
            notify(client)

    assert len(api.tokens) == 2


def test_a_refused_token_is_renewed_once_and_then_the_refusal_is_raised():
    refusal = problem(401, "invalid_token", retryable=False)
    with ScriptedApi([refusal, QUEUED]) as api, client_of(api, TestClock()) as client:
        assert notify(client) == "ntf_1"
        api.answers[:] = [refusal]
        with pytest.raises(Unauthorized):
            notify(client)

    assert len(api.tokens) == 3
    assert len(api.requests) == 4


def test_of_several_threads_with_a_refused_token_one_renews_it():
    answers = (Token(access_token=f"token_{n}", expires_in=3600, scope="") for n in range(9))
    tokens = Tokens(lambda: next(answers), lambda: 0.0)

    refused = tokens.current()
    assert [tokens.instead_of(refused) for _ in range(3)] == ["token_1"] * 3


def test_threads_share_one_token_and_keep_their_connections():
    ready = threading.Barrier(4)
    with ScriptedApi([QUEUED]) as api, client_of(api, TestClock()) as client:

        def work(_: int) -> None:
            ready.wait(10)
            for _ in range(5):
                notify(client)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, range(4)))

    assert len(api.tokens) == 1
    assert len(api.requests) == 20
    assert api.connections <= 5


def test_a_connection_that_the_server_ended_meanwhile_is_not_used():
    last = Answer(body={"status": "ok"}, ends=True)
    clock = TestClock()
    with ScriptedApi([last, HEALTH]) as api, client_of(api, clock) as client:
        client.get_health()
        wait_until(lambda: api.ended == 1)
        client.get_health()

    assert clock.waits == []


def test_an_event_that_is_sent_again_is_the_same_event():
    accepted = Answer(202, {"accepted": 1})
    with ScriptedApi([HANG_UP, accepted]) as api, client_of(api, TestClock()) as client:
        client.create_event(Event(name="page_viewed", user_id="u1"))

    assert api.requests[0].body == api.requests[1].body
    assert b'"event_id"' in api.requests[0].body
