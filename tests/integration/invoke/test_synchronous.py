"""boto3's `invoke` is answered as Lambda answers it."""

import base64
import contextlib
import http.client
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import wait_until
from tests.integration.gateway_process import ROOT, GatewayProcess
from tests.integration.invoke.function import TEMPLATE

INVOKE = "/2015-03-31/functions/Do/invocations"


def invoke(client: Any, function: str, **event: Any) -> Any:
    """Return what the function returned, or Lambda's error object."""
    answer = client.invoke(FunctionName=function, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def refusal(client: Any, **request: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as refused:
        client.invoke(**request)
    response = refused.value.response
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status, response["Error"]["Code"], response["Error"]["Message"]


def arn(name: str) -> str:
    return f"arn:aws:lambda:eu-west-1:000000000000:function:{name}"


def test_a_function_that_nothing_hosts_is_started_by_its_first_event(client: Any):
    answer = client.invoke(FunctionName="Do", Payload=b'{"a": [1, "\\u00fc"]}')

    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read()) == {"a": [1, "ü"]}


@pytest.mark.parametrize(
    "name",
    [
        "Two",
        "two-at-a-time",
        "two-at-a-time:$LATEST",
        arn("two-at-a-time"),
        "000000000000:function:Two",
        "000000000000:Two",
        "function:Two",
        "eu-west-1:000000000000:function:Two:$LATEST",
    ],
)
def test_a_function_is_known_by_name_by_arn_and_by_logical_id(client: Any, name: str):
    assert invoke(client, name, do="say", word="here") == "here"


@pytest.mark.row("2.13")
@pytest.mark.parametrize(
    ("event", "result"),
    [
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("1" + "0" * 400, "1" + "0" * 400),
        ('{"deep":[100000000000000000000000000001]}', '{"deep":[100000000000000000000000000001]}'),
        ("[1.0,1e2,-0.0,1E+16]", "[1.0,100.0,-0.0,1e+16]"),
        ("1e400", "Infinity"),
        ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'),
    ],
)
def test_an_event_is_read_and_a_result_is_written_as_pythons_json_does(
    client: Any, event: str, result: str
):
    answer = client.invoke(FunctionName="Do", Payload=event)

    assert answer["Payload"].read().decode() == result


def test_an_event_may_hold_a_lone_surrogate(client: Any):
    answer = client.invoke(FunctionName="Do", Payload=b'{"do": "characters", "text": "\\ud800"}')

    assert json.loads(answer["Payload"].read()) == [0xD800]


def test_an_event_is_nested_as_deep_as_the_clients_reader_goes(client: Any):
    event = b'{"do": "say", "word": 1, "deep": %b}' % (b"[" * 1000 + b"]" * 1000)

    assert client.invoke(FunctionName="Do", Payload=event)["Payload"].read() == b"1"


@pytest.mark.parametrize("event", ["NaN", "[Infinity]", "1" * 5000, "[" * 100_000, '{"a":1}x'])
def test_what_is_no_json_beyond_python_is_400(client: Any, event: str):
    _, code, _ = refusal(client, FunctionName="Do", Payload=event)

    assert code == "InvalidRequestContentException"


@pytest.mark.row("2.13")
def test_a_result_that_is_no_json_is_answered_as_it_is(client: Any):
    answer = client.invoke(FunctionName="Do", Payload=b'{"do": "nan"}')

    assert answer["Payload"].read() == b'{"seen": NaN}'
    assert "FunctionError" not in answer


def test_no_payload_is_an_empty_event(client: Any):
    assert json.loads(client.invoke(FunctionName="Do")["Payload"].read()) == {}


@pytest.mark.row("2.13")
def test_none_is_answered_as_null(client: Any):
    answer = client.invoke(FunctionName="Do", Payload=b'{"do": "sleep", "s": 0}')

    assert answer["Payload"].read() == b"null"


@pytest.mark.row("2.1", "2.4", "2.25")
def test_two_environments_serve_four_events_in_twice_the_time_of_one(client: Any):
    invoke(client, "Two")
    with ThreadPoolExecutor(4) as callers:
        began_s = time.monotonic()
        calls = [callers.submit(invoke, client, "Two", do="pid", s=0.3) for _ in range(4)]
        pids = {call.result()["pid"] for call in calls}

    assert 0.6 <= time.monotonic() - began_s < 1.1
    assert len(pids) == 2


@pytest.mark.row("2.11")
def test_a_handler_that_raises_is_a_function_error_with_its_trace(client: Any):
    answer = client.invoke(FunctionName="Do", Payload=b'{"do": "fail"}')
    error = json.loads(answer["Payload"].read())

    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert error["errorType"] == "ValueError"
    assert error["errorMessage"] == "no such thing"
    assert error["requestId"] == answer["ResponseMetadata"]["RequestId"]
    assert error["stackTrace"][-1].endswith('in fail\n    raise ValueError("no such thing")\n')


@pytest.mark.row("2.7")
def test_a_function_that_cannot_be_imported_fails_every_call_and_its_log_says_why(
    client: Any, gateway: GatewayProcess
):
    errors = [invoke(client, "Broken") for _ in range(2)]

    assert {error["errorType"] for error in errors} == {"Runtime.ImportModuleError"}
    assert "Traceback" in (gateway.state / "logs" / "Broken.log").read_text()


@pytest.mark.row("2.8", "2.9")
def test_a_time_out_ends_the_process_and_keeps_its_temporary_directory(client: Any):
    first = invoke(client, "Do", do="pid")
    answer = client.invoke(FunctionName="Do", Payload=b'{"do": "sleep", "s": 30}')
    request_id = answer["ResponseMetadata"]["RequestId"]

    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert json.loads(answer["Payload"].read()) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds",
    }
    after = invoke(client, "Do", do="pid")
    assert after["pid"] != first["pid"]
    assert after["seen"] == 1
    assert after["tmp"] == first["tmp"]


@pytest.mark.row("2.10")
@pytest.mark.parametrize("how", ["leave", "crash"])
def test_a_process_that_ends_is_an_exit_error_and_is_replaced(client: Any, how: str):
    error = invoke(client, "Do", do=how)

    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Error: Runtime exited without providing a reason")
    assert invoke(client, "Do", do="pid")["seen"] == 1


@pytest.mark.row("2.6")
def test_a_result_over_six_megabytes_is_lambdas_error(client: Any):
    assert len(invoke(client, "Other", do="large", bytes=6_291_554)) == 6_291_554
    error = invoke(client, "Other", do="large", bytes=6_291_555)

    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert "(6291556 bytes)" in error["errorMessage"]


@pytest.mark.row("2.6")
@pytest.mark.parametrize(("kind", "most"), [("RequestResponse", 6_291_456), ("Event", 1_047_552)])
def test_an_event_over_the_limit_of_its_kind_is_413(client: Any, kind: str, most: int):
    event = b'"%b"' % (b"x" * (most - 1))

    status, code, _ = refusal(client, FunctionName="Do", InvocationType=kind, Payload=event)

    assert (status, code) == (413, "RequestTooLargeException")


@pytest.mark.row("2.12")
def test_an_event_that_is_no_json_is_400(client: Any):
    status, code, message = refusal(client, FunctionName="Do", Payload=b"{")

    assert (status, code) == (400, "InvalidRequestContentException")
    assert message.startswith("Could not parse request body into json: ")


@pytest.mark.parametrize("name", ["Nobody", "Do:7", arn("nobody")])
def test_no_such_function_or_version_is_404(client: Any, name: str):
    status, code, message = refusal(client, FunctionName=name)

    assert (status, code) == (404, "ResourceNotFoundException")
    assert message.startswith("Function not found: arn:aws:lambda:eu-west-1:000000000000:function:")


@pytest.mark.parametrize(
    ("request_", "constraint"),
    [
        ({"FunctionName": "Do!"}, "'Do!' at 'functionName'"),
        ({"FunctionName": "arn:aws:ec2:eu-west-1:000000000000:instance:i-1"}, "at 'functionName'"),
        ({"FunctionName": f"{arn('Do')}:1:2"}, "at 'functionName'"),
        ({"FunctionName": f"{arn('Do')}:$LATES"}, "at 'functionName'"),
        ({"FunctionName": "account:function:Do"}, "at 'functionName'"),
        ({"FunctionName": "Do", "Qualifier": "no!"}, "'no!' at 'qualifier'"),
        ({"FunctionName": "Do", "Qualifier": "a" * 129}, "less than or equal to 128"),
    ],
)
def test_a_name_or_a_qualifier_of_another_form_is_lambdas_validation_error(
    client: Any, request_: dict[str, str], constraint: str
):
    status, code, message = refusal(client, **request_)

    assert (status, code) == (400, "ValidationException")
    assert message.startswith("1 validation error detected: Value ")
    assert constraint in message


def test_a_dry_run_checks_and_runs_nothing(client: Any, tmp_path: Path):
    event = json.dumps({"do": "remember", "file": str(tmp_path / "ran")})

    answer = client.invoke(FunctionName="Do", InvocationType="DryRun", Payload=event)

    assert answer["StatusCode"] == 204
    assert refusal(client, FunctionName="Nobody", InvocationType="DryRun")[0] == 404
    invoke(client, "Do")
    assert not (tmp_path / "ran").exists()


@pytest.mark.row("2.23")
def test_the_tail_of_the_log_has_lambdas_lines_around_what_was_printed(client: Any):
    event = b'{"do": "say", "word": "hello"}'
    answer = client.invoke(FunctionName="Do", LogType="Tail", Payload=event)
    request_id = answer["ResponseMetadata"]["RequestId"]
    start, printed, end, report = base64.b64decode(answer["LogResult"]).decode().splitlines()

    assert start == f"START RequestId: {request_id} Version: $LATEST"
    assert printed == "hello"
    assert end == f"END RequestId: {request_id}"
    assert report.startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    assert "\tMemory Size: 256 MB\tMax Memory Used: " in report


def test_the_tail_of_the_log_has_four_kilobytes(client: Any):
    event = b'{"do": "flood", "mb": 1}'
    answer = client.invoke(FunctionName="Do", LogType="Tail", Payload=event)

    assert len(base64.b64decode(answer["LogResult"])) == 4096


@pytest.mark.row("2.23")
def test_a_time_out_stands_in_the_functions_log(client: Any, gateway: GatewayProcess):
    client.invoke(FunctionName="Do", Payload=b'{"do": "sleep", "s": 30}')
    log = gateway.state / "logs" / "functions" / "Do.log"

    wait_until(lambda: log.exists() and "Task timed out after 1.00 seconds\nEND" in log.read_text())


@pytest.mark.row("2.14")
def test_the_context_has_what_the_caller_says_of_itself(client: Any):
    about = {"client": {"app_title": "shop"}, "custom": {"shelf": 3}}
    encoded = base64.b64encode(json.dumps(about).encode()).decode()

    answer = client.invoke(
        FunctionName="Do", ClientContext=encoded, Payload=b'{"do": "who_called"}'
    )

    assert json.loads(answer["Payload"].read()) == {"custom": {"shelf": 3}, "app": "shop"}


@pytest.mark.row("2.5")
@pytest.mark.parametrize("context", ["e30", "\u00fc", "bm8=", "W10="])
def test_a_client_context_that_is_none_is_400(gateway: GatewayProcess, context: str):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.invoke_port, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", INVOKE, b"{}", {"X-Amz-Client-Context": context})
        answer = connection.getresponse()

    assert answer.status == 400
    assert answer.headers["x-amzn-ErrorType"] == "InvalidParameterValueException"


def test_what_the_template_leaves_open_is_lambdas_default(client: Any):
    limits = invoke(client, "Plain", do="limits")

    assert limits["memory"] == "128"
    assert 2_000 < limits["remaining"] <= 3_000
    assert limits["files"] == 1024


@pytest.mark.row("2.2")
def test_over_its_reserved_concurrency_a_function_is_throttled(
    client: Any, gateway: GatewayProcess
):
    invoke(client, "Narrow")
    busy = 'gateway_environments{function="Narrow",state="busy"}'
    with ThreadPoolExecutor(1) as caller:
        narrow = caller.submit(invoke, client, "Narrow", do="pid", s=1)
        wait_until(lambda: gateway.metric(busy) == 1)
        with pytest.raises(ClientError) as throttled:
            client.invoke(FunctionName="Narrow")
        narrow.result()
    response: Any = throttled.value.response

    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert response["Error"]["Code"] == "TooManyRequestsException"
    assert response["Error"]["Message"] == "Rate Exceeded."
    assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert invoke(client, "Narrow", a=1) == {"a": 1}


@pytest.mark.row("2.2")
def test_a_reservation_of_none_switches_a_function_off(client: Any):
    assert refusal(client, FunctionName="Shut")[0] == 429


@pytest.mark.row("2.2")
def test_reservations_that_leave_the_account_too_little_are_refused_at_start(tmp_path: Path):
    (tmp_path / "functions").mkdir()
    template = TEMPLATE.replace("ConcurrentExecutions: 1,", "ConcurrentExecutions: 901,")
    gateway = GatewayProcess(tmp_path, template)
    done = subprocess.run(gateway.command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "Narrow: ReservedConcurrentExecutions: all reservations leave 99 of" in done.stderr


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"TenantId": "one"}, "TenantId of Invoke is not emulated"),
        ({"DurableExecutionName": "one"}, "DurableExecutionName of Invoke is not emulated"),
        ({"LogType": "Head"}, "'Head'"),
        ({"FunctionName": "Do:$LATEST", "Qualifier": "1"}, "The derived qualifier"),
    ],
)
def test_a_parameter_that_is_not_read_is_refused_by_name(
    client: Any, parameters: dict[str, str], sentence: str
):
    _, code, message = refusal(client, **{"FunctionName": "Do", **parameters})

    assert code == "InvalidParameterValueException"
    assert sentence in message


@pytest.mark.parametrize(
    ("method", "parameters", "operation"),
    [
        ("list_functions", {}, "ListFunctions"),
        ("get_function", {"FunctionName": "Do"}, "GetFunction"),
        ("list_tags", {"Resource": arn("Do")}, "ListTags"),
        ("invoke_with_response_stream", {"FunctionName": "Do"}, "InvokeWithResponseStream"),
    ],
)
def test_an_operation_that_is_not_emulated_is_refused_by_its_name(
    client: Any, method: str, parameters: dict[str, str], operation: str
):
    with pytest.raises(ClientError, match=f"{operation} is not emulated; only Invoke is"):
        getattr(client, method)(**parameters)
