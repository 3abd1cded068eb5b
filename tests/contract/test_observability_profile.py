"""The Compose profile `observability`: Prometheus, Tempo and Grafana agree on one another."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
OBSERVABILITY = ROOT / "local" / "observability"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def source(name: str) -> dict[str, Any]:
    """Return a data source that Grafana is given."""
    (only,) = read(OBSERVABILITY / "grafana" / "datasources" / f"{name}.yml")["datasources"]
    assert only["type"] == name
    return dict(only)


def test_an_exemplar_leads_to_a_trace_that_whoever_looks_may_open():
    services = read(ROOT / "docker-compose.yml")["services"]
    (destination,) = source("prometheus")["jsonData"]["exemplarTraceIdDestinations"]
    grafana = services["grafana"]["environment"]

    assert destination == {"name": "trace_id", "datasourceUid": source("tempo")["uid"]}
    assert "--enable-feature=exemplar-storage" in services["prometheus"]["command"]
    # Grafana opens a trace under Explore, which a viewer may do by this setting only.
    assert grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert grafana["GF_USERS_VIEWERS_CAN_EDIT"] == "true"


def test_tempo_listens_where_the_gateway_sends_and_grafana_asks():
    tempo = read(OBSERVABILITY / "tempo.yml")
    receiver = tempo["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    _, port = receiver.split(":")

    assert source("tempo")["url"] == f"http://tempo:{tempo['server']['http_listen_port']}"
    assert (
        f"OTEL_EXPORTER_OTLP_ENDPOINT=http://tempo:{port}"
        in (ROOT / "docs" / "compose.md").read_text()
    )


def test_what_tempo_writes_is_where_it_may_write():
    tempo = read(ROOT / "docker-compose.yml")["services"]["tempo"]
    folders = {place.partition(":")[0] for place in tempo["tmpfs"]}
    trace = read(OBSERVABILITY / "tempo.yml")["storage"]["trace"]

    assert {str(Path(trace[each]["path"]).parent) for each in ("wal", "local")} == folders
