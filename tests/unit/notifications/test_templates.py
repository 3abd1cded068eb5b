"""The words that fill a template: no links of strangers, and yet ordinary sentences."""

from time import process_time

import pytest

from backend.errors import InvalidRequest
from notifications.templates.built_in import PUBLIC


@pytest.mark.parametrize(
    "words",
    [
        "Dr. Ada M. King-Noel, Jr.",
        "Zoë & Co. (est. 1815)",
        "Order 12.50 and/or 3/4 of it, e.g. on 1.2.2026 at 10:30",
        "Version 1.2.3 of U.S. rules: see pay_abc",
        "O'Neil e.V.",
    ],
)
def test_ordinary_words_are_no_links(words):
    assert PUBLIC["welcome"].values({"name": words}) == {"name": words}


@pytest.mark.parametrize("start", ["a", "a.", "1.", "a:", "@a", "a-", "/"])
def test_no_text_is_slow_to_be_searched_for_links(start):
    text = (start * 1_000)[:1_000]
    before_s = process_time()
    try:
        PUBLIC["newsletter"].values({"headline": "h", "text": text})
    except InvalidRequest as error:
        assert error.param == "variables.text"  # noqa: PT017  # either answer will do, and soon
    assert process_time() - before_s < 0.2
