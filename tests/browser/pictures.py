"""`python -m tests.browser.pictures FOLDER`: README's pictures, of a system under a short load.

The system has ports and a state of its own. Exits 1 where a picture is larger than BYTES_MAX.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.browser.chromium import Browser, browser
from tests.e2e.conftest import ROOT, System, own_system

LOAD = {"RATE": "60", "DURATION": "30"}
LOAD_S = 240  # with what the run waits for before and after
SIZE = (1200, 760)
BYTES_MAX = 100_000
SETTLED_S = 6.0  # two rounds of what the page polls


def main() -> int:
    """Start the system, load it, and write a picture of each page."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, own_system(Path(scratch) / "state") as system:
        reports = Path(scratch) / "reports"
        _load(system, reports)
        with browser(Path(scratch) / "browser") as page:
            page.resize(*SIZE)
            page.call("Emulation.setScrollbarsHidden", hidden=True)
            sizes = {}
            for name, url in _pages(system, reports):
                path = folder / f"{name}.png"
                _take(page, url, path)
                sizes[path] = path.stat().st_size
    for path, size in sizes.items():
        sys.stdout.write(f"{path}: {size:,} bytes\n")
    return int(max(sizes.values()) > BYTES_MAX)


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
    if "/api/traces" in views:
        traces = _read(f"{system.console}/api/traces?route=/v1/payments&limit=500")["traces"]
        # From the request to receipt and webhook, where it has been traced so far.
        widest = max(traces, key=lambda each: (len(each["services"]), each["spans"]), default=None)
        if widest:
            yield "trace", f"{system.console}/#/traces/{widest['id']}"
    for page in sorted(reports.glob("*/report.html"))[-1:]:
        yield "report", page.resolve().as_uri()


def _read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)


def _take(page: Browser, url: str, path: Path) -> None:
    page.open("about:blank")
    page.open(url)
    time.sleep(SETTLED_S)
    page.screenshot(path)


if __name__ == "__main__":
    sys.exit(main())
