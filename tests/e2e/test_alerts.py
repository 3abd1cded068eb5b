"""Debian's Prometheus on a running system: no alert of a healthy one, every panel with data.

An exemplar of a latency leads to its trace.
"""

import json
import math
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import free_port, wait_until
from tests.e2e.conftest import ROOT, System, key, log_in, own_system

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(300)]

OBSERVABILITY = ROOT / "local" / "observability"
ALERTS = OBSERVABILITY / "alerts.yml"
SCRAPED_EVERY_S = 2
RATE_INTERVAL = "20s"
LOAD = {"RATE": "20", "DURATION": "40"}
LOAD_WITHIN_S = 150  # with what the run waits for before and after
COULD_NOT_BEGIN = 2  # the exit code of the load run
HELD = 70  # notifications to one recipient, who gets sixty an hour
COMPARISON = re.compile(r"\s(?:[<>]|==)\s*[\d.]+$")


@dataclass(frozen=True)
class Prometheus:
    """A server that scrapes one system and evaluates the alerts."""

    address: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an expression now."""
        result: list[dict[str, Any]] = self._data("query", query=expression)["result"]
        return result

    def exemplars(self, metric: str, since_s: float) -> list[dict[str, str]]:
        """Return the labels of each exemplar that a metric got since then."""
        now_s = time.time()
        series = self._data("query_exemplars", query=metric, start=str(since_s), end=str(now_s))
        return [each["labels"] for one in series for each in one["exemplars"]]

    def _data(self, name: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.address}/api/v1/{name}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def alerts(self, state: str) -> set[str]:
        """Return the names of the alerts in this state."""
        samples = self.query(f'ALERTS{{alertstate="{state}"}}')
        return {each["metric"]["alertname"] for each in samples}

    def without_data(self, expressions: list[str]) -> list[str]:
        """Return the expressions that give nothing, or a NaN."""
        values = {
            each: [float(sample["value"][1]) for sample in self.query(each)] for each in expressions
        }
        return [
            each for each, numbers in values.items() if not numbers or any(map(math.isnan, numbers))
        ]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that nobody has asked anything yet."""
    with own_system(tmp_path_factory.mktemp("alerts")) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    config, port = folder / "prometheus.yml", free_port()
    config.write_text(yaml.safe_dump(_config(system)))
    command = [
        *(os.environ.get("PROMETHEUS", "prometheus"), f"--config.file={config}"),
        *(f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"),
        "--enable-feature=exemplar-storage",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    server = Prometheus(f"http://127.0.0.1:{port}")
    try:
        wait_until(lambda: _targets(server) == 6, 60)
        yield server
    finally:
        process.kill()
        process.wait()


def test_no_alert_fires_and_every_panel_has_data_before_the_first_request_and_under_load(
    system: System, prometheus: Prometheus, tmp_path: Path
):
    expressions = [*_measures(), *_panels()]
    wait_until(lambda: prometheus.without_data(expressions) == [], 60)
    demo = log_in(system.gateway, "demo", "demo-secret")
    for _ in range(HELD):
        assert demo.call("POST", "/v1/notifications", _notification(), key()).status == 202
    load = subprocess.run(
        [sys.executable, "-m", "loadtest"],
        env={**system.environment, **LOAD, **_addresses(system), "REPORTS": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LOAD_WITHIN_S,
        check=False,
    )

    assert load.returncode != COULD_NOT_BEGIN, load.stderr  # how fast it was is another matter
    assert prometheus.without_data(expressions) == []
    wait_until(lambda: prometheus.alerts("pending") == set(), 60)
    assert prometheus.query('max_over_time(ALERTS{alertstate="firing"}[5m])') == []
    assert float(prometheus.query("sum(gateway_requests_total)")[0]["value"][1]) > 500


def test_an_exemplar_of_a_latency_leads_to_its_trace_in_the_system(
    system: System, prometheus: Prometheus
):
    began_s = time.time()
    assert log_in(system.gateway, "demo", "demo-secret").call("GET", "/v1/payments").status == 200
    metric = "gateway_request_duration_seconds_bucket"
    exemplars = wait_until(lambda: prometheus.exemplars(metric, began_s), 30)
    trace_id = exemplars[-1]["trace_id"]
    with urllib.request.urlopen(f"{system.console}/api/traces/{trace_id}", timeout=10) as answer:
        trace = json.load(answer)

    assert trace["id"] == trace_id
    assert trace["trace_spans"][0]["service"] == "gateway"


def _config(system: System) -> dict[str, Any]:
    workers = [value for name, value in system.environment.items() if name.startswith("WORKER_")]
    jobs = {
        "gateway": [system.console.removeprefix("http://")],
        "worker": [f"127.0.0.1:{port}" for port in workers],
    }
    every = f"{SCRAPED_EVERY_S}s"
    return {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": targets}]}
            for name, targets in jobs.items()
        ],
    }


def _targets(server: Prometheus) -> int:
    try:
        return len(server.query("up == 1"))
    except OSError:
        return 0


def _measures() -> list[str]:
    """Return what each alert compares with its threshold."""
    rules = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    measures = [COMPARISON.sub("", rule["expr"]) for rule in rules]
    assert all(measure != rule["expr"] for measure, rule in zip(measures, rules, strict=True))
    return measures


def _panels() -> list[str]:
    return [
        target["expr"].replace("$__rate_interval", RATE_INTERVAL)
        for path in sorted((OBSERVABILITY / "dashboards").glob("*.json"))
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
    ]


def _notification() -> dict[str, Any]:
    return {
        "channel": "email",
        "to": "often@example.com",
        "template": "welcome",
        "variables": {"name": "A"},
    }


def _addresses(system: System) -> dict[str, str]:
    return {
        "TARGET": system.gateway,
        "CONSOLE": system.console,
        "PROVIDER": system.provider,
        "MAILBOX": system.mailbox,
    }
