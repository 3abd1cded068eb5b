"""A webhook's secret is stored sealed, and opened by the key that sealed it only."""

import pytest

from notifications.webhooks import signing
from notifications.webhooks.sealing import Unsealable, seal, unseal


def test_a_sealed_secret_shows_nothing_and_is_opened_by_its_key():
    secret = signing.new_secret()
    stored = seal(secret, "key")

    assert secret.removeprefix("whsec_") not in stored
    assert stored != seal(secret, "key")
    assert unseal(stored, "key") == secret


@pytest.mark.parametrize("key", ["other", ""])
def test_another_key_opens_nothing(key):
    with pytest.raises(Unsealable, match="rotate"):
        unseal(seal(signing.new_secret(), "key"), key)


def test_what_an_older_version_stored_or_one_without_a_key_is_taken_as_it_is():
    secret = signing.new_secret()

    assert seal(secret, "") == secret
    assert unseal(secret, "key") == secret
