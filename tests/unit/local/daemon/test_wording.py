"""The wording of numbers: a noun stands in the form that its number asks for."""

import pytest

from loadtest import wording as of_runs
from local.daemon import wording as ours


@pytest.mark.parametrize("wording", [ours, of_runs])
@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 messages"), (1, "1 message"), (2, "2 messages"), (1000, "1,000 messages")],
)
def test_one_thing_stands_in_the_singular(wording, count: int, text: str):
    assert wording.counted(count, "message") == text


def test_a_plural_without_an_s_is_told():
    assert ours.counted(2, "entry is", "entries are") == "2 entries are"
    assert ours.counted(1, "entry is", "entries are") == "1 entry is"
