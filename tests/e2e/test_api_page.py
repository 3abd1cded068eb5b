"""The examples of the integrator's page run as they stand there."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from notifications.webhooks import signing
from tests.e2e.conftest import ROOT, System

PAGE = ROOT / "docs" / "api.md"
CLIENT_S_PAGE = ROOT / "clients" / "python" / "README.md"
ADDRESS = "http://127.0.0.1:5002"
PROGRAMS = {"bash": ["bash", "-euo", "pipefail"], "python": [sys.executable]}


def _examples(language: str, page: Path = PAGE) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert ADDRESS in blocks[0]
    return "\n".join(blocks)


@pytest.mark.parametrize(
    ("language", "page"), [*((each, PAGE) for each in PROGRAMS), ("python", CLIENT_S_PAGE)]
)
def test_the_examples_run(system: System, tmp_path: Path, language: str, page: Path):
    script = tmp_path / "examples"
    script.write_text(_examples(language, page).replace(ADDRESS, system.gateway))

    done = subprocess.run(
        [*PROGRAMS[language], str(script)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "clients" / "python")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    if language == "bash":
        assert '"id":"pay_' in done.stdout
        assert '"pm_card_4242\\" is not a test token' in done.stdout


def test_the_example_tells_our_webhooks_from_others():
    names: dict[str, object] = {}
    source = _examples("python")
    start = source.index("def receive")
    exec(source.partition("client =")[0] + source[start : source.index("endpoint =", start)], names)
    receive = names["receive"]
    assert callable(receive)
    old, new, now_s = signing.new_secret(), signing.new_secret(), round(time.time())
    body = b'{"type":"payment.succeeded","timestamp":"2026-09-21T14:13:20.000Z","data":{}}'
    names["secrets"] = [old, new]

    for keys, at_s, status in (
        ([old], now_s, 204),
        ([new], now_s, 204),
        ([old, new], now_s, 204),
        ([signing.new_secret()], now_s, 401),
        ([old], now_s - 301, 401),
    ):
        assert receive(body, dict(signing.headers("ntf_1", body, keys=keys, at_s=at_s))) == status
