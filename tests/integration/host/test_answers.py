"""Events in, answers out: results, errors and what was printed."""

import json
from typing import Any

import pytest

from tests.integration.host.invoker import Invoker, Peer

TRACEBACK = "Traceback (most recent call last):"


def test_an_environment_says_hello_and_answers_one_event_after_another(peer: Peer):
    first, second = peer.invoke("pid"), peer.invoke("pid")

    assert peer.hello["hello"] == 1
    assert peer.hello["function"] == "Echo"
    assert peer.hello["init_ms"] > 0
    assert first["id"] == "request-1"
    assert first["result"]["pid"] == second["result"]["pid"] == peer.hello["pid"]
    assert (first["result"]["served"], second["result"]["served"]) == (1, 2)
    assert first["duration_ms"] >= 0
    assert first["max_memory_mb"] > 1


def test_what_the_handler_prints_comes_with_its_answer_and_what_the_import_printed_does_not(
    peer: Peer, invoker: Invoker
):
    assert peer.invoke("say", word="one")["stdout"] == "said one\n"
    assert peer.invoke("pid")["stdout"] == ""
    assert peer.invoke("say", word="ü")["stdout"] == "said ü\n"
    assert "printed by the import" in invoker.log.read_text()


@pytest.mark.row("2.23")
def test_what_the_handler_writes_to_standard_error_or_a_child_prints_comes_with_its_answer(
    peer: Peer,
):
    first, second = peer.invoke("complain")["stdout"].splitlines()

    assert first == "complained"
    assert second.endswith("\trequest-1\tlogged")
    assert peer.invoke("say_in_child")["stdout"] == "said by a child\n"


@pytest.mark.row("2.23")
def test_with_json_logs_each_line_of_logging_and_an_error_is_an_object(invoker: Invoker):
    invoker.start("Structured")
    peer = invoker.accept()
    sold, order = map(json.loads, peer.invoke("log")["stdout"].splitlines())
    error = json.loads(peer.invoke("fail")["stdout"])
    variables = ["AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL"]

    assert sold.pop("timestamp").endswith("Z")
    assert sold == {
        "level": "DEBUG",
        "message": "sold 2",
        "logger": "shop",
        "requestId": "request-1",
        "to": "Ada",
    }
    assert (order["message"], order["errorType"]) == ({"order": 1}, "ZeroDivisionError")
    assert order["errorMessage"] == "division by zero"
    assert order["stackTrace"][0].startswith("  File ")
    assert ":log:" in order["location"]
    assert (error["level"], error["errorType"]) == ("ERROR", "ValueError")
    assert peer.invoke("environment", names=variables)["result"] == dict(
        zip(variables, ["JSON", "DEBUG"], strict=True)
    )


def test_what_an_event_printed_before_its_environment_ended_is_in_the_log(
    peer: Peer, invoker: Invoker
):
    peer.ask("say_and_hang", within_s=0.3)
    invoker.accept()

    assert "had printed:\nsaid before it hung\n" in invoker.log.read_text()
    assert invoker.log.read_text().count("said before it hung") == 1


def test_output_beyond_the_bound_is_cut_and_said_so(peer: Peer):
    printed = peer.invoke("flood")["stdout"]

    assert len(printed) < 300_000
    assert printed.endswith("more bytes of output were cut]\n")
    assert peer.invoke("say", word="after")["stdout"] == "said after\n"


@pytest.mark.row("2.13")
@pytest.mark.parametrize(
    ("kind", "result"),
    [
        ("decimal", {"whole": 12, "part": 1.5}),
        ("none", None),
        ("text", "ä ☂"),
        ("bytes", {"raw": True}),
    ],
)
def test_a_result_is_encoded_as_lambda_does(peer: Peer, kind: str, result: Any):
    assert peer.invoke("returned", kind=kind)["result"] == result


@pytest.mark.row("2.13")
@pytest.mark.parametrize(("kind", "text"), [("nan", "[1, NaN]"), ("no_json", "no json")])
def test_a_result_that_is_no_json_is_passed_on_as_lambdas_runtime_client_does(
    peer: Peer, kind: str, text: str
):
    answer = peer.invoke("returned", kind=kind)

    assert answer["not_json"] == text
    assert "result" not in answer


@pytest.mark.parametrize("kind", ["circle", "object", "date"])
def test_a_result_that_cannot_be_encoded_is_a_marshal_error_and_the_environment_lives_on(
    peer: Peer, kind: str
):
    answer = peer.invoke("returned", kind=kind)

    assert answer["error"]["errorType"] == "Runtime.MarshalError"
    assert "result" not in answer
    assert peer.invoke("pid")["result"]["served"] == 1


def test_a_result_over_six_megabytes_is_refused_with_lambdas_error(peer: Peer):
    error = peer.invoke("returned", kind="large")["error"]

    assert error == {
        "errorMessage": "Response payload size exceeded maximum allowed payload size"
        " (6291556 bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }


@pytest.mark.row("2.11", "2.23")
def test_an_exception_is_answered_with_its_trace_and_logged(peer: Peer, invoker: Invoker):
    answer = peer.invoke("fail")
    error = answer["error"]

    assert error["errorType"] == "ValueError"
    assert error["errorMessage"] == "no such thing"
    assert error["requestId"] == "request-1"
    assert error["stackTrace"][0].startswith(f'  File "{invoker.folder}/code/echo.py"')
    head, *trace = answer["stdout"].splitlines()
    assert (head, trace[0]) == ("[ERROR] ValueError: no such thing", TRACEBACK)


@pytest.mark.row("2.7")
def test_an_import_without_end_is_given_up_and_answered_as_a_time_out(invoker: Invoker):
    invoker.start("Hanging", 1, "--import-max-s", "0.1")

    error = invoker.accept().invoke("pid")["error"]

    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"] == "Task timed out after 1.00 seconds"
    assert "hanging.py" in invoker.log.read_text()


def test_a_handler_that_cannot_be_imported_fails_every_event_by_name(invoker: Invoker):
    invoker.start("Broken")
    peer = invoker.accept()
    errors = [peer.invoke("pid")["error"] for _ in range(2)]

    assert errors[0] == errors[1]
    assert errors[0]["errorType"] == "Runtime.ImportModuleError"
    assert "No module named 'there_is_no_such_module'" in errors[0]["errorMessage"]
    assert "Traceback" in invoker.log.read_text()
