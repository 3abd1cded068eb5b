"""The page of the API's description in a real browser: `make console-test`."""

import pytest

from tests.browser.chromium import Browser
from tests.browser.conftest import shows
from tests.e2e.conftest import own_system

pytestmark = pytest.mark.browser


def test_the_api_is_described_on_a_page_that_gets_a_token(tmp_path, page: Browser):
    with own_system(tmp_path) as system:
        page.open(f"{system.gateway}/docs")
        text = shows(page, "Accept a payment; a worker settles it.")

    assert "Authorize" in text
