"""The surroundings of a handler are those on Lambda."""

import gc
import os
from pathlib import Path

import psutil
import pytest

from tests.integration.host.invoker import Invoker, Peer


@pytest.mark.row("2.4")
def test_environments_share_one_import_and_a_layer_is_on_the_path(invoker: Invoker):
    host = invoker.start(environments=2)
    results = [invoker.accept().invoke("pid")["result"] for _ in range(2)]

    assert results[0]["pid"] != results[1]["pid"]
    assert [result["imported_by"] for result in results] == [host, host]
    assert results[0]["word"] == "layered"


def test_hooks_after_a_restore_run_in_every_environment_and_one_that_fails_stops_nobody(
    invoker: Invoker,
):
    invoker.start(environments=2)
    peers = [invoker.accept() for _ in range(2)]

    for peer in peers:
        assert peer.invoke("restored")["result"] == [peer.hello["pid"]]
    assert "fail_to_connect failed after the fork: not there yet" in invoker.log.read_text()


@pytest.mark.parametrize(
    ("line", "enabled", "allocations"),
    [
        ("", True, gc.get_threshold()[0]),
        ("gc.disable()", False, gc.get_threshold()[0]),
        ("gc.set_threshold(9)", True, 9),
    ],
)
def test_garbage_is_collected_as_the_import_has_it(
    tmp_path: Path, invoker: Invoker, line: str, enabled: bool, allocations: int
):
    asked = "[gc.isenabled(), gc.get_threshold()[0]]"
    (tmp_path / "code" / "helped.py").write_text(
        f"import gc\n{line}\n\ndef handler(event, context):\n    return {asked}\n"
    )
    invoker.start("Helped")

    assert invoker.accept().invoke("ask")["result"] == [enabled, allocations]


def test_an_environment_steps_back_behind_the_servers_it_calls(peer: Peer):
    assert psutil.Process(peer.hello["pid"]).nice() == min(19, os.nice(0) + 10)


@pytest.mark.row("2.15")
def test_the_environment_is_lambdas_and_the_hosts_own_variables_win(peer: Peer):
    names = [
        "GREETING",
        "OVERRIDDEN",
        "AWS_LAMBDA_FUNCTION_NAME",
        "_HANDLER",
        "TZ",
        "AWS_XRAY_SDK_ENABLED",
        "POWERTOOLS_TRACE_DISABLED",
    ]
    names += ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_REGION"]

    assert peer.invoke("environment", names=names)["result"] == {
        "GREETING": "hello",
        "OVERRIDDEN": "host",
        "AWS_LAMBDA_FUNCTION_NAME": "echo-function",
        "_HANDLER": "echo.handler",
        "TZ": ":UTC",
        "AWS_XRAY_SDK_ENABLED": "false",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_REGION": "eu-west-1",
    }


def test_opentelemetry_finds_this_machines_port_where_the_shell_names_a_collector(peer: Peer):
    """All goes on to the collector from there; a variable of the template stays."""
    of_exporter = ("ENDPOINT", "TRACES_ENDPOINT", "PROTOCOL")
    names = [*(f"OTEL_EXPORTER_OTLP_{name}" for name in of_exporter), "OTEL_SERVICE_NAME"]

    assert peer.invoke("environment", names=names)["result"] == {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "of-template",
    }


@pytest.mark.row("2.14")
def test_the_context_is_lambdas(peer: Peer):
    context = peer.invoke("context", within_s=10)["result"]

    assert 5_000 < context.pop("remaining") <= 10_000
    assert context == {
        "id": "request-1",
        "name": "echo-function",
        "memory": "256",
        "arn": "arn:aws:lambda:eu-west-1:000000000000:function:echo-function",
        "trace": "Root=1-2-3",
    }


@pytest.mark.row("2.14")
def test_the_remaining_time_is_never_negative(peer: Peer):
    assert peer.invoke("late_remaining", within_s=0.3)["result"] == 0


@pytest.mark.row("2.5")
def test_a_handler_may_open_as_many_files_as_on_lambda(peer: Peer):
    assert peer.invoke("open_files")["result"] == 1024


@pytest.mark.row("2.9", "2.18")
def test_the_temporary_directory_outlives_the_process(invoker: Invoker):
    invoker.start(environments=2)
    first, other = invoker.accept(), invoker.accept()
    directory = first.invoke("temporary")["result"]
    first.ask("hang", within_s=0.1)
    successor = invoker.accept()

    assert successor.invoke("temporary")["result"] == directory
    assert other.invoke("temporary")["result"] != directory
