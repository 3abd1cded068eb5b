"""The output of `chalice package` is run: a template in JSON, an OpenAPI document, a zip file."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.integration.other_templates.conftest import CopiedProject


@pytest.fixture(scope="module")
def packaged(
    copied: Callable[[str], CopiedProject], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CopiedProject]:
    site = copied("packaged")
    (site.folder / ".chalice").mkdir()
    config = {"version": "2.0", "app_name": "shop", "stages": {"dev": {}}}
    (site.folder / ".chalice" / "config.json").write_text(json.dumps(config))
    (site.folder / "requirements.txt").touch()
    subprocess.run(
        [Path(sys.executable).with_name("chalice"), "package", "."],
        cwd=site.folder,
        env={"AWS_DEFAULT_REGION": "us-east-1", "HOME": str(site.folder), "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("JOURNAL", str(site.folder / "journal"))
        patch.setenv("AWS_REGION", "us-east-2")
        template = json.loads((site.folder / "sam.json").read_text())
        template["Resources"]["Every"]["Metadata"] = {"Spillway": {"EverySeconds": 1}}
        (site.folder / "template.yaml").write_text(json.dumps(template))
        up = site.run("up")
        assert up.returncode == 0, up.stderr
        assert "jobs is no queue of this template; an empty one stands for it here" in up.stderr
        yield site


def test_its_routes_answer_with_its_code_in_the_region_of_the_shell(packaged: CopiedProject):
    assert packaged.request("GET", "/items/7") == (200, {"sku": "7", "region": "us-east-2"})
    assert packaged.request("POST", "/items/7")[0] == 403


def test_its_authorizer_is_asked(packaged: CopiedProject):
    url = f"http://127.0.0.1:{packaged.ports['GATEWAY']}/closed"
    request = urllib.request.Request(url, headers={"Authorization": "open"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer) == {"who": "me"}

    assert packaged.request("GET", "/closed") == (401, {"message": "Unauthorized"})


def test_its_preflights_answer(packaged: CopiedProject):
    url = f"http://127.0.0.1:{packaged.ports['GATEWAY']}/items/7"
    request = urllib.request.Request(url, method="OPTIONS")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_queue_that_it_only_names_is_there(packaged: CopiedProject):
    sqs = packaged.sqs()
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="jobs")["QueueUrl"], MessageBody="one")

    wait_until(lambda: "one" in _lines(packaged), timeout_s=20)


def test_its_schedule_is_given_eventbridges_event(packaged: CopiedProject):
    wait_until(lambda: "Scheduled Event" in _lines(packaged), timeout_s=20)


def test_another_parameter_is_refused_while_it_runs(packaged: CopiedProject):
    template = packaged.folder / "template.yaml"
    declared = {"Parameters": {"Stage": {"Type": "String", "Default": "dev"}}}
    template.write_text(json.dumps(declared | json.loads(template.read_text())))
    again = packaged.run("up", "--parameter", "Stage=prod")

    assert again.returncode == 2
    assert "it runs with no parameters given; stop it with `python -m local down`" in again.stderr


def _lines(site: CopiedProject) -> list[str]:
    journal = site.folder / "journal"
    return journal.read_text().splitlines() if journal.exists() else []
