"""The audit of pinned packages, at an index that answers as each test says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import audit

Queries = list[dict[str, Any]]
KNOWN = {audit.CANARY: "PYSEC-2020-176", ("jinja2", "2.10"): "PYSEC-2019-217"}
LOCK = """
Jinja2==2.10 ; python_version >= '3.11' \\
    --hash=sha256:00
typing_extensions==4.0 \\
    --hash=sha256:00
"""


@contextmanager
def index(answer: Callable[[Queries], Any]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            raw = json.dumps(answer(body["queries"])).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def looking_up(queries: Queries) -> dict[str, Any]:
    pins = [(each["package"]["name"], each["version"]) for each in queries]
    return {"results": [{"vulns": [{"id": KNOWN[pin]}]} if pin in KNOWN else {} for pin in pins]}


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, url: str, lock: str = LOCK) -> int:
    (folder / "requirements.lock").write_text(lock)
    monkeypatch.setenv("OSV_URL", url)
    return audit.main([str(folder / "requirements.lock")])


def test_what_is_vulnerable_is_named_and_fails(monkeypatch, tmp_path, capsys):
    with index(looking_up) as url:
        assert run(monkeypatch, tmp_path, url) == audit.EXIT_VULNERABLE

    assert capsys.readouterr().out.splitlines() == [
        "jinja2 2.10: PYSEC-2019-217",
        f"1 of 2 pinned packages have known vulnerabilities; {url} looked all of them up",
    ]


def test_pins_without_a_known_vulnerability_pass(monkeypatch, tmp_path):
    with index(looking_up) as url:
        assert run(monkeypatch, tmp_path, url, LOCK.replace("2.10", "3.1.6")) == 0


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda queries: {"results": [{} for _ in queries]}, "knows nothing against pyyaml 5.1"),
        (lambda queries: {"results": looking_up(queries)["results"][:1]}, "answered for 1 of 3"),
        (lambda queries: {"message": "not found"}, "does not answer"),
        (lambda queries: [], "does not answer"),
    ],
)
def test_an_index_that_looks_nothing_up_fails(monkeypatch, tmp_path, capsys, answer, complaint):
    with index(answer) as url:
        assert run(monkeypatch, tmp_path, url) == audit.EXIT_UNANSWERED

    assert complaint in capsys.readouterr().err


def test_no_index_and_no_pins_fail(monkeypatch, tmp_path, capsys):
    with index(looking_up) as url:
        pass
    assert run(monkeypatch, tmp_path, url) == audit.EXIT_UNANSWERED
    assert run(monkeypatch, tmp_path, url, "jinja2\n") == audit.EXIT_UNANSWERED
    assert audit.main([str(tmp_path / "nothing")]) == audit.EXIT_UNANSWERED
    assert capsys.readouterr().err.count("not audited: ") == 3
