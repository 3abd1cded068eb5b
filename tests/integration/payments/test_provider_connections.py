"""Connections to the provider are kept, and made anew when it has ended them."""

from tests.integration.hanging_up import HangingUp


def test_a_provider_that_hung_up_is_asked_by_a_new_connection(payments):
    with HangingUp(b'{"effects":[]}') as server:
        reconciler = payments("reconciler", PROVIDER_URL=server.url)
        reconciler.invoke({})
        assert server.hung_up.wait(5)
        reconciler.invoke({})

    assert len(server.paths) == 2
