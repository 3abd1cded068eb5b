"""One browser for all tests of pages."""

from collections.abc import Iterator

import pytest

from tests.browser.chromium import Browser, browser
from tests.conftest import wait_until


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Yield the browser of the whole run."""
    with browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def page(chromium: Browser) -> Browser:
    """Return the browser with an empty page that has printed nothing yet."""
    chromium.open("about:blank")
    chromium.errors.clear()
    return chromium


def shows(page: Browser, text: str, timeout_s: float = 20.0) -> str:
    """Wait until the page shows a text; return all that it shows."""
    return wait_until(lambda: shown if text in (shown := page.text()) else "", timeout_s)
