"""A webhook's secret is stored sealed, and opened by the key that sealed it only."""

import pytest

from notifications.webhooks import signing
from notifications.webhooks.sealing import PREFIX, Unsealable, seal, unseal


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


@pytest.mark.parametrize("rest", ["A", "", "AAAA", "A" * 400, "é", "a secret"])
def test_a_damaged_text_is_opened_by_nothing(rest):
    with pytest.raises(Unsealable, match="damaged"):
        unseal(PREFIX + rest, "key")


def test_a_text_that_was_cut_short_is_opened_by_nothing():
    stored = seal(signing.new_secret(), "key")

    for length in range(len(PREFIX), len(stored)):
        with pytest.raises(Unsealable, match="damaged"):
            unseal(stored[:length], "key")


def test_what_an_older_version_stored_or_one_without_a_key_is_taken_as_it_is():
    secret = signing.new_secret()

    assert seal(secret, "") == secret
    assert unseal(secret, "key") == secret
