"""Load runs on the console: kept reports, a run that is watched and stopped, a comparison."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from loadtest.witnesses import console
from loadtest.witnesses.api import Api
from local.machine import status
from local.machine.status import ProcessStatus, Status
from tests.conftest import wait_until
from tests.integration.console.client import OF_OTHER_SITES, ask, read
from tests.integration.gateway_process import GatewayProcess

ROOT = Path(__file__).parents[3]
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Jobs: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs}}
"""
# A project's own load test: it says what it was started with, and runs until it is stopped.
PROGRAM = """
import os, signal, sys, threading
over = threading.Event()
if sys.argv[1:2] == ["compare"]:
    print('{"notes": [], "rows": [], "names": "%s"}' % " ".join(sys.argv[3:]))
    sys.exit(0)
signal.signal(signal.SIGTERM, lambda *_: over.set())
names = ("PROFILE", "RATE", "DURATION", "TARGET", "CONSOLE", "PROVIDER")
print(*(f"{name}={os.environ.get(name, '-')}" for name in names), file=sys.stderr, flush=True)
print("<b>line</b>", file=sys.stderr, flush=True)
over.wait(60)
print("  report: reports/20261130T1-smoke/report.html", file=sys.stderr)
sys.exit(1)
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder: Path = tmp_path_factory.mktemp("loads")
    made(folder)
    gateway = GatewayProcess(folder, TEMPLATE, variables=without(os.environ, "REPORTS"))
    with gateway:
        supervised(gateway)
        yield gateway


def made(folder: Path) -> None:
    """Give a project a load test."""
    (folder / "loadtest" / "reports").mkdir(parents=True)
    (folder / "loadtest" / "__init__.py").touch()
    (folder / "loadtest" / "__main__.py").write_text(PROGRAM)


def without(variables: os._Environ[str], name: str) -> dict[str, str]:
    return {each: value for each, value in variables.items() if each != name}


def supervised(gateway: GatewayProcess) -> None:
    """Write what a supervisor writes about this gateway and a provider."""
    urls = {
        "gateway": " ".join(
            f"http://127.0.0.1:{each}" for each in (gateway.port, gateway.console_port)
        ),
        "provider": "smtp://127.0.0.1:1 http://127.0.0.1:2/charges",
    }
    processes = tuple(
        ProcessStatus(
            name=name, pid=0, created_at=0, state="running", restarts=0, address=url, started_at=""
        )
        for name, url in urls.items()
    )
    url = f"http://127.0.0.1:{gateway.port}"
    status.write(gateway.state, Status(phase="ready", url=url, processes=processes))


def reports(gateway: GatewayProcess) -> Path:
    return gateway.folder / "loadtest" / "reports"


def keep(gateway: GatewayProcess, name: str) -> Path:
    folder = reports(gateway) / name
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "loadtest" / "report-1k.json", folder / "report.json")
    (folder / "report.html").write_text("<!doctype html><title>A run</title>")
    return folder


def run(gateway: GatewayProcess) -> dict[str, Any]:
    answer = read(gateway, "/api/loads/run")
    return {**(answer["run"] or {}), "lines": answer["lines"]}


def test_kept_reports_are_listed_the_newest_first_and_a_broken_one_is_named(gateway):
    keep(gateway, "20261130T100000Z-1k")
    keep(gateway, "20261130T110000Z-1k")
    (keep(gateway, "20261130T120000Z-cut") / "report.json").write_text('{"verdict": "pas')
    (keep(gateway, "20261130T130000Z-other") / "report.json").write_text('{"verdict": []}')
    listed = read(gateway, "/api/loads")["reports"]
    one = read(gateway, "/api/loads/reports/20261130T110000Z-1k")

    assert [each["name"][9:] for each in listed] == [
        "130000Z-other",
        "120000Z-cut",
        "110000Z-1k",
        "100000Z-1k",
    ]
    assert [bool(each.get("trouble")) for each in listed] == [True, True, False, False]
    assert (listed[2]["verdict"], listed[2]["ok"], listed[2]["lost"]) == ("passed", 127_800, 0)
    assert len(one["seconds"]) > 100
    assert ask(gateway, "/api/loads/reports/20261130T120000Z-cut").status == 409
    assert ask(gateway, "/api/loads/reports/nothing").status == 404


def test_the_page_of_a_report_is_served_and_may_run_nothing(gateway):
    keep(gateway, "20261130T100000Z-1k")
    page = ask(gateway, "/loads/20261130T100000Z-1k/report.html")

    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_no_file_outside_the_reports_is_served(gateway, tmp_path):
    outside = gateway.folder / "outside"
    outside.mkdir(exist_ok=True)
    for name in ("report.html", "report.json"):
        (outside / name).write_text("secret")
    link = reports(gateway) / "link"
    link.unlink(missing_ok=True)
    link.symlink_to(outside)
    names = ("..%2foutside", "..%2f..%2foutside", "%2e%2e", "link", "outside%00", ".", "%2e")
    statuses = {name: ask(gateway, f"/loads/{name}/report.html").status for name in names}

    assert statuses == dict.fromkeys(names, 404)
    assert ask(gateway, "/api/loads/reports/..%2foutside").status == 404
    assert ask(gateway, "/api/loads/reports/link").status == 404


def test_a_run_is_started_with_the_addresses_of_the_system_watched_and_stopped(gateway):
    begun = ask(gateway, "/api/loads/start", {"rate": 20, "duration_s": 30})
    wait_until(lambda: "<b>line</b>" in run(gateway)["lines"])
    second = ask(gateway, "/api/loads/start", {})
    rest = read(gateway, "/api/loads/run?after=1")
    stopped = ask(gateway, "/api/loads/stop", {})
    wait_until(lambda: not run(gateway)["is_running"])
    ended = run(gateway)

    assert begun.json["run"]["title"] == "20 a second for 30 s"
    assert ended["lines"][0] == (
        f"PROFILE=- RATE=20 DURATION=30 TARGET=http://127.0.0.1:{gateway.port}"
        f" CONSOLE=http://127.0.0.1:{gateway.console_port} PROVIDER=http://127.0.0.1:2"
    )
    assert (second.status, "under way" in second.json["message"]) == (409, True)
    assert rest["lines"] == ["<b>line</b>"]
    assert stopped.json["run"]["is_stopped"]
    assert (ended["exit_code"], ended["report"]) == (1, "20261130T1-smoke")
    assert ask(gateway, "/api/loads/stop", {}).status == 409


@pytest.mark.parametrize(
    "body",
    [
        {"rate": 0, "duration_s": 10},
        {"rate": 2_001, "duration_s": 10},
        {"rate": 10},
        {"rate": 10, "duration_s": 601},
        {"rate": "10", "duration_s": 10},
        [],
    ],
)
def test_a_run_without_bounds_is_refused(gateway, body):
    assert ask(gateway, "/api/loads/start", body).status == 400


def test_two_reports_are_compared_by_the_load_test_itself(gateway):
    names = ["20261130T100000Z-1k", "20261130T110000Z-1k"]
    for name in names:
        keep(gateway, name)
    compared = ask(gateway, "/api/loads/compare", dict(zip("ab", names, strict=True)))
    unknown = ask(gateway, "/api/loads/compare", {"a": names[0], "b": "--page=x"})

    assert compared.json == {"notes": [], "rows": [], "names": " ".join(names)}
    assert unknown.status == 404


@pytest.mark.parametrize("action", ["start", "stop", "compare"])
def test_no_page_of_another_site_starts_or_stops_a_run(gateway, action):
    statuses = [
        ask(gateway, f"/api/loads/{action}", {}, headers).status for headers in OF_OTHER_SITES
    ]

    assert statuses == [403, 403, 403, 415]


def test_a_run_ends_with_a_gateway_that_is_killed(tmp_path):
    made(tmp_path)
    with GatewayProcess(tmp_path, TEMPLATE) as gateway:
        unsupervised = ask(gateway, "/api/loads/start", {})
        supervised(gateway)
        ask(gateway, "/api/loads/start", {})
        wait_until(lambda: "<b>line</b>" in run(gateway)["lines"])
        assert gateway.process is not None
        (child,) = psutil.Process(gateway.process.pid).children()
        gateway.kill()
        gone, alive = psutil.wait_procs([child], timeout=5)

    assert (unsupervised.status, "`up`" in unsupervised.json["message"]) == (409, True)
    assert (len(gone), alive) == (1, [])


def test_a_run_marks_its_begin_where_a_console_answers(gateway):
    here = Api(f"http://127.0.0.1:{gateway.console_port}")
    console.mark(here, "load 1k begins")
    console.mark(Api("http://127.0.0.1:9"), "nobody hears")
    console.mark(None, "nobody is there")
    here.close()

    assert [each["text"] for each in read(gateway, "/api/history")["marks"]] == ["load 1k begins"]
