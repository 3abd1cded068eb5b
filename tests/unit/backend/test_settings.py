"""The environment is read once, and a bad value is refused by name."""

from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest

from backend.settings import Settings, SettingsError


def test_an_empty_environment_gives_what_suits_one_machine():
    settings = Settings.from_env({})

    assert settings.queue_backend == "redis"
    assert settings.mongo_url == "mongodb://127.0.0.1:27017"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUEUE_BACKEND", "rabbit"),
        ("QUEUE_DEPTH_MAX", "many"),
        ("QUEUE_DEPTH_MAX", "0"),
        ("PAYMENT_REQUESTS_PER_TENANT_S", "0"),
        ("ANALYTICS_WRITES_PER_TENANT_S", "-5"),
        ("PROVIDER_URL", "ftp://example"),
        ("PROVIDER_URL", "stripe:api.stripe.com"),
        ("TENANT_PROVIDERS", "stripe:"),
        ("TENANT_PROVIDERS", '{"acme": "paypal:"}'),
        ("TENANT_PROVIDERS", '{"": "stripe:"}'),
        ("STRIPE_LIVE", "true"),
        ("MONGO_DATABASE", ""),
        ("SMS_URL", "smtp://example"),
        ("PUBLIC_URL", "example.com"),
        ("REPORTS_URL", "/tmp/reports"),
        ("REPORTS_URL", "file://reports"),
        ("REPORTS_URL", "s3://bucket/prefix"),
        ("MAIL_FROM", "Spillway"),
        ("MAIL_FROM", "a <a@ä.example>"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_value_and_what_it_must_be(name, value):
    with pytest.raises(SettingsError, match=f"^{name}='{value}': must "):
        Settings.from_env({name: value})


def test_a_bad_secret_is_refused_without_being_shown():
    with pytest.raises(SettingsError, match=r"REDIS_URL=\(hidden\)") as refused:
        Settings.from_env({"REDIS_URL": "https://user:hunter2@redis"})

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://mail.example", "must be a URL that begins with"),
        ("smtps://", "must name a host"),
        ("smtps://mail.example:x", "Port could not be cast"),
        ("smtp://shop:hunter2@mail.example", "a password needs encryption"),
    ],
)
def test_a_mail_server_that_cannot_be_used_is_refused_without_its_password(url, why):
    with pytest.raises(SettingsError, match=r"SMTP_URL=\(hidden\): ") as refused:
        Settings.from_env({"SMTP_URL": url})

    assert (why in str(refused.value), "hunter2" in str(refused.value)) == (True, False)


@pytest.mark.parametrize("url", ["smtps://shop:secret@mail.example:465", "ses:", "ses:set"])
def test_a_mail_server_that_encrypts_or_ses_is_taken(url):
    assert Settings.from_env({"SMTP_URL": url}).smtp_url == url


def test_a_senders_name_beyond_ascii_is_encoded_and_its_address_is_not():
    mail_from = Settings.from_env({"MAIL_FROM": "Bücher GmbH <shop@example.com>"}).mail_from

    assert mail_from.isascii()
    assert str(make_header(decode_header(mail_from))) == "Bücher GmbH <shop@example.com>"
    assert parseaddr(mail_from)[1] == "shop@example.com"


def test_secrets_hide_when_settings_are_printed():
    shown = repr(
        Settings.from_env(
            {
                "TOKEN_PRIVATE_KEY": "canary-key",
                "MONGO_URL": "mongodb://user:canary-password@host",
                "OAUTH_CLIENTS": '[{"id":"a","secret_sha256":"canary","tenant":"t","scopes":[]}]',
            }
        )
    )

    assert "canary" not in shown


def test_clients_are_read_by_id():
    text = '[{"id":"demo","secret_sha256":"00","tenant":"t","scopes":["payments:read"]}]'

    client = Settings.from_env({"OAUTH_CLIENTS": text}).oauth_clients["demo"]

    assert (client.tenant, client.scopes) == ("t", frozenset({"payments:read"}))


@pytest.mark.parametrize(
    "text",
    [
        "none",
        '{"id":"a"}',
        '[{"id":"a","secret_sha256":"canary","tenant":"t"}]',
        '[{"id":"a","secret_sha256":"canary","tenant":"t","scopes":"payments:read"}]',
        '[{"id":"cli_a","secret_sha256":"canary","tenant":"t","scopes":["payments:read"]}]',
    ],
)
def test_clients_that_cannot_be_read_are_refused_without_their_secrets(text):
    with pytest.raises(SettingsError, match=r"^OAUTH_CLIENTS=\(hidden\): must be") as refused:
        Settings.from_env({"OAUTH_CLIENTS": text})

    assert "canary" not in str(refused.value)


def test_a_value_may_stand_in_a_file_that_wins_over_the_variable(tmp_path):
    secret = tmp_path / "mongo_url"
    secret.write_text("mongodb://user:password@host\n")

    settings = Settings.from_env({"MONGO_URL": "mongodb://other", "MONGO_URL_FILE": str(secret)})

    assert settings.mongo_url == "mongodb://user:password@host"


def test_a_secrets_file_that_cannot_be_read_is_refused_by_name(tmp_path):
    with pytest.raises(SettingsError, match=r"TOKEN_PRIVATE_KEY_FILE=.*No such file"):
        Settings.from_env({"TOKEN_PRIVATE_KEY_FILE": str(tmp_path / "missing")})


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"STRIPE_API_KEY": "sk_live_hunter2"}, "is of live mode, and STRIPE_LIVE is no"),
        ({"STRIPE_API_KEY": "rk_live_hunter2"}, "is of live mode, and STRIPE_LIVE is no"),
        (
            {"STRIPE_API_KEY": "sk_test_hunter2", "STRIPE_LIVE": "yes"},
            "is of test mode, and STRIPE_LIVE is yes",
        ),
        ({"STRIPE_API_KEY": "pk_test_hunter2"}, "must be a secret key of Stripe"),
        ({"STRIPE_API_KEY": "sk_test_hunter2\n"}, "must be a secret key of Stripe"),
    ],
)
def test_a_key_of_stripe_s_that_does_not_suit_is_refused_without_being_shown(variables, why):
    with pytest.raises(SettingsError, match=r"STRIPE_API_KEY=\(hidden\): ") as refused:
        Settings.from_env(variables)

    assert (why in str(refused.value), "hunter2" in str(refused.value)) == (True, False)


def test_stripe_s_key_and_secrets_are_not_shown_with_the_settings():
    variables = {"STRIPE_API_KEY": "sk_live_hunter2", "STRIPE_LIVE": "yes"}
    settings = Settings.from_env({**variables, "STRIPE_WEBHOOK_SECRETS": "whsec_hunter2, whsec_b"})

    assert settings.stripe_webhook_secrets == ("whsec_hunter2", "whsec_b")
    assert "hunter2" not in repr(settings)
