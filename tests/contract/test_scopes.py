"""The scopes that clients of the store may have are those of the routes, but for tenants'."""

from access.service import GRANTABLE
from tests.contract import openapi


def test_a_client_of_the_store_may_have_every_scope_but_those_of_operators():
    assert {*GRANTABLE} == {each for each in openapi.scopes() if not each.startswith("tenants:")}
