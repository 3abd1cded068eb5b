"""The table of differences and the rows of AWS behaviour agree."""

from local.machine.differences import differences
from tests.conformance.coverage import borne_rows
from tests.conformance.rows import ROWS


def test_every_row_that_a_test_bears_is_known():
    assert set(borne_rows()) <= set(ROWS)


def test_every_row_in_the_table_of_differences_is_known():
    assert {each.row for each in differences()} <= set(ROWS)


def test_every_row_is_tested_or_stands_in_the_table_of_differences():
    assert set(ROWS) - set(borne_rows()) - {each.row for each in differences()} == set()


def test_no_row_stands_in_the_table_twice():
    rows = [each.row for each in differences()]

    assert len(rows) == len(set(rows))
