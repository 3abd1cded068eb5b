"""A page as a real browser shows it."""

import shutil
import subprocess

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Two rounds of a page's own clock, which the browser lets run ahead.
VIRTUAL_TIME_MS = 5000


def shown(url: str) -> str:
    """Return the document as the browser has it once its script has run."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert browser, f"this needs one of {', '.join(BROWSERS)}"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    done = subprocess.run(
        [*command, f"--virtual-time-budget={VIRTUAL_TIME_MS}", url],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout
