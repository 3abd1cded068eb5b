"""Clients of the store, before it is asked."""

from backend import clients


def test_an_id_longer_than_any_of_ours_is_neither_looked_up_nor_remembered():
    assert clients.find("cli_" + "x" * 8_000) is None
