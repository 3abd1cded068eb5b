"""The page of the API's description in a real browser: `make console-test`."""

import pytest

from tests.browser.conftest import shown
from tests.e2e.conftest import own_system

pytestmark = pytest.mark.browser


def test_the_api_is_described_on_a_page_that_gets_a_token(tmp_path):
    with own_system(tmp_path) as system:
        page = shown(f"{system.gateway}/docs")

    assert "Accept a payment; a worker settles it." in page
    assert "<span>Authorize</span>" in page
