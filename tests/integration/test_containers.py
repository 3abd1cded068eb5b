"""The needs of containers, from outside: keys made once, honest checks, a restart on change."""

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import free_port, wait_until

ROOT = Path(__file__).parents[2]
PROBE = ROOT / "local" / "compose" / "probe.py"
TICKER = "import time, pathlib; pathlib.Path('starts').open('a').write('x'); time.sleep(60)"


def _run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = [
        *(sys.executable, "-m", "local.simulators.mailbox", "--smtp-port", str(free_port())),
        *("--http-port", str(port), "--journal", str(tmp_path / "mailbox.jsonl")),
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as server:
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: _run("-IS", PROBE, f"{address}/messages").returncode == 0)
        yield address
        server.terminate()


def test_keys_are_made_once_and_readable_by_nobody_else(tmp_path: Path):
    webhooks = tmp_path / "webhooks"
    first = _run("-m", "local.compose.keys", tmp_path, webhooks)
    key = (tmp_path / "token.pem").read_text()
    secret = (webhooks / "provider-webhooks").read_text()
    (tmp_path / "clients.json").write_text("[]")
    second = _run("-m", "local.compose.keys", tmp_path, webhooks)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert stat.S_IMODE((tmp_path / "token.pem").stat().st_mode) == 0o600
    assert (tmp_path / "token.pem").read_text() == key
    assert (webhooks / "provider-webhooks").read_text() == secret
    assert stat.S_IMODE((webhooks / "provider-webhooks").stat().st_mode) == 0o600
    assert json.loads((tmp_path / "clients.json").read_text()) == []


def test_a_folder_that_takes_no_keys_is_named(tmp_path: Path):
    (tmp_path / "file").touch()

    refused = _run("-m", "local.compose.keys", tmp_path / "file", tmp_path)

    assert refused.returncode == 2
    assert refused.stderr.startswith(f"the keys cannot be written to {tmp_path / 'file'} and ")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/messages#messages", ""),
        ("/messages#no such words", "does not say no such words"),
        ("/nothing", "answers 404"),
    ],
)
def test_a_probe_says_what_is_wrong_with_an_answer(mailbox: str, path: str, sentence: str):
    probed = _run("-IS", PROBE, f"{mailbox}{path}")

    assert probed.returncode == (1 if sentence else 0)
    assert sentence in probed.stdout


def test_a_probe_says_that_nobody_answers():
    probed = _run("-IS", PROBE, f"http://127.0.0.1:{free_port()}/")

    assert probed.returncode == 1
    assert "does not answer: Connection refused" in probed.stdout


def test_a_command_starts_again_when_the_source_changes(tmp_path: Path):
    source = tmp_path / "local" / "module.py"
    source.parent.mkdir()
    source.write_text("")
    starts = tmp_path / "starts"
    command = [sys.executable, "-m", "local.compose.reload", sys.executable, "-c", TICKER]
    with subprocess.Popen(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
    ) as reloading:
        wait_until(lambda: starts.exists() and starts.read_text() == "x")
        source.write_text("changed = True\n")
        wait_until(lambda: starts.read_text() == "xx")
        reloading.terminate()

        assert reloading.wait(timeout=10) != 0


def test_a_command_that_has_done_its_work_is_not_started_again(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "local.compose.reload", sys.executable, "-c", "pass"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        timeout=20,
        check=False,
    )

    assert done.returncode == 0
