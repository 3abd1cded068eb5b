"""Every metric that a panel or an alert names is one that the running system exports."""

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import wait_until
from tests.e2e.conftest import ROOT, Client, System, key

OBSERVABILITY = ROOT / "local" / "observability"
DASHBOARDS = sorted((OBSERVABILITY / "dashboards").glob("*.json"))
METRIC = re.compile(r"\b(?:gateway|worker|queue|process|spillway)_\w+")
DOMAINS = ("payments", "events", "notifications")
PAYMENT = {"amount": 1250, "currency": "EUR", "payment_method": "pm_card_visa"}
EVENT = {"name": "page_viewed"}
NOTICE = {
    "channel": "email",
    "to": "a@example.com",
    "template": "welcome",
    "variables": {"name": "A"},
}


@pytest.fixture(scope="module")
def exported(system: System, demo: Client) -> set[str]:
    """The names of all metrics, once everything has happened that they count."""
    demo.call("POST", "/v1/payments", PAYMENT, key())
    demo.call("POST", "/v1/analytics/events", EVENT)
    demo.call("POST", "/v1/notifications", NOTICE, key())
    wanted = {"worker_messages_total", *(f"spillway_{each}_accepted_total" for each in DOMAINS)}
    return wait_until(lambda: names if (names := _names(system)) >= wanted else set())


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_each_panel_shows_metrics_that_exist(dashboard: Path, exported: set[str]):
    panels = json.loads(dashboard.read_text())["panels"]
    named = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in METRIC.findall(_without_labels(target["expr"]))
    }

    assert named
    assert named <= exported


def test_each_alert_watches_metrics_that_exist(exported: set[str]):
    named = {name for rule in _rules() for name in METRIC.findall(_without_labels(rule["expr"]))}

    assert named
    assert named <= exported


def test_each_alert_says_what_is_wrong_and_what_to_do():
    for rule in _rules():
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]


def test_every_dashboard_reads_the_provisioned_source():
    source = yaml.safe_load(
        (OBSERVABILITY / "grafana" / "datasources" / "prometheus.yml").read_text()
    )
    (uid,) = [each["uid"] for each in source["datasources"]]

    boards = [json.loads(path.read_text()) for path in DASHBOARDS]

    assert {panel["datasource"]["uid"] for board in boards for panel in board["panels"]} == {uid}
    assert len({board["uid"] for board in boards}) == len(boards) == 5


def _rules() -> Iterator[dict[str, Any]]:
    groups = yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"]
    return (rule for group in groups for rule in group["rules"])


def _without_labels(expression: str) -> str:
    """Drop what stands in braces and after `by`: labels look like metrics there."""
    return re.sub(r"\{[^}]*\}|by \([^)]*\)", "", expression)


def _names(system: System) -> set[str]:
    ports = [value for name, value in system.environment.items() if re.match("WORKER_._PORT", name)]
    pages = [f"{system.console}/metrics", *(f"http://127.0.0.1:{p}/metrics" for p in ports)]
    found = set()
    for page in pages:
        with urllib.request.urlopen(page, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        found |= {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}
    return found
