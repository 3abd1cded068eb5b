"""The same functions by our own transport, by AWS's runtime client and by a custom runtime."""

import base64
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.conftest import wait_until
from tests.integration.gateway_process import GatewayProcess
from tests.integration.invoke.test_synchronous import invoke

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {CodeUri: functions/, Runtime: python3.13, Handler: does.handler, Timeout: 1}
Resources:
  Ours:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: ours}
  Theirs:
    Type: AWS::Serverless::Function
    Metadata: {Spillway: {RuntimeClient: awslambdaric}}
    Properties: {FunctionName: theirs}
  TheirsBroken:
    Type: AWS::Serverless::Function
    Metadata: {Spillway: {RuntimeClient: awslambdaric}}
    Properties: {Handler: broken.handler}
  OursBroken:
    Type: AWS::Serverless::Function
    Properties: {Handler: broken.handler}
  Shell:
    Type: AWS::Serverless::Function
    Properties: {Runtime: provided.al2023, Handler: anything}
"""
HANDLER = """
import decimal, logging, os, time

served = 0

def echo(event, context):
    return event

def count(event, context):
    global served
    served += 1
    return served

def say(event, context):
    print("said", event["word"])
    logging.getLogger("shop").warning("low on %s", event["word"])
    logging.getLogger("shop").info("not said")

def fail(event, context):
    raise ValueError("no such thing")

def deep(event, context):
    def inner():
        return {}["missing"]
    return inner()

def leave(event, context):
    os._exit(3)

def pid(event, context):
    return os.getpid()

def hang(event, context):
    time.sleep(60)

def returned(event, context):
    return {
        "decimal": lambda: {"whole": decimal.Decimal("12"), "part": decimal.Decimal("1.5")},
        "none": lambda: None,
        "text": lambda: "ä ☂",
        "object": object,
        "large": lambda: "x" * 6_291_555,
    }[event["kind"]]()

def about(event, context):
    remaining = context.get_remaining_time_in_millis()
    return {
        "id": len(context.aws_request_id),
        "version": context.function_version,
        "memory": context.memory_limit_in_mb,
        "arn": context.invoked_function_arn.rpartition(":")[0],
        "group": context.log_group_name.rpartition("/")[0],
        "stream": bool(context.log_stream_name),
        "identity": [context.identity.cognito_identity_id],
        "client": context.client_context and context.client_context.custom,
        "tenant": context.tenant_id,
        "remaining": isinstance(remaining, int) and 0 < remaining <= 2000,
    }

def variables(event, context):
    return {name: os.environ.get(name) for name in event["names"]}

def handler(event, context):
    return globals()[event["do"]](event, context)
"""
BOOTSTRAP = f"""#!{sys.executable}
import http.client, os

api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
root = "/2018-06-01/runtime/invocation"

def ask(method, path, body=None):
    api.request(method, root + path, body)
    answer = api.getresponse()
    return answer.status, answer.headers, answer.read()

while True:
    _, headers, event = ask("GET", "/next")
    request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    refused, _, _ = ask("POST", "/nobody/response", b'"not mine"')
    result = b'{{"event": %b, "refused": %d}}' % (event, refused)
    assert ask("POST", "/" + request_id + "/response", result)[0] == 202
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("clients")
    (folder / "functions").mkdir()
    (folder / "functions" / "does.py").write_text(HANDLER)
    (folder / "functions" / "broken.py").write_text("import there_is_no_such_module\n")
    bootstrap = folder / "functions" / "bootstrap"
    bootstrap.write_text(BOOTSTRAP)
    bootstrap.chmod(0o755)
    with GatewayProcess(folder, TEMPLATE) as gateway:
        yield gateway


def answer(client: Any, function: str, event: Any, **options: Any) -> tuple[Any, Any]:
    """Return the answer of Invoke, without what differs from event to event."""
    result = client.invoke(FunctionName=function, Payload=json.dumps(event), **options)
    text = result["Payload"].read().decode()
    request_id = result["ResponseMetadata"]["RequestId"]
    return result.get("FunctionError"), json.loads(text.replace(request_id, "ID"))


@pytest.mark.row("2.10", "2.11", "2.13", "2.22")
@pytest.mark.parametrize(
    "event",
    [
        {"do": "echo", "text": "ü ☂", "deep": [{"a": None}, 1.5, True]},
        {"do": "fail"},
        {"do": "deep"},
        {"do": "missing"},
        {"do": "returned", "kind": "decimal"},
        {"do": "returned", "kind": "none"},
        {"do": "returned", "kind": "text"},
        {"do": "returned", "kind": "large"},
        {"do": "leave"},
        {"do": "hang"},
    ],
)
def test_both_transports_answer_the_same(client: Any, event: Any):
    assert answer(client, "Ours", event) == answer(client, "Theirs", event)


@pytest.mark.row("2.13", "2.22")
def test_both_refuse_what_is_no_json(client: Any):
    ours = answer(client, "Ours", {"do": "returned", "kind": "object"})
    theirs = answer(client, "Theirs", {"do": "returned", "kind": "object"})

    assert ours[1]["errorType"] == theirs[1]["errorType"] == "Runtime.MarshalError"


@pytest.mark.row("2.7", "2.22")
def test_both_tell_of_a_failed_import_in_the_same_words(client: Any):
    ours, theirs = answer(client, "OursBroken", {}), answer(client, "TheirsBroken", {})

    assert ours == theirs
    assert ours[1]["errorType"] == "Runtime.ImportModuleError"


@pytest.mark.row("2.14", "2.22")
def test_the_context_is_the_same(client: Any):
    about = base64.b64encode(b'{"custom": {"shelf": 3}}').decode()

    ours = answer(client, "Ours", {"do": "about"}, ClientContext=about)

    assert ours == answer(client, "Theirs", {"do": "about"}, ClientContext=about)
    assert ours[1]["client"] == {"shelf": 3}
    assert answer(client, "Ours", {"do": "about"}) == answer(client, "Theirs", {"do": "about"})


@pytest.mark.row("2.15", "2.22")
def test_the_variables_are_the_same(client: Any):
    names = ["_HANDLER", "TZ", "LANG", "AWS_REGION", "AWS_DEFAULT_REGION", "LAMBDA_TASK_ROOT"]
    names += [f"AWS_LAMBDA_FUNCTION_{name}" for name in ("VERSION", "MEMORY_SIZE")]
    names += ["AWS_EXECUTION_ENV", "AWS_LAMBDA_INITIALIZATION_TYPE"]
    event = {"do": "variables", "names": names}

    (_, ours), theirs = answer(client, "Ours", event), answer(client, "Theirs", event)

    assert (None, ours) == theirs
    assert None not in ours.values()
    assert ours["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_python3.")
    assert ours["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"


@pytest.mark.row("2.23")
def test_the_log_is_the_same_but_for_times_and_memory(client: Any):
    logs = []
    for function in ("Ours", "Theirs"):
        invoke(client, function, do="echo")
        result = client.invoke(
            FunctionName=function, LogType="Tail", Payload=b'{"do": "say", "word": "hello"}'
        )
        text = base64.b64decode(result["LogResult"]).decode()
        text = text.replace(result["ResponseMetadata"]["RequestId"], "ID")
        text = re.sub(r"[0-9.]+ (ms|MB)", r"N \1", text)
        logs.append(re.sub(r"\d{4}-\d\d-\d\dT[0-9:]{8}\.\d{3}Z", "TIME", text))

    assert logs[0] == logs[1]
    assert "said hello\n[WARNING]\tTIME\tID\tlow on hello\nEND" in logs[0]


@pytest.mark.row("2.22")
def test_the_client_stays_between_events(client: Any):
    first = invoke(client, "Theirs", do="count")

    assert invoke(client, "Theirs", do="count") == first + 1


@pytest.mark.row("2.22")
def test_a_custom_runtime_serves_its_events_by_the_runtime_api(client: Any):
    for number in range(2):
        assert invoke(client, "Shell", number=number) == {
            "event": {"number": number},
            "refused": 400,
        }


@pytest.mark.row("2.22")
def test_a_client_ends_with_its_environment(client: Any):
    pid = invoke(client, "Theirs", do="pid")

    assert answer(client, "Theirs", {"do": "hang"})[0] == "Unhandled"

    wait_until(lambda: not psutil.pid_exists(pid))
    assert invoke(client, "Theirs", do="count") == 1
