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

PAGE = (ROOT / "docs" / "api.md").read_text()
ADDRESS = "http://127.0.0.1:5002"
PROGRAMS = {"bash": ["bash", "-euo", "pipefail"], "python": [sys.executable]}


def _examples(language: str) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert ADDRESS in blocks[0]
    return "\n".join(blocks)


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_examples_run(system: System, tmp_path: Path, language: str):
    script = tmp_path / "examples"
    script.write_text(_examples(language).replace(ADDRESS, system.gateway))

    done = subprocess.run(
        [*PROGRAMS[language], str(script)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
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
    imports, start = source.partition("API =")[0], source.index("def verified")
    exec(imports + source[start:], names)
    verified = names["verified"]
    assert callable(verified)
    secret, body, now_s = signing.new_secret(), b'{"type":"payment.succeeded"}', time.time()
    headers = dict(signing.headers("ntf_1", body, keys=[secret], at_s=round(now_s)))

    assert verified(secret, headers, body, now_s) == {"type": "payment.succeeded"}
    for wrong in (
        (signing.new_secret(), body, now_s),
        (secret, b"{}", now_s),
        (secret, body, now_s + 301),
    ):
        with pytest.raises(ValueError, match="not one of ours"):
            verified(wrong[0], headers, wrong[1], wrong[2])
