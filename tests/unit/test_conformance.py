"""The table of differences and the rows of AWS behaviour agree."""

from local.differences import differences
from tests.conformance.coverage import borne_rows
from tests.conformance.rows import ROWS


def test_every_row_that_a_test_bears_is_known():
    assert set(borne_rows()) <= set(ROWS)


def test_every_row_in_the_table_of_differences_is_known():
    assert {each.row for each in differences()} <= set(ROWS)
