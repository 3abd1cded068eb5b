"""The provider of a tenant: by the settings, and by the payment where these have changed."""

import pytest

from backend.errors import CircuitOpen, InvalidRequest, Unauthorized
from backend.settings import Settings, SettingsError
from payments.provider import Ask, MoneyOrder
from payments.providers.choice import connect

KEY = {"STRIPE_API_KEY": "sk_test_1"}
MIXED = {**KEY, "TENANT_PROVIDERS": '{"acme": "stripe:"}'}


def providers(**variables):
    return connect(Settings.from_env(variables))


def test_a_tenant_may_have_another_provider_than_the_rest():
    mixed, only_stripe = providers(**MIXED), providers(**KEY, PROVIDER_URL="stripe:")

    assert (mixed.name_of("acme"), mixed.name_of("demo")) == ("stripe", "")
    assert only_stripe.name_of("demo") == "stripe"
    assert providers().name_of("demo") == ""


def test_a_token_that_only_stripe_can_know_is_refused_for_the_simulator():
    mixed = providers(**MIXED)
    mixed.check("pm_1abc", "EUR", "stripe")
    mixed.check("pm_card_visa", "EUR", "")

    with pytest.raises(InvalidRequest, match="is not a test token"):
        mixed.check("pm_1abc", "EUR", "")


@pytest.mark.parametrize("currency", ["ISK", "MGA", "UGX"])
def test_a_currency_that_stripe_counts_in_another_unit_is_refused_for_stripe(currency):
    mixed = providers(**MIXED)
    mixed.check("pm_card_visa", currency, "")

    with pytest.raises(InvalidRequest, match="another unit than ISO 4217"):
        mixed.check("pm_card_visa", currency, "stripe")


def test_payments_of_a_provider_that_the_settings_no_longer_name_wait():
    order = MoneyOrder(charge="ch_1", amount=1, currency="EUR", reference="pay_1")
    ask = Ask(key="re_1", path="/refunds", order=order)

    with pytest.raises(CircuitOpen, match="No setting names the provider simulator"):
        providers(**KEY, PROVIDER_URL="stripe:").ask_all([ask])


def test_a_webhook_of_a_provider_that_the_settings_do_not_name_is_refused():
    with pytest.raises(Unauthorized):
        providers().hear(b"{}", {"stripe-signature": "t=1,v1=0"}, now_s=1)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"PROVIDER_URL": "stripe:"}, "STRIPE_API_KEY: must be given"),
        (
            {**KEY, "TENANT_PROVIDERS": '{"a": "stripe:", "b": "stripe:http://127.0.0.1:8420"}'},
            "at most one URL of each provider",
        ),
        (
            {
                "STRIPE_API_KEY": "sk_live_1",
                "STRIPE_LIVE": "yes",
                "PROVIDER_URL": "stripe:http://127.0.0.1:8420",
            },
            "a key of live mode goes by https only",
        ),
    ],
)
def test_settings_that_name_no_usable_provider_are_refused(variables, why):
    with pytest.raises(SettingsError, match=why):
        providers(**variables)
