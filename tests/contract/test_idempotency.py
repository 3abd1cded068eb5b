"""Idempotency on a real Valkey: replays, claims and their deadlines, stale writers, bounds."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
import redis

from backend import idempotency
from backend.errors import InvalidRequest, Unavailable
from backend.idempotency import Claim, Replayed, idempotent
from tests.conftest import wait_until

Server = Any  # redis-py types its answers as bytes or text, whatever decode_responses says
NOBODY = "redis://127.0.0.1:1/0"
CLAIM = Claim(tenant="demo", key="k-1", fingerprint="sha of the body")


@dataclass
class Deadline:
    remaining_ms: int = 3000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


@dataclass
class Operation:
    """An operation that counts its runs and does, inside the first, what a test wants."""

    redis_url: str
    name: str = "POST /v1/payments"
    during: list[Any] = field(default_factory=list)
    slots: int = idempotency.SLOTS
    runs: int = 0

    def __post_init__(self) -> None:
        decorate = idempotent(self.name, redis_url=self.redis_url, slots=self.slots)
        self.call = decorate(self._run)

    def _run(self, *, claim: Claim, amount: int = 100, note: str = "") -> dict[str, Any]:
        self.runs += 1
        run = self.runs
        if self.during:
            self.during.pop(0)()
        answer = {"id": f"pay_{claim.key}", "run": run, "amount": amount}
        return answer | {"note": note} if note else answer


@pytest.fixture
def server(valkey: str) -> Iterator[Server]:
    with redis.Redis.from_url(valkey, decode_responses=True) as client:
        yield client
        client.config_set("maxmemory", 0)
        client.acl_setuser("default", enabled=True, nopass=True, categories=["+@all"])


@pytest.fixture
def deadline() -> Deadline:
    deadline = Deadline()
    idempotency.register(deadline)
    return deadline


@pytest.fixture
def operation(valkey: str, deadline: Deadline) -> Operation:
    return Operation(valkey)


def pass_the_deadline(server: Server) -> None:
    (record,) = server.keys("idempotency:*")
    server.hset(record, "until", 1)


def evalsha_calls(server: Server) -> int:
    return int(server.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))


def test_a_repeat_with_the_same_payload_gets_the_first_answer(operation: Operation):
    first = operation.call(claim=CLAIM)
    second = operation.call(claim=CLAIM)
    third = operation.call(claim=CLAIM)

    assert operation.runs == 1
    assert first == second == third == {"id": "pay_k-1", "run": 1, "amount": 100}
    assert [isinstance(answer, Replayed) for answer in (first, second, third)] == [
        False,
        True,
        True,
    ]


def test_a_repeat_with_another_payload_is_refused(operation: Operation):
    operation.call(claim=CLAIM)
    other = Claim(tenant="demo", key="k-1", fingerprint="sha of another body")
    with pytest.raises(InvalidRequest) as refused:
        operation.call(claim=other)

    assert refused.value.code == "idempotency_key_reused"
    assert operation.runs == 1


def test_another_payload_is_refused_also_while_the_first_is_in_progress(operation: Operation):
    other = Claim(tenant="demo", key="k-1", fingerprint="sha of another body")
    errors: list[str] = []

    def call_again() -> None:
        with pytest.raises(InvalidRequest) as refused:
            operation.call(claim=other)
        errors.append(refused.value.code)

    operation.during.append(call_again)
    operation.call(claim=CLAIM)

    assert errors == ["idempotency_key_reused"]


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        (Claim(tenant="other", key="k-1", fingerprint=CLAIM.fingerprint), "POST /v1/payments"),
        (Claim(tenant="demo", key="k-2", fingerprint=CLAIM.fingerprint), "POST /v1/payments"),
        (Claim(tenant="demo,k", key="-1", fingerprint=CLAIM.fingerprint), "POST /v1/payments"),
        (CLAIM, "POST /v1/notifications"),
    ],
)
def test_keys_are_apart_by_tenant_key_and_operation(
    valkey: str, operation: Operation, claim: Claim, name: str
):
    operation.call(claim=CLAIM)
    other = Operation(valkey, name=name)

    assert not isinstance(other.call(claim=claim), Replayed)


def test_a_claim_past_its_deadline_is_taken_over(valkey: str, server: Server, operation: Operation):
    second_process = Operation(valkey)
    answers: list[Any] = []

    def overtake() -> None:
        pass_the_deadline(server)
        answers.append(second_process.call(claim=CLAIM))

    operation.during.append(overtake)
    operation.call(claim=CLAIM)

    assert second_process.runs == 1
    assert not isinstance(answers[0], Replayed)


def test_the_answer_of_a_process_that_was_overtaken_does_not_count(
    valkey: str, server: Server, operation: Operation
):
    second_process = Operation(valkey)

    def overtake() -> None:
        pass_the_deadline(server)
        second_process.call(claim=CLAIM, amount=200)

    operation.during.append(overtake)
    late = operation.call(claim=CLAIM, amount=100)

    assert late["amount"] == 100
    assert Operation(valkey).call(claim=CLAIM)["amount"] == 200


def test_the_failure_of_a_process_that_was_overtaken_frees_nothing(
    valkey: str, server: Server, operation: Operation
):
    second_process = Operation(valkey)

    def overtake_and_fail() -> None:
        pass_the_deadline(server)
        second_process.call(claim=CLAIM)
        raise ValueError("too late")

    operation.during.append(overtake_and_fail)
    with pytest.raises(ValueError, match="too late"):
        operation.call(claim=CLAIM)

    assert isinstance(Operation(valkey).call(claim=CLAIM), Replayed)


def test_a_claim_is_held_for_the_rest_of_the_invocation_and_not_longer(
    server: Server, deadline: Deadline, operation: Operation
):
    deadline.remaining_ms = 2500
    lives_ms: list[int] = []

    def look() -> None:
        (record,) = server.keys("idempotency:*")
        seconds, micros = server.time()
        lives_ms.append(int(server.hget(record, "until")) - seconds * 1000 - micros // 1000)

    operation.during.append(look)
    operation.call(claim=CLAIM)

    assert 2000 < lives_ms[0] <= 2500


def test_without_a_deadline_powertools_says_so(valkey: str):
    idempotency.register(None)  # type: ignore[arg-type]

    with pytest.warns(UserWarning, match="register_lambda_context"):
        Operation(valkey).call(claim=CLAIM)


def test_a_failure_frees_the_key(operation: Operation):
    def fail() -> None:
        raise ValueError("declined by a bug")

    operation.during.append(fail)
    with pytest.raises(ValueError, match="declined by a bug"):
        operation.call(claim=CLAIM)

    assert operation.call(claim=CLAIM)["run"] == 2


def test_an_empty_key_is_a_bug_of_the_caller():
    with pytest.raises(ValueError, match="key"):
        Claim(tenant="demo", key="", fingerprint="")


def test_every_record_has_an_end(server: Server, operation: Operation):
    ends: list[int] = []
    operation.during.append(lambda: ends.append(server.ttl(*server.keys("idempotency:*"))))
    operation.call(claim=CLAIM)
    ends.append(server.ttl(*server.keys("idempotency:*")))

    assert all(0 < end <= idempotency.EXPIRES_AFTER_S for end in ends)


def test_a_new_key_is_two_scripts_and_a_replay_one(server: Server, operation: Operation):
    operation.call(claim=Claim(tenant="demo", key="first", fingerprint=""))
    before = evalsha_calls(server)
    operation.call(claim=CLAIM)
    new = evalsha_calls(server)
    operation.call(claim=CLAIM)

    assert (new - before, evalsha_calls(server) - new) == (2, 1)


def test_an_operation_runs_beside_one_in_progress(valkey: str, deadline: Deadline):
    first, second = (Operation(valkey) for _ in range(2))
    meanwhile: list[Any] = []
    first.during.append(lambda: meanwhile.append(second.call(claim=CLAIM)))
    first.call(claim=CLAIM)

    assert (first.runs, second.runs) == (1, 1)
    assert not isinstance(meanwhile[0], Replayed)


def test_without_a_cache_an_operation_runs(deadline: Deadline):
    operation = Operation(NOBODY)

    assert operation.call(claim=CLAIM)["run"] == 1
    assert operation.call(claim=CLAIM)["run"] == 2


def test_a_full_cache_is_no_cache_and_lets_claims_be_completed(
    valkey: str, server: Server, deadline: Deadline
):
    operation = Operation(valkey)
    operation.during.append(lambda: server.config_set("maxmemory", 1))
    operation.call(claim=CLAIM)
    while_full = operation.call(claim=Claim(tenant="demo", key="k-2", fingerprint=""))
    server.config_set("maxmemory", 0)

    assert while_full["run"] == 2
    assert isinstance(operation.call(claim=CLAIM), Replayed)


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(server: Server, operation: Operation):
    server.acl_log_reset()
    operation.during.append(lambda: server.acl_setuser("default", commands=["-eval"]))
    answer = operation.call(claim=CLAIM)
    wait_until(lambda: bool(server.acl_log()))  # nobody waits for that command
    server.acl_setuser("default", enabled=True, nopass=True, categories=["+@all"])

    assert answer["run"] == 1
    assert operation.call(claim=CLAIM)["run"] == 2


def test_a_failure_that_cannot_be_recorded_is_still_the_function_s_own(
    server: Server, operation: Operation
):
    def fail_without_cache() -> None:
        server.acl_setuser("default", commands=["-evalsha"])
        raise ValueError("declined by a bug")

    operation.during.append(fail_without_cache)
    with pytest.raises(ValueError, match="declined by a bug"):
        operation.call(claim=CLAIM)


def test_a_record_that_is_gone_is_not_brought_back_by_its_answer(
    server: Server, operation: Operation
):
    operation.during.append(server.flushall)
    operation.call(claim=CLAIM)

    assert operation.call(claim=CLAIM)["run"] == 2


def test_the_function_s_own_unavailability_is_not_mistaken_for_the_cache_s(
    valkey: str, deadline: Deadline
):
    operation = Operation(valkey)

    def store_is_away() -> None:
        raise Unavailable("the store")

    operation.during.append(store_is_away)
    with pytest.raises(Unavailable, match="the store"):
        operation.call(claim=CLAIM)

    assert operation.runs == 1


def _claims(count: int) -> list[Claim]:
    return [Claim(tenant="demo", key=f"k-{each}", fingerprint="f" * 64) for each in range(count)]


def test_a_large_answer_is_not_kept_and_still_known_by_its_fingerprint(
    server: Server, operation: Operation
):
    note = "\U0001f600" * idempotency.ANSWER_BYTES_MAX
    first = operation.call(claim=CLAIM, note=note)
    again = operation.call(claim=CLAIM, note=note)

    assert (first["run"], again["run"]) == (1, 2)
    assert isinstance(operation.call(claim=CLAIM, note="x"), Replayed) is False
    (record,) = server.keys("idempotency:*")
    assert server.memory_usage(record) < idempotency.RECORD_BYTES_MAX
    with pytest.raises(InvalidRequest):
        operation.call(claim=Claim(tenant="demo", key="k-1", fingerprint="another"), note=note)


def test_the_cache_holds_no_more_records_than_slots_and_the_newest_of_each(
    valkey: str, server: Server, deadline: Deadline
):
    operation = Operation(valkey, slots=8)
    answers = [operation.call(claim=each) for each in _claims(100)]

    records = server.keys("idempotency:*")
    again = operation.call(claim=_claims(100)[-1])
    assert len(records) <= 8
    assert again == answers[-1]
    assert isinstance(again, Replayed)


def test_no_record_is_larger_than_its_bound(server: Server, operation: Operation):
    around = len(msgspec.json.encode({"id": "pay_k-0", "run": 1, "amount": 100, "note": ""}))
    longest = idempotency.ANSWER_BYTES_MAX - around - 10
    for each in _claims(3):
        operation.call(claim=each, note="x" * longest)

    assert isinstance(operation.call(claim=_claims(3)[0]), Replayed)
    sizes = [server.memory_usage(each) for each in server.keys("idempotency:*")]
    assert 0 < max(sizes) <= idempotency.RECORD_BYTES_MAX


def test_a_key_that_evicts_one_in_progress_takes_nothing_from_it(
    valkey: str, server: Server, deadline: Deadline, caplog: pytest.LogCaptureFixture
):
    first, second = (Operation(valkey, slots=1) for _ in range(2))
    other = Claim(tenant="other", key="k-1", fingerprint="")
    first.during.append(lambda: second.call(claim=other))
    answer = first.call(claim=CLAIM)

    assert answer["run"] == 1
    assert isinstance(second.call(claim=other), Replayed)
