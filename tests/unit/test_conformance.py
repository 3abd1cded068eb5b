"""The table of differences and the rows of AWS behaviour agree."""

from tests.conformance.coverage import differences, borne_rows
from tests.conformance.rows import ROWS


def test_every_row_that_a_test_bears_is_known():
    assert set(borne_rows()) <= set(ROWS)


def test_every_row_in_the_table_of_differences_is_known():
    assert set(differences()) <= set(ROWS)
