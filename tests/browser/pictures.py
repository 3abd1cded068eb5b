"""`python -m tests.browser.pictures FOLDER`: README's pictures, of a system under a short load.

The system has ports and a state of its own. A picture that is too large is refused, not kept.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.browser.conftest import BROWSERS
from tests.e2e.conftest import ROOT, System, own_system

LOAD = {"RATE": "60", "DURATION": "30"}
LOAD_S = 240  # with what the run waits for before and after
SIZE = "1200,760"
BYTES_MAX = 100_000
VIRTUAL_TIME_MS = 6_000  # two rounds of what the page polls
SHOT_S = 90


def main() -> int:
    """Start the system, load it, and write a picture of each page."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, own_system(Path(scratch) / "state") as system:
        reports = Path(scratch) / "reports"
        _load(system, reports)
        for name, url in _pages(system, reports):
            path = folder / f"{name}.png"
            _take(url, path)
            size = path.stat().st_size
            sys.stdout.write(f"{path}: {size:,} bytes\n")
            if size > BYTES_MAX:
                sys.stderr.write(f"{path} is larger than {BYTES_MAX:,} bytes\n")
                return 1
    return 0


def _load(system: System, reports: Path) -> None:
    addresses = {
        "TARGET": system.gateway,
        "CONSOLE": system.console,
        "PROVIDER": system.provider,
        "MAILBOX": system.mailbox,
    }
    environment = {**system.environment, **LOAD, **addresses, "REPORTS": str(reports)}
    command = [sys.executable, "-m", "loadtest"]
    subprocess.run(command, env=environment, cwd=ROOT, timeout=LOAD_S, check=False)


def _pages(system: System, reports: Path) -> Iterator[tuple[str, str]]:
    """Yield name and address of what is pictured; a page that the console lacks is left out."""
    views = _read(f"{system.console}/api/system")["paths"]
    yield "console", f"{system.console}/#/overview"
    yield "queues", f"{system.console}/#/queues"
    if "/api/traces" in views:
        traces = _read(f"{system.console}/api/traces")["traces"]
        widest = max(traces, key=lambda each: each["spans"], default=None)
        if widest:
            yield "trace", f"{system.console}/#/trace/{widest['id']}"
    for page in sorted(reports.glob("*/report.html"))[-1:]:
        yield "report", page.resolve().as_uri()


def _read(url: str) -> dict[str, list[dict[str, str]]]:
    with urllib.request.urlopen(url, timeout=20) as answer:
        content: dict[str, list[dict[str, str]]] = json.load(answer)
    return content


def _take(url: str, path: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"this needs one of {', '.join(BROWSERS)}")
    command = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
        *(f"--window-size={SIZE}", f"--screenshot={path.resolve()}"),
        *(f"--virtual-time-budget={VIRTUAL_TIME_MS}", url),
    ]
    subprocess.run(command, capture_output=True, timeout=SHOT_S, check=True)


if __name__ == "__main__":
    sys.exit(main())
