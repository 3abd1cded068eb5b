"""Events that nobody waits for: kept, run, retried, given up, and told of."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from botocore.exceptions import ClientError

from local.lambda_service.event_store import QUEUE
from redis_sqs import Message, Typed
from redis_sqs.redis_queue import RedisQueue
from tests.conftest import wait_until
from tests.integration.gateway_process import GatewayProcess
from tests.integration.invoke.conftest import client_of, gateway_before

RETRY_S = 1  # and twice as long before the second


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey_server: str
) -> Iterator[GatewayProcess]:
    with redis.Redis.from_url(valkey_server) as server:
        server.flushall()
    folder, retry = tmp_path_factory.mktemp("invoke"), f"--async-retry-s={RETRY_S}"
    with gateway_before(folder, retry, redis_url=valkey_server) as gateway:
        yield gateway


def send(client: Any, function: str, **event: Any) -> str:
    """Invoke without waiting; returns the request's id."""
    answer = client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event))
    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""
    return str(answer["ResponseMetadata"]["RequestId"])


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def received(queue: str, url: str) -> Message:
    messages = wait_until(lambda: RedisQueue(queue, redis_url=url).receive())
    RedisQueue(queue, redis_url=url).delete([messages[0].receipt_handle])
    return messages[0]


@pytest.mark.row("2.19", "2.21")
def test_an_event_is_run_once_and_its_destination_is_told(client: Any, tmp_path: Path):
    witness = tmp_path / "witness"

    request_id = send(client, "Told", witness=str(witness), a=1)

    wait_until(lambda: witness.exists() and witness.read_text())
    record = json.loads(witness.read_text())
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": "arn:aws:lambda:eu-west-1:000000000000:function:Told:$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"witness": str(witness), "a": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"witness": str(witness), "a": 1},
    }


@pytest.mark.row("2.21")
def test_a_record_that_is_too_large_is_dropped_and_the_event_is_not_run_again(
    client: Any, gateway: GatewayProcess, tmp_path: Path
):
    witness = tmp_path / "witness"

    send(client, "Told", witness=str(witness), text="x" * 600_000)

    untold = "Lambda Witness is not told: a message is at most 1048576 bytes"
    wait_until(lambda: untold in (gateway.folder / "stderr").read_text())
    assert not witness.exists()


@pytest.mark.row("2.6")
def test_an_event_of_the_largest_size_is_kept_with_what_its_caller_says(client: Any):
    about = base64.b64encode(json.dumps({"custom": "ü" * 1000}, ensure_ascii=False).encode())
    event = b'"%b"' % (b"x" * (1_047_552 - len(about) - 2))

    answer = client.invoke(
        FunctionName="Do", InvocationType="Event", Payload=event, ClientContext=about.decode()
    )

    assert answer["StatusCode"] == 202


@pytest.mark.row("2.19", "2.20", "2.21")
def test_an_event_of_characters_that_no_queue_takes_is_run_and_told_as_it_is(
    client: Any, tmp_path: Path
):
    witness, event = tmp_path / "witness", {"text": "\uffff\x00"}
    payload = json.dumps({**event, "witness": str(witness)}, ensure_ascii=False).encode()

    answer = client.invoke(FunctionName="Told", InvocationType="Event", Payload=payload)

    assert answer["StatusCode"] == 202
    wait_until(lambda: witness.exists() and witness.read_text())
    record = json.loads(witness.read_text())
    assert record["requestPayload"]["text"] == record["responsePayload"]["text"] == event["text"]


@pytest.mark.row("2.6")
def test_an_event_that_grows_too_large_to_be_kept_is_refused(client: Any):
    with pytest.raises(ClientError) as refused:
        client.invoke(
            FunctionName="Do", InvocationType="Event", Payload=f'"{chr(0xFFFF) * 200_000}"'
        )

    assert refused.value.response["Error"]["Code"] == "RequestTooLargeException"


@pytest.mark.row("2.19")
def test_a_message_that_is_no_event_is_dropped_and_stops_no_other(
    client: Any, gateway: GatewayProcess, tmp_path: Path, valkey_server: str
):
    runs = tmp_path / "runs"
    queue = RedisQueue(QUEUE, redis_url=valkey_server)
    queue.send_batch(["nonsense", '{"of": "another version"}\n{}'])

    request_id = send(client, "Do", do="remember", file=str(runs))

    wait_until(lambda: lines(runs) == [request_id])
    assert (gateway.folder / "stderr").read_text().count("is no event and is dropped") == 2


@pytest.mark.row("2.19", "2.20", "2.21")
def test_an_event_that_fails_is_run_three_times_and_then_told_as_dead(
    client: Any, tmp_path: Path, valkey_server: str
):
    runs = tmp_path / "runs"
    event = {"do": "fail", "file": str(runs)}
    began_s = time.monotonic()

    request_id = send(client, "Told", **event)
    failure = json.loads(received("Failures", valkey_server).body)
    dead = received("DeadLetters", valkey_server)

    assert time.monotonic() - began_s >= RETRY_S + 2 * RETRY_S
    assert lines(runs) == [request_id] * 3
    assert failure["requestContext"]["condition"] == "RetriesExhausted"
    assert failure["requestContext"]["approximateInvokeCount"] == 3
    assert failure["responseContext"]["functionError"] == "Unhandled"
    assert failure["responsePayload"]["errorMessage"] == "no such thing"
    assert json.loads(dead.body) == event
    assert dict(dead.attributes) == {
        "RequestID": request_id,
        "ErrorCode": Typed("Number", "200"),
        "ErrorMessage": "no such thing",
    }


@pytest.mark.row("2.19")
def test_a_function_may_forgo_retries(client: Any, tmp_path: Path, gateway: GatewayProcess):
    runs = tmp_path / "runs"

    request_id = send(client, "Once", do="fail", file=str(runs))

    given_up = f"the event {request_id} is given up: RetriesExhausted"
    wait_until(lambda: given_up in (gateway.folder / "stderr").read_text())
    assert lines(runs) == [request_id]


@pytest.mark.row("2.21")
def test_an_event_for_a_function_that_is_switched_off_is_given_up_at_once(
    client: Any, valkey_server: str
):
    send(client, "Shut")

    record = json.loads(received("Failures", valkey_server).body)
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responsePayload" not in record


@pytest.mark.row("2.19", "2.21")
def test_an_event_that_is_too_old_is_given_up_and_not_run(client: Any, valkey_server: str):
    about = {"request_id": "old", "function": "Told", "accepted_s": time.time() - 21_601}
    RedisQueue(QUEUE, redis_url=valkey_server).send(f"{json.dumps(about)}\n{{}}")
    send(client, "Once")  # so that the gateway looks

    record = json.loads(received("Failures", valkey_server).body)
    received("DeadLetters", valkey_server)
    assert record["requestContext"]["requestId"] == "old"
    assert record["requestContext"]["condition"] == "EventAgeExceeded"


@pytest.mark.row("2.19")
def test_an_event_waits_for_concurrency(client: Any, tmp_path: Path, gateway: GatewayProcess):
    runs = tmp_path / "runs"
    throttles = 'gateway_throttles_total{function="Narrow"}'

    send(client, "Narrow", do="pid", s=1)
    wait_until(lambda: gateway.metric('gateway_environments{function="Narrow",state="busy"}') == 1)
    request_id = send(client, "Narrow", do="remember", file=str(runs))

    wait_until(lambda: lines(runs) == [request_id])
    assert gateway.metric(throttles) >= 1


@pytest.mark.row("2.19")
def test_events_that_are_throttled_again_and_again_wait_up_to_five_minutes_but_not_all_the_same(
    client: Any, gateway: GatewayProcess, valkey_server: str
):
    queue = RedisQueue(QUEUE, redis_url=valkey_server)
    about = {"function": "Narrow", "accepted_s": time.time(), "throttles": 20}
    send(client, "Narrow", do="pid", s=2)
    wait_until(lambda: gateway.metric('gateway_environments{function="Narrow",state="busy"}') == 1)

    queue.send_batch([json.dumps({**about, "request_id": str(n)}) + "\n{}" for n in range(5)])
    wait_until(lambda: queue.depth().delayed == 5)

    with redis.Redis.from_url(valkey_server) as server:
        delayed = server.zrange(f"queue:{QUEUE}:delayed", 0, -1, withscores=True)
    queue.purge()
    waits_s = [round(at_ms / 1000 - time.time()) for _, at_ms in delayed]
    assert all(140 < wait_s <= 300 for wait_s in waits_s)
    assert len(set(waits_s)) > 1


@pytest.mark.row("2.19")
def test_an_event_outlives_the_gateway_that_accepted_it(tmp_path: Path, valkey: str):
    runs = tmp_path / "runs"
    retry = f"--async-retry-s={RETRY_S}"
    with gateway_before(tmp_path, retry, redis_url=valkey) as gateway:
        with client_of(gateway) as client:
            request_id = send(client, "Twice", do="fail", file=str(runs))
        wait_until(lambda: lines(runs))
        gateway.kill()
        with gateway:
            wait_until(lambda: lines(runs) == [request_id] * 2)


def test_without_a_redis_an_event_is_refused(tmp_path: Path):
    with (
        gateway_before(tmp_path) as gateway,
        client_of(gateway) as client,
        pytest.raises(ClientError, match="set REDIS_URL") as refused,
    ):
        send(client, "Told")

    assert refused.value.response["Error"]["Code"] == "ServiceException"
