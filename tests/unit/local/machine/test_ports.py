"""The ports that a system takes by itself."""

from local.machine.stores import port_or_next
from tests.conftest import free_port


def test_the_next_free_port_is_none_that_the_system_itself_will_take():
    usual = free_port()

    assert port_or_next(usual, {usual}) > usual
    assert port_or_next(usual, {usual + 1}) == usual
